//! The messages of Workday's Recruiting service, as far as the bridge asks for them.
//!
//! Elements and attributes are qualified by `urn:com.workday/bsvc`. Names stand directly in
//! `Name_Data` up to version 31 and in `Name_Data/Legal_Name/Name_Detail_Data` since. What the
//! bridge does not know is passed over.

use yaserde::{YaDeserialize, YaSerialize};

/// One of the IDs of a reference.
#[derive(Debug, Clone, Default, PartialEq, Eq, YaSerialize, YaDeserialize)]
#[yaserde(rename = "ID", prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
pub struct Id {
    /// Its type, such as `Candidate_ID` or `WID`.
    #[yaserde(attribute = true, prefix = "wd", rename = "type")]
    pub kind: String,
    /// The ID itself, as it stands there.
    #[yaserde(text = true)]
    pub text: String,
}

impl Id {
    /// An ID of this type; what looks like a WID is one, whatever it is called.
    pub fn new(kind: &str, text: &str) -> Self {
        let is_wid = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        Self { kind: if is_wid { "WID" } else { kind }.to_owned(), text: text.to_owned() }
    }
}

/// What Workday says of something that it knows by IDs.
#[derive(Debug, Clone, Default, PartialEq, Eq, YaSerialize, YaDeserialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
pub struct Reference {
    /// Its name, where it is given.
    #[yaserde(attribute = true, prefix = "wd", rename = "Descriptor")]
    pub descriptor: Option<String>,
    /// Its IDs, in no order.
    #[yaserde(prefix = "wd", rename = "ID")]
    pub ids: Vec<Id>,
}

impl Reference {
    /// To what this ID names.
    pub(super) fn to(id: &Id) -> Self {
        Self { descriptor: None, ids: vec![id.clone()] }
    }

    /// Whether one of its IDs has this text.
    pub fn has(&self, text: &str) -> bool {
        self.ids.iter().any(|id| id.text.trim() == text)
    }

    /// The text of its ID of this type.
    pub fn id(&self, kind: &str) -> Option<&str> {
        self.ids.iter().find(|id| id.kind == kind).map(|id| id.text.trim()).filter(|text| !text.is_empty())
    }

    /// Its name, else its ID of this type, else its WID.
    pub fn name(&self, kind: &str) -> Option<String> {
        let descriptor = self.descriptor.as_deref().map(str::trim).filter(|name| !name.is_empty());
        descriptor.or_else(|| self.id(kind)).or_else(|| self.id("WID")).map(str::to_owned)
    }
}

/// What is read of a `Candidate` element of Workday's `Get_Candidates_Response`; a field is `None` where
/// Workday gives nothing, or the account may not see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidate {
    /// How Workday knows the candidate.
    pub reference: Reference,
    /// The first name.
    pub first_name: Option<String>,
    /// The last name.
    pub last_name: Option<String>,
    /// The public primary e-mail address.
    pub email: Option<String>,
    /// The jobs that the candidate has applied to.
    pub applications: Vec<Application>,
}

/// A job that a candidate has applied to, and how far that is.
#[derive(Debug, Clone, Default, PartialEq, Eq, YaDeserialize)]
#[yaserde(rename = "Job_Applied_To_Data", prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
pub struct Application {
    /// The job application.
    #[yaserde(prefix = "wd", rename = "Job_Application_Reference")]
    pub application: Option<Reference>,
    /// The job requisition.
    #[yaserde(prefix = "wd", rename = "Job_Requisition_Reference")]
    pub requisition: Option<Reference>,
    /// The stage that it is in.
    #[yaserde(prefix = "wd", rename = "Stage_Reference")]
    pub stage: Option<Reference>,
    /// The step within the stage.
    #[yaserde(prefix = "wd", rename = "Workflow_Step_Reference")]
    pub step: Option<Reference>,
    /// Why it is over.
    #[yaserde(prefix = "wd", rename = "Disposition_Reference")]
    pub disposition: Option<Reference>,
    /// When it came there.
    #[yaserde(prefix = "wd", rename = "Status_Timestamp")]
    pub at: Option<String>,
}

/// What is read of a `Job_Requisition` element of Workday's `Get_Job_Requisitions_Response`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requisition {
    /// The title of its posting.
    pub title: Option<String>,
    /// Its job profile: the name, or the ID where no name is given.
    pub job_profile: Option<String>,
}
