use super::super::Id;
use super::super::requests::{Wanted, request, version};
use super::*;

const OLD: &str = include_str!("../../../fixtures/workday/candidate-v26.xml");
const NEW: &str = include_str!("../../../fixtures/workday/candidate-v43.xml");
const NOBODY: &str = include_str!("../../../fixtures/workday/candidate-nobody.xml");
const REQUISITION: &str = include_str!("../../../fixtures/workday/requisition.xml");
const AUTHENTICATION: &str = include_str!("../../../fixtures/workday/fault-authentication.xml");
const VALIDATION: &str = include_str!("../../../fixtures/workday/fault-validation.xml");

fn read(xml: &str) -> Result<Answer, String> {
    super::read(xml.as_bytes(), None)
}

fn fault(xml: &str) -> Fault {
    match read(xml).unwrap() {
        Answer::Fault(fault) => fault,
        other => panic!("{other:?}"),
    }
}

fn candidates(xml: &str) -> Vec<Candidate> {
    match read(xml).unwrap() {
        Answer::Candidates(page) => page.items,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_layouts_of_names_are_read() {
    let old = candidates(OLD).remove(0);
    assert_eq!((old.first_name.as_deref(), old.last_name.as_deref()), (Some("Mina"), Some("Mustermann-Fiktiv")));
    assert_eq!(old.email.as_deref(), Some("mina.mustermann@candidate.example"));
    let new = candidates(NEW).remove(0);
    assert_eq!((new.first_name.as_deref(), new.last_name.as_deref()), (Some("Óscar"), Some("Ejemplo & Söhne")));
    assert_eq!(new.email.as_deref(), Some("oscar@candidate.example"));
    assert!(new.reference.has("CAND-2001") && new.reference.has("a0b1c2d3e4f5061728394a5b6c7d8e9f"));
}

#[test]
fn an_application_has_its_stage_its_step_and_its_time() {
    let old = candidates(OLD).remove(0).applications.remove(0);
    assert!(old.application.unwrap().has("JOB_APPLICATION-6-248"));
    let stage = old.stage.unwrap();
    assert_eq!(stage.descriptor.as_deref(), Some("Interview"));
    assert_eq!(stage.id("Recruiting_Stage_ID"), Some("INTERVIEW"));
    assert_eq!(old.step.unwrap().name("Workflow_Step_ID").as_deref(), Some("Phone Screen"));
    assert_eq!((old.disposition, old.at.as_deref()), (None, Some("2026-04-09T07:30:00.000-07:00")));
    let new = candidates(NEW).remove(0).applications.remove(0);
    assert_eq!(new.stage.unwrap().name("Recruiting_Stage_ID").as_deref(), Some("REVIEW"));
    assert_eq!(new.disposition.unwrap().name("Recruiting_Disposition_ID").as_deref(), Some("Withdrawn"));
}

#[test]
fn what_an_application_lacks_hides_nothing_else() {
    for reference in ["Stage_Reference", "Job_Requisition_Reference", "Job_Application_Reference"] {
        let without = OLD.replace(&format!("wd:{reference}"), "wd:Something_Else");
        assert_ne!(without, OLD, "{reference}");
        let candidate = candidates(&without).remove(0);
        assert_eq!((candidate.last_name.as_deref(), candidate.applications.len()), (Some("Mustermann-Fiktiv"), 1));
    }
}

#[test]
fn nobody_is_an_empty_page() {
    assert!(candidates(NOBODY).is_empty());
}

#[test]
fn a_requisition_has_a_title_and_a_profile() {
    let Answer::Requisitions(page) = read(REQUISITION).unwrap() else { panic!("no requisitions") };
    let expected =
        Requisition { title: Some("Stand-in Engineer".into()), job_profile: Some("Engineer, Fictitious".into()) };
    assert_eq!((page.items, page.pages), (vec![expected], 1));
}

#[test]
fn faults_say_all_that_they_say_once() {
    let authentication = fault(AUTHENTICATION);
    assert_eq!(authentication.code, "Client.authenticationError");
    assert_eq!(authentication.text, "invalid username or password");
    let validation = fault(VALIDATION);
    assert_eq!(validation.code, "Client.validationError");
    assert_eq!(validation.text.matches("is not a valid ID value").count(), 1, "{}", validation.text);
    assert!(validation.text.ends_with("wd:Candidate_Reference[1]"), "{}", validation.text);
}

#[test]
fn a_fault_is_read_in_other_encodings() {
    let declared = AUTHENTICATION.replace("UTF-8", "UTF-16");
    let utf16: Vec<u8> = std::iter::once(0xFEFF).chain(declared.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    let latin1: Vec<u8> = AUTHENTICATION.replace("invalid", "ung\u{fc}ltig").chars().map(|c| c as u8).collect();
    for (bytes, charset, said) in [
        (utf16, None, "invalid username or password"),
        (latin1, Some("iso-8859-1"), "ung\u{fc}ltig username or password"),
    ] {
        let Answer::Fault(fault) = super::read(&bytes, charset).unwrap() else { panic!("{charset:?}: no fault") };
        assert_eq!((fault.code.as_str(), fault.text.as_str()), ("Client.authenticationError", said));
    }
}

#[test]
fn a_fault_of_soap_12_is_the_same_fault() {
    let soap12 = |code: &str, subcode: &str, detail: &str| {
        format!(
            "<e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope' xmlns:wd='urn:com.workday/bsvc'><e:Body>\
             <e:Fault><e:Code><e:Value>e:{code}</e:Value><e:Subcode><e:Value>{subcode}</e:Value></e:Subcode></e:Code>\
             <e:Reason><e:Text xml:lang='en'>It failed</e:Text></e:Reason><e:Detail>{detail}</e:Detail></e:Fault>\
             </e:Body></e:Envelope>"
        )
    };
    let error = "<wd:Validation_Fault><wd:Validation_Error><wd:Message>Wrong ID</wd:Message></wd:Validation_Error>\
                 </wd:Validation_Fault>";
    for (code, subcode, detail, expected) in [
        ("Sender", "wd:authenticationError", "", ("Client.authenticationError", "It failed")),
        ("Sender", "Client.validationError", error, ("Client.validationError", "It failed; Wrong ID")),
        ("Receiver", "wd:processingError", "", ("Server.processingError", "It failed")),
        ("Sender", "wd:other", "", ("Client", "It failed")),
    ] {
        let fault = fault(&soap12(code, subcode, detail));
        assert_eq!((fault.code.as_str(), fault.text.as_str()), expected, "{code} {subcode}");
    }
}

#[test]
fn an_answer_is_bounded_before_it_is_read() {
    let envelope = |inner: &str| {
        format!(
            "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>{inner}</e:Body></e:Envelope>"
        )
    };
    let nested = envelope(&format!("{}{}", "<a>".repeat(500_000), "</a>".repeat(500_000)));
    assert!(read(&nested).unwrap_err().contains("nested deeper than 64"));
    assert!(read(&envelope(&"<a/>".repeat(100_001))).unwrap_err().contains("more than 100000 elements"));
    assert!(read(&format!("{AUTHENTICATION}<")).is_err(), "what follows the fault is read as well");
}

#[test]
fn what_is_no_answer_says_why() {
    for (xml, why) in [
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "document type"),
        ("<html><body>Please sign in</body></html>", ""),
        ("", ""),
        ("<env:Envelope xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\"><env:Body/></env:Envelope>", "neither"),
    ] {
        let error = read(xml).expect_err(xml);
        assert!(error.contains(why), "{xml}: {error}");
    }
    let elsewhere = OLD.replace("urn:com.workday/bsvc", "urn:com.example/else");
    assert!(read(&elsewhere).is_err(), "names of another namespace are other names");
}

#[test]
fn a_request_qualifies_its_attributes_and_signs_in() {
    let ids = [Id::new("Candidate_ID", "CAND-1182"), Id::new("Candidate_ID", "0f1e2d3c4b5a69788796a5b4c3d2e1f0")];
    let password = "a<b&c".to_owned().into();
    let old = request(Wanted::Candidates(&ids), 2, Some((26, 1)), Some(("ISU_test@acme", &password))).unwrap();
    let read = roxmltree::Document::parse(&old).unwrap_or_else(|error| panic!("{error}: {old}"));
    let wd = "urn:com.workday/bsvc";
    let kinds: Vec<_> = read
        .descendants()
        .filter(|node| node.has_tag_name((wd, "ID")))
        .map(|node| (node.attribute((wd, "type")).unwrap(), node.text().unwrap()))
        .collect();
    assert_eq!(kinds, [("Candidate_ID", "CAND-1182"), ("WID", "0f1e2d3c4b5a69788796a5b4c3d2e1f0")]);
    let of = |name: &str| read.descendants().find(|node| node.tag_name().name() == name).and_then(|node| node.text());
    assert_eq!((of("Username"), of("Password"), of("Page")), (Some("ISU_test@acme"), Some("a<b&c"), Some("2")));
    assert!(!old.contains("Exclude_All_Attachments"), "version 26.1 does not know it");
    let new = request(Wanted::Candidates(&ids), 1, None, None).unwrap();
    assert!(new.contains("Exclude_All_Attachments>true<") && !new.contains("Security"), "{new}");
}

#[test]
fn an_address_names_its_version() {
    assert_eq!(version("/ccx/service/acme/Recruiting/v43.0"), Some((43, 0)));
    assert_eq!(version("/ccx/service/acme/Recruiting/v26.1/"), Some((26, 1)));
    assert_eq!(version("/ccx/service/acme/Recruiting"), None);
}
