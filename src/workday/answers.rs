//! Reading the answers of Workday's Recruiting service.

use yaserde::YaDeserialize;

use self::fault::FaultXml;
use super::messages::{Application, Candidate, Reference, Requisition};
use crate::xml::{self, Document, Limits, Namespace, Reader, Token};

mod fault;

pub(super) use self::fault::Fault;

/// How large an answer may be. A page of a hundred candidates stays far below; without a bound a few
/// bytes for each level of nesting would keep the typed reader busy without end.
const LIMITS: Limits = Limits { depth: 64, elements: 100_000 };

/// What an envelope held.
#[derive(Debug)]
pub(super) enum Answer {
    Candidates(Page<Candidate>),
    Requisitions(Page<Requisition>),
    Fault(Fault),
}

/// A page of what was asked for.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) pages: u32,
}

/// Reads an envelope in the charset of its Content-Type; the error says why it is none.
pub(super) fn read(bytes: &[u8], charset: Option<&str>) -> Result<Answer, String> {
    let document = Document::decode(bytes, charset).map_err(|error| error.to_string())?;
    let is_newer = check(&document).map_err(|error| error.to_string())?;
    let xml = undeclared(document.text());
    if is_newer {
        let fault = fault::of_soap12(xml)?;
        return fault.map(Answer::Fault).ok_or_else(|| "its SOAP 1.2 Body holds no Fault".into());
    }
    let envelope: Envelope = yaserde::de::from_str(xml).map_err(|error| error.to_string())?;
    let body = envelope.body;
    if let Some(fault) = body.fault {
        return Ok(Answer::Fault(fault.told()));
    }
    if let Some(answer) = body.candidates {
        let items = answer.data.unwrap_or_default().candidates.into_iter().map(CandidateXml::candidate).collect();
        return Ok(Answer::Candidates(Page { items, pages: answer.results.unwrap_or_default().pages() }));
    }
    if let Some(answer) = body.requisitions {
        let items = answer.data.unwrap_or_default().requisitions.into_iter().map(RequisitionXml::requisition).collect();
        return Ok(Answer::Requisitions(Page { items, pages: answer.results.unwrap_or_default().pages() }));
    }
    Err("its Body holds neither what was asked for nor a Fault".into())
}

/// Walks the whole document, so that the typed reader meets nothing but what is well-formed and within
/// the limits; tells whether its root is of SOAP 1.2.
fn check(document: &Document<'_>) -> Result<bool, xml::Error> {
    let mut reader = Reader::new(document, LIMITS, &[fault::SOAP12]);
    let is_newer = match reader.next()? {
        Token::Start(name) => name.namespace == Namespace::known(0),
        _ => false,
    };
    while reader.next()? != Token::Eof {}
    Ok(is_newer)
}

/// The document without its XML declaration, whose encoding it is no longer in.
fn undeclared(text: &str) -> &str {
    match text.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")) {
        Some((_, rest)) => rest,
        None => text,
    }
}

fn trimmed(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[derive(YaDeserialize)]
#[yaserde(
    rename = "Envelope",
    prefix = "env",
    namespaces = {"env" = "http://schemas.xmlsoap.org/soap/envelope/"}
)]
struct Envelope {
    #[yaserde(prefix = "env", rename = "Body")]
    body: Body,
}

#[derive(YaDeserialize)]
#[yaserde(
    prefix = "env",
    namespaces = {"env" = "http://schemas.xmlsoap.org/soap/envelope/", "wd" = "urn:com.workday/bsvc"}
)]
struct Body {
    #[yaserde(prefix = "env", rename = "Fault")]
    fault: Option<FaultXml>,
    #[yaserde(prefix = "wd", rename = "Get_Candidates_Response")]
    candidates: Option<CandidatesXml>,
    #[yaserde(prefix = "wd", rename = "Get_Job_Requisitions_Response")]
    requisitions: Option<RequisitionsXml>,
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct Results {
    #[yaserde(prefix = "wd", rename = "Total_Pages")]
    total_pages: Option<String>,
}

impl Results {
    fn pages(&self) -> u32 {
        self.total_pages.as_deref().and_then(|pages| pages.trim().parse().ok()).unwrap_or(1)
    }
}

#[derive(YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct CandidatesXml {
    #[yaserde(prefix = "wd", rename = "Response_Results")]
    results: Option<Results>,
    #[yaserde(prefix = "wd", rename = "Response_Data")]
    data: Option<CandidatesData>,
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct CandidatesData {
    #[yaserde(prefix = "wd", rename = "Candidate")]
    candidates: Vec<CandidateXml>,
}

#[derive(YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct CandidateXml {
    #[yaserde(prefix = "wd", rename = "Candidate_Reference")]
    reference: Option<Reference>,
    #[yaserde(prefix = "wd", rename = "Candidate_Data")]
    data: Option<CandidateData>,
}

impl CandidateXml {
    fn candidate(self) -> Candidate {
        let data = self.data.unwrap_or_default();
        let names = data.names.unwrap_or_default();
        let legal = names.legal.and_then(|legal| legal.names).unwrap_or_default();
        let mut reference = self.reference.unwrap_or_default();
        if let Some(text) = trimmed(data.id) {
            reference.ids.push(super::Id::new("Candidate_ID", &text));
        }
        Candidate {
            reference,
            first_name: trimmed(legal.first).or_else(|| trimmed(names.first)),
            last_name: trimmed(legal.last).or_else(|| trimmed(names.last)),
            email: data.contact.and_then(|contact| trimmed(contact.email)),
            applications: data.applications.into_iter().flat_map(|application| application.jobs).collect(),
        }
    }
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct CandidateData {
    #[yaserde(prefix = "wd", rename = "Candidate_ID")]
    id: Option<String>,
    #[yaserde(prefix = "wd", rename = "Name_Data")]
    names: Option<NameData>,
    #[yaserde(prefix = "wd", rename = "Contact_Data")]
    contact: Option<ContactData>,
    #[yaserde(prefix = "wd", rename = "Job_Application_Data")]
    applications: Vec<ApplicationData>,
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct NameData {
    #[yaserde(prefix = "wd", rename = "First_Name")]
    first: Option<String>,
    #[yaserde(prefix = "wd", rename = "Last_Name")]
    last: Option<String>,
    #[yaserde(prefix = "wd", rename = "Legal_Name")]
    legal: Option<LegalName>,
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct LegalName {
    #[yaserde(prefix = "wd", rename = "Name_Detail_Data")]
    names: Option<NameDetails>,
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct NameDetails {
    #[yaserde(prefix = "wd", rename = "First_Name")]
    first: Option<String>,
    #[yaserde(prefix = "wd", rename = "Last_Name")]
    last: Option<String>,
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct ContactData {
    #[yaserde(prefix = "wd", rename = "Email_Address")]
    email: Option<String>,
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct ApplicationData {
    #[yaserde(prefix = "wd", rename = "Job_Applied_To_Data")]
    jobs: Vec<Application>,
}

#[derive(YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct RequisitionsXml {
    #[yaserde(prefix = "wd", rename = "Response_Results")]
    results: Option<Results>,
    #[yaserde(prefix = "wd", rename = "Response_Data")]
    data: Option<RequisitionsData>,
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct RequisitionsData {
    #[yaserde(prefix = "wd", rename = "Job_Requisition")]
    requisitions: Vec<RequisitionXml>,
}

#[derive(YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct RequisitionXml {
    #[yaserde(prefix = "wd", rename = "Job_Requisition_Data")]
    data: Option<RequisitionData>,
}

impl RequisitionXml {
    fn requisition(self) -> Requisition {
        let data = self.data.unwrap_or_default();
        let profile = data.hiring.and_then(|hiring| hiring.job_profile);
        Requisition {
            title: data.detail.and_then(|detail| trimmed(detail.title)),
            job_profile: profile.and_then(|profile| profile.name("Job_Profile_ID")),
        }
    }
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct RequisitionData {
    #[yaserde(prefix = "wd", rename = "Job_Requisition_Detail_Data")]
    detail: Option<RequisitionDetail>,
    #[yaserde(prefix = "wd", rename = "Hiring_Requirement_Data")]
    hiring: Option<HiringRequirement>,
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct RequisitionDetail {
    #[yaserde(prefix = "wd", rename = "Job_Posting_Title")]
    title: Option<String>,
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct HiringRequirement {
    #[yaserde(prefix = "wd", rename = "Job_Profile_Reference")]
    job_profile: Option<Reference>,
}

#[cfg(test)]
mod tests;
