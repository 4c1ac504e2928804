//! What the reading of a message depends on, for one organisation.

/// Which ID is taken where a reference has several: the first type of the list that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdTypes {
    /// For the candidate, by default `Candidate_ID` before the WID.
    pub candidate: Vec<String>,
    /// For the job application.
    pub job_application: Vec<String>,
    /// For the job requisition.
    pub job_requisition: Vec<String>,
}

impl Default for IdTypes {
    fn default() -> Self {
        let list = |types: &[&str]| types.iter().map(|&id_type| id_type.to_owned()).collect();
        Self {
            candidate: list(&["Candidate_ID", "WID"]),
            job_application: list(&["Job_Application_ID", "WID"]),
            job_requisition: list(&["Job_Requisition_ID", "Requisition_ID", "WID"]),
        }
    }
}

/// How one organisation's messages are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The namespace of its payload, and of ours in the answers. Workday's own and none are read as well.
    pub namespace: String,
    /// Which IDs are taken.
    pub id_types: IdTypes,
    /// Whether a SOAPAction or `wsa:Action` that names another operation is refused.
    pub strict_soap_action: bool,
    /// Whether a stage is required even if the message says its event type itself.
    pub stage_always_required: bool,
    /// Whether a WS-Security header is understood: where UsernameTokens are checked. Elsewhere one
    /// that must be understood is not, as nobody would look at what it holds.
    pub username_tokens: bool,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            namespace: super::vocabulary::DEFAULT_NAMESPACE.to_owned(),
            id_types: IdTypes::default(),
            strict_soap_action: false,
            stage_always_required: false,
            username_tokens: false,
        }
    }
}
