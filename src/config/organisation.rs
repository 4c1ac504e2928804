//! One organisation's settings: the `[org.NAME]` sections as types.

mod credentials;
mod read;

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub(super) use read::read_all;

use crate::certificate::Expected;
use crate::domain::payload::{EventNames, Shape};
use crate::domain::{OrgId, StagePolicy};

/// One organisation, checked.
#[derive(Debug, Clone)]
pub struct OrganisationSettings {
    /// Its id, which is also in its endpoint's path.
    pub id: OrgId,
    /// Who may post messages.
    pub auth: Auth,
    /// The namespace of its WSDL, its answers and its messages.
    pub namespace: String,
    /// Which stages are interviews and which statuses end one.
    pub policy: StagePolicy,
    /// Where its events go.
    pub handler: Handler,
    /// Which HTTP status goes with a fault.
    pub fault_status: FaultStatus,
    /// Whether a SOAPAction that names another operation is refused.
    pub strict_soap_action: bool,
    /// What the header `X-Workday-Tenant` must say.
    pub expect_tenant: Option<String>,
    /// How long a silence may be before that is reported; `None`: as long as it likes.
    pub expect_message_every: Option<Duration>,
    /// How often what is known is compared with Workday; `None`: never.
    pub reconcile_every: Option<Duration>,
    /// Which ID is taken where a reference has several.
    pub id_types: IdTypes,
    /// The JSON intake, where it is on.
    pub intake: Option<Intake>,
    /// Workday's own services, where they are used.
    pub workday: Option<Workday>,
}

/// What an organisation's settings must fit: the public listener.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listener {
    /// Whether only this machine reaches it.
    pub(super) loopback: bool,
    /// Whether it asks callers for a certificate.
    pub(super) asks_for_certificates: bool,
}

/// Who may post messages for an organisation. Any of several credentials suffices, and beside it
/// the certificate, where one is expected.
#[derive(Debug, Clone, Default)]
pub struct Auth {
    /// Everyone who reaches the (loopback) listener; then there is nothing else.
    pub none: bool,
    /// HTTP's Basic scheme; the name is without a colon.
    pub basic: Option<Login>,
    /// The token that callers send in `Authorization: Bearer`.
    pub bearer: Option<SecretString>,
    /// The Bearer token that will follow, while it is exchanged.
    pub bearer_next: Option<SecretString>,
    /// A WS-Security UsernameToken.
    pub wsse: Option<Login>,
    /// The client's certificate.
    pub client_cert: Option<Expected>,
}

/// A user name with a password.
#[derive(Debug, Clone)]
pub struct Login {
    /// The name, without a colon where it is used by Basic.
    pub username: String,
    /// The password now in use.
    pub password: SecretString,
    /// The password that will follow, while it is exchanged.
    pub password_next: Option<SecretString>,
}

/// Where an organisation's events go.
#[derive(Debug, Clone)]
pub enum Handler {
    /// To imper.ai's webhook relay.
    Relay(Relay),
    /// They are handled here.
    InProcess,
}

/// The relay, as one organisation uses it.
#[derive(Debug, Clone)]
pub struct Relay {
    /// Where events are posted.
    pub url: Url,
    /// What is sent to it in `Authorization: Bearer`.
    pub api_key: SecretString,
    /// The key that is tried when the other is refused, while it is exchanged.
    pub api_key_next: Option<SecretString>,
    /// The shape of what is posted.
    pub payload: Shape,
    /// How event types are spelled.
    pub event_names: EventNames,
    /// Certificates to trust beside the system's, in PEM.
    pub ca: Option<Vec<u8>>,
}

/// Which HTTP status goes with a SOAP fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FaultStatus {
    /// What the SOAP bindings ask for.
    #[default]
    Standard,
    /// Always 400.
    Always400,
    /// Always 500.
    Always500,
}

/// Which type of ID is taken where a reference has several; the first that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdTypes {
    /// For the candidate.
    pub candidate: Vec<String>,
    /// For the job application.
    pub job_application: Vec<String>,
    /// For the job requisition.
    pub job_requisition: Vec<String>,
}

/// The JSON intake.
#[derive(Debug, Clone)]
pub struct Intake {
    /// The Bearer key that callers show.
    pub key: SecretString,
    /// The key that will follow, while it is exchanged.
    pub key_next: Option<SecretString>,
}

/// Workday's own services.
#[derive(Debug, Clone)]
pub struct Workday {
    /// The Recruiting service's address.
    pub soap_url: Url,
    /// How the bridge signs in.
    pub credentials: WorkdayCredentials,
    /// How long after an interview's end what was read is kept.
    pub details: Duration,
}

/// How the bridge signs in to Workday.
#[derive(Debug, Clone)]
pub enum WorkdayCredentials {
    /// As an integration system user.
    Password {
        /// The user, such as `ISU_imper@acme`.
        username: String,
        /// The password.
        password: SecretString,
        /// The password that will follow, while it is exchanged.
        password_next: Option<SecretString>,
    },
    /// By OAuth 2 with a refresh token.
    Refresh {
        /// The token endpoint.
        token_url: Url,
        /// The API client.
        client_id: String,
        /// Its secret.
        client_secret: SecretString,
        /// The refresh token.
        refresh_token: SecretString,
    },
}
