use super::super::Id;
use super::super::messages::{Wanted, request, version};
use super::*;

const OLD: &str = include_str!("../../../fixtures/workday/candidate-v26.xml");
const NEW: &str = include_str!("../../../fixtures/workday/candidate-v43.xml");
const NOBODY: &str = include_str!("../../../fixtures/workday/candidate-nobody.xml");
const REQUISITION: &str = include_str!("../../../fixtures/workday/requisition.xml");
const AUTHENTICATION: &str = include_str!("../../../fixtures/workday/fault-authentication.xml");
const VALIDATION: &str = include_str!("../../../fixtures/workday/fault-validation.xml");

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
    assert!(old.application.has("JOB_APPLICATION-6-248"));
    assert_eq!(old.stage.descriptor.as_deref(), Some("Interview"));
    assert_eq!(old.stage.id("Recruiting_Stage_ID"), Some("INTERVIEW"));
    assert_eq!(old.step.unwrap().name("Workflow_Step_ID").as_deref(), Some("Phone Screen"));
    assert_eq!((old.disposition, old.at.as_deref()), (None, Some("2026-04-09T07:30:00.000-07:00")));
    let new = candidates(NEW).remove(0).applications.remove(0);
    assert_eq!(new.stage.name("Recruiting_Stage_ID").as_deref(), Some("REVIEW"));
    assert_eq!(new.disposition.unwrap().name("Recruiting_Disposition_ID").as_deref(), Some("Withdrawn"));
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
    let fault = |xml| match read(xml).unwrap() {
        Answer::Fault(fault) => fault,
        other => panic!("{other:?}"),
    };
    let authentication = fault(AUTHENTICATION);
    assert_eq!(authentication.code, "Client.authenticationError");
    assert_eq!(authentication.text, "invalid username or password");
    let validation = fault(VALIDATION);
    assert_eq!(validation.code, "Client.validationError");
    assert_eq!(validation.text.matches("is not a valid ID value").count(), 1, "{}", validation.text);
    assert!(validation.text.ends_with("wd:Candidate_Reference[1]"), "{}", validation.text);
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
