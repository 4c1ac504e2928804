//! Whether Workday lets the bridge in: asked for nobody, so that nothing is read of anybody.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;

use super::{proxy, shown};
use crate::app;
use crate::clock::SystemClock;
use crate::config::{Delivery, Workday, WorkdayCredentials};
use crate::credential::Credentials;
use crate::domain::OrgId;
use crate::organisation::WORKDAY;
use crate::workday::{Client, Denial, Failure, Id};

/// An id that no candidate and no requisition has.
const NOBODY: &str = "imper-bridge-check";

/// Two questions to a service that is slower than a relay.
const PATIENCE: u32 = 3;

/// Asks what the bridge asks, once each: a wrong password that is tried on locks the account.
pub(super) async fn reach(org: &OrgId, section: &Workday, delivery: &Delivery) -> anyhow::Result<String> {
    let notes = Credentials::new(Arc::new(SystemClock::new()));
    let client = app::workday_client(org, section, proxy(delivery)?.as_ref(), &notes)?;
    let url = shown(&section.soap_url);
    if let Err((asked, failure)) = ask(&client, delivery.timeout * PATIENCE).await {
        bail!("{url} was asked for {asked}: {failure}; {}", advice(&failure, &section.credentials));
    }
    let is_next = match &section.credentials {
        WorkdayCredentials::Password { password, password_next: Some(_), .. } => {
            notes.of(org, WORKDAY, password).last_used_at().is_none()
        }
        _ => false,
    };
    let by = if is_next { ", by password_next" } else { "" };
    Ok(format!("{url} lets {} ask for candidates and job requisitions{by}", who(&section.credentials)))
}

/// Whether both questions are taken; that they are about nobody is what Workday may say.
async fn ask(client: &Client, timeout: Duration) -> Result<(), (&'static str, Failure)> {
    let (candidate, requisition) = (Id::new("Candidate_ID", NOBODY), Id::new("Job_Requisition_ID", NOBODY));
    taken("candidates", client.candidates(&[candidate], timeout).await)?;
    taken("job requisitions", client.requisitions(&[requisition], timeout).await)
}

fn taken<T>(asked: &'static str, answer: Result<T, Failure>) -> Result<(), (&'static str, Failure)> {
    match answer {
        Err(failure) if !failure.is_of_values() => Err((asked, failure)),
        _ => Ok(()),
    }
}

fn who(credentials: &WorkdayCredentials) -> &str {
    match credentials {
        WorkdayCredentials::Password { username, .. } => username,
        WorkdayCredentials::Refresh { client_id, .. } => client_id,
    }
}

fn advice(failure: &Failure, credentials: &WorkdayCredentials) -> &'static str {
    match (failure, credentials) {
        (Failure::Denied(Denial::Credentials, _), WorkdayCredentials::Password { .. }) => {
            "compare username and password, and that the account may sign in to web services; Workday locks an \
             account after a few wrong passwords"
        }
        (Failure::Denied(Denial::Credentials, _), WorkdayCredentials::Refresh { .. }) => {
            "compare token_url, client_id, client_secret and refresh_token with the API client in Workday"
        }
        (Failure::Denied(Denial::Permission, _), _) => {
            "let the security group of the integration system user get candidates and job requisitions, and activate \
             the pending changes of the security policy"
        }
        (Failure::Denied(Denial::Address, _), _) => {
            "compare soap_url (and token_url) with the URLs that Workday shows; a redirect is not followed"
        }
        (Failure::Again { .. }, _) => {
            "it may pass; otherwise check the host name, the network, delivery.proxy and delivery.timeout_seconds"
        }
        (Failure::Refused(_), _) => "compare the version in soap_url with those that Workday offers",
    }
}
