//! What Workday's Recruiting service is asked for: a page of candidates or of job requisitions.

use secrecy::{ExposeSecret, SecretString};
use yaserde::YaSerialize;

use super::messages::{Id, Reference};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'w> {
    Candidates(&'w [Id]),
    Requisitions(&'w [Id]),
}

impl Wanted<'_> {
    /// How many entries are asked for.
    pub(super) fn len(self) -> u32 {
        let (Self::Candidates(ids) | Self::Requisitions(ids)) = self;
        u32::try_from(ids.len()).unwrap_or(u32::MAX)
    }
}

/// The version that an address of the service names, such as 26.1.
pub(super) fn version(path: &str) -> Option<(u32, u32)> {
    let (major, minor) = path.trim_end_matches('/').rsplit('/').next()?.strip_prefix('v')?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The first version that can leave attachments out; an address without a version is a later one.
const LEAVES_ATTACHMENTS_OUT: (u32, u32) = (31, 2);

/// How many entries a page has at most.
pub(super) const PER_PAGE: u32 = 100;

/// The request for a page, signed in by a UsernameToken where a login is given.
pub(super) fn request(
    wanted: Wanted<'_>,
    page: u32,
    version: Option<(u32, u32)>,
    login: Option<(&str, &SecretString)>,
) -> Result<String, String> {
    let filter = Some(Filter { page, count: PER_PAGE });
    let mut body = RequestBody::default();
    match wanted {
        Wanted::Candidates(ids) => {
            let out = version.is_none_or(|version| version >= LEAVES_ATTACHMENTS_OUT).then_some(true);
            body.candidates = Some(GetCandidates {
                references: CandidateReferences { candidates: ids.iter().map(Reference::to).collect() },
                filter,
                group: CandidateGroup { include_reference: true, exclude_all_attachments: out },
            });
        }
        Wanted::Requisitions(ids) => {
            body.requisitions = Some(GetRequisitions {
                references: RequisitionReferences { requisitions: ids.iter().map(Reference::to).collect() },
                filter,
                group: RequisitionGroup {
                    include_reference: true,
                    include_definition: true,
                    include_restrictions: true,
                },
            });
        }
    }
    let header = login.map(|(username, password)| Header {
        security: Security {
            must_understand: "1".into(),
            token: UsernameToken {
                username: username.to_owned(),
                password: Password { kind: PASSWORD_TEXT.into(), text: password.expose_secret().to_owned() },
            },
        },
    });
    yaserde::ser::to_string(&RequestEnvelope { header, body }).map_err(|error| error.to_string())
}

const PASSWORD_TEXT: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText";

#[derive(YaSerialize)]
#[yaserde(
    rename = "Envelope",
    prefix = "env",
    namespaces = {"env" = "http://schemas.xmlsoap.org/soap/envelope/"}
)]
struct RequestEnvelope {
    #[yaserde(prefix = "env", rename = "Header")]
    header: Option<Header>,
    #[yaserde(prefix = "env", rename = "Body")]
    body: RequestBody,
}

#[derive(YaSerialize)]
#[yaserde(
    prefix = "env",
    namespaces = {
        "env" = "http://schemas.xmlsoap.org/soap/envelope/",
        "wsse" = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
    }
)]
struct Header {
    #[yaserde(prefix = "wsse", rename = "Security")]
    security: Security,
}

#[derive(YaSerialize)]
#[yaserde(
    prefix = "wsse",
    namespaces = {
        "env" = "http://schemas.xmlsoap.org/soap/envelope/",
        "wsse" = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
    }
)]
struct Security {
    #[yaserde(attribute = true, prefix = "env", rename = "mustUnderstand")]
    must_understand: String,
    #[yaserde(prefix = "wsse", rename = "UsernameToken")]
    token: UsernameToken,
}

#[derive(YaSerialize)]
#[yaserde(
    prefix = "wsse",
    namespaces = {"wsse" = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"}
)]
struct UsernameToken {
    #[yaserde(prefix = "wsse", rename = "Username")]
    username: String,
    #[yaserde(prefix = "wsse", rename = "Password")]
    password: Password,
}

#[derive(YaSerialize)]
#[yaserde(
    prefix = "wsse",
    namespaces = {"wsse" = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"}
)]
struct Password {
    #[yaserde(attribute = true, rename = "Type")]
    kind: String,
    #[yaserde(text = true)]
    text: String,
}

#[derive(Default, YaSerialize)]
#[yaserde(
    prefix = "env",
    namespaces = {"env" = "http://schemas.xmlsoap.org/soap/envelope/", "wd" = "urn:com.workday/bsvc"}
)]
struct RequestBody {
    #[yaserde(prefix = "wd", rename = "Get_Candidates_Request")]
    candidates: Option<GetCandidates>,
    #[yaserde(prefix = "wd", rename = "Get_Job_Requisitions_Request")]
    requisitions: Option<GetRequisitions>,
}

#[derive(YaSerialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct GetCandidates {
    #[yaserde(prefix = "wd", rename = "Request_References")]
    references: CandidateReferences,
    #[yaserde(prefix = "wd", rename = "Response_Filter")]
    filter: Option<Filter>,
    #[yaserde(prefix = "wd", rename = "Response_Group")]
    group: CandidateGroup,
}

#[derive(YaSerialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct CandidateReferences {
    #[yaserde(prefix = "wd", rename = "Candidate_Reference")]
    candidates: Vec<Reference>,
}

#[derive(YaSerialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct CandidateGroup {
    #[yaserde(prefix = "wd", rename = "Include_Reference")]
    include_reference: bool,
    #[yaserde(prefix = "wd", rename = "Exclude_All_Attachments")]
    exclude_all_attachments: Option<bool>,
}

#[derive(YaSerialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct GetRequisitions {
    #[yaserde(prefix = "wd", rename = "Request_References")]
    references: RequisitionReferences,
    #[yaserde(prefix = "wd", rename = "Response_Filter")]
    filter: Option<Filter>,
    #[yaserde(prefix = "wd", rename = "Response_Group")]
    group: RequisitionGroup,
}

#[derive(YaSerialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct RequisitionReferences {
    #[yaserde(prefix = "wd", rename = "Job_Requisition_Reference")]
    requisitions: Vec<Reference>,
}

#[derive(YaSerialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct RequisitionGroup {
    #[yaserde(prefix = "wd", rename = "Include_Reference")]
    include_reference: bool,
    #[yaserde(prefix = "wd", rename = "Include_Job_Requisition_Definition_Data")]
    include_definition: bool,
    #[yaserde(prefix = "wd", rename = "Include_Job_Requisition_Restrictions_Data")]
    include_restrictions: bool,
}

#[derive(YaSerialize)]
#[yaserde(prefix = "wd", namespaces = {"wd" = "urn:com.workday/bsvc"})]
struct Filter {
    #[yaserde(prefix = "wd", rename = "Page")]
    page: u32,
    #[yaserde(prefix = "wd", rename = "Count")]
    count: u32,
}
