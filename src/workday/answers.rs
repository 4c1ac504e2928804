//! Reading the answers of Workday's Recruiting service.

use yaserde::YaDeserialize;

use super::messages::{Application, Candidate, Reference, Requisition};

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

/// What Workday refuses with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Its code without a prefix, such as `Client.validationError`.
    pub(super) code: String,
    /// All that it says.
    pub(super) text: String,
}

/// Reads an envelope; the error says why it is none.
pub(super) fn read(xml: &str) -> Result<Answer, String> {
    if xml.contains("<!DOCTYPE") {
        return Err("it holds a document type declaration".into());
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

#[derive(YaDeserialize)]
#[yaserde(prefix = "env", namespaces = {"env" = "http://schemas.xmlsoap.org/soap/envelope/"})]
struct FaultXml {
    faultcode: Option<String>,
    faultstring: Option<String>,
    detail: Option<Detail>,
}

impl FaultXml {
    fn told(self) -> Fault {
        let code = self.faultcode.unwrap_or_default();
        let code = code.rsplit(':').next().unwrap_or_default().trim().to_owned();
        let detail = self.detail.unwrap_or_default();
        let errors = detail.validation.map(|fault| fault.errors).unwrap_or_default();
        let mut said = vec![self.faultstring];
        for error in errors {
            said.extend([error.message, error.detail_message, error.xpath]);
        }
        said.push(detail.processing.and_then(|fault| fault.detail_message));
        let mut texts: Vec<String> = Vec::new();
        for text in said.into_iter().filter_map(trimmed) {
            // A fault's sentence is often that of its detail.
            if !texts.iter().any(|before| before.contains(&text)) {
                texts.push(text);
            }
        }
        Fault { code, text: texts.join("; ") }
    }
}

#[derive(Default, YaDeserialize)]
#[yaserde(namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct Detail {
    #[yaserde(prefix = "wd", rename = "Validation_Fault")]
    validation: Option<ValidationFault>,
    #[yaserde(prefix = "wd", rename = "Processing_Fault")]
    processing: Option<ProcessingFault>,
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct ValidationFault {
    #[yaserde(prefix = "wd", rename = "Validation_Error")]
    errors: Vec<ValidationError>,
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct ValidationError {
    #[yaserde(prefix = "wd", rename = "Message")]
    message: Option<String>,
    #[yaserde(prefix = "wd", rename = "Detail_Message")]
    detail_message: Option<String>,
    #[yaserde(prefix = "wd", rename = "Xpath")]
    xpath: Option<String>,
}

#[derive(Default, YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct ProcessingFault {
    #[yaserde(prefix = "wd", rename = "Detail_Message")]
    detail_message: Option<String>,
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
