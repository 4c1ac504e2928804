//! Why Workday did not tell, told apart by what helps: trying again, mending the set-up, or nothing.

use std::fmt;

use super::answers::Fault;

/// Why Workday did not tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It may well tell later.
    #[error("{error}")]
    Again {
        /// What went wrong.
        error: Told,
        /// The `Retry-After` that came with it.
        retry_after: Option<String>,
        /// Whether all of the organisation's requests should wait.
        whole_organisation: bool,
    },
    /// It does not let the bridge in, or not to this: somebody has to mend the set-up. To try on may
    /// lock the account.
    #[error("{1}")]
    Denied(Denial, Told),
    /// It does not take this request, however often it comes.
    #[error("{0}")]
    Refused(Told),
}

/// What stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The user and its password, or the client and its token.
    Credentials,
    /// The user may not ask for this.
    Permission,
    /// There is no such service at the address.
    Address,
}

/// What went wrong, and what Workday said of it, which may name whom it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    what: String,
    said: Option<String>,
}

impl<T: Into<String>> From<T> for Told {
    fn from(what: T) -> Self {
        Self { what: what.into(), said: None }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.said {
            Some(said) => write!(f, "{}: {said}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl Failure {
    pub(super) fn again(error: String) -> Self {
        Self::Again { error: error.into(), retry_after: None, whole_organisation: false }
    }

    /// What went wrong, for a log: without what Workday said.
    pub fn what(&self) -> &str {
        let (Self::Again { error: told, .. } | Self::Denied(_, told) | Self::Refused(told)) = self;
        &told.what
    }

    /// Whether Workday let the request in and found nothing to be what it names.
    pub fn is_of_values(&self) -> bool {
        matches!(self, Self::Refused(told) if told.what == answered(VALIDATION))
    }
}

/// What a status without a Fault denies.
pub(super) fn of_status(status: u16) -> Denial {
    match status {
        401 => Denial::Credentials,
        403 => Denial::Permission,
        _ => Denial::Address,
    }
}

/// The code of a fault that finds values wrong, such as the id of nobody.
const VALIDATION: &str = "Client.validationError";

/// That Workday answered this status or code.
pub(super) fn answered(what: impl fmt::Display) -> String {
    format!("Workday answered {what}")
}

/// What a Fault means, by its code and, where that says too little, its text.
pub(super) fn of_fault(fault: &Fault, retry_after: Option<String>) -> Failure {
    let said = Some(fault.text.clone()).filter(|text| !text.is_empty());
    let error = Told { what: answered(&fault.code), said };
    let not_authorized = fault.text.to_ascii_lowercase().contains("not authorized");
    match fault.code.as_str() {
        "Client.authenticationError" => Failure::Denied(Denial::Credentials, error),
        "Server.processingError" if not_authorized => Failure::Denied(Denial::Permission, error),
        code if code.starts_with("Client") => Failure::Refused(error),
        _ => Failure::Again { error, retry_after, whole_organisation: false },
    }
}
