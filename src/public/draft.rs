//! A message that somebody at the console has in hand: what would become of it, and taking it.

use std::time::Instant;

use super::Public;
use super::message::{self, Envelope};
use crate::auth::Authenticated;
use crate::domain::{Position, Reason, StateChange};
use crate::journal::{Incoming, Receipt};
use crate::organisation::Organisation;
use crate::refusal::Refusal;
use crate::soap::{self, Version};

/// A message and how it is to be read.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// Its bytes, enveloped or bare.
    pub body: Vec<u8>,
    /// Their encoding, where it is known beside the message; else the message tells it.
    pub charset: Option<&'static str>,
    /// What `?event=` would say.
    pub event: Option<String>,
}

/// What would become of a message.
#[derive(Debug, Clone)]
pub struct Preview {
    /// In which form it is.
    pub version: Version,
    /// What it says.
    pub change: StateChange,
    /// Where it puts the candidate.
    pub position: Position,
    /// Why there.
    pub reason: Reason,
    /// What the journal would decide now.
    pub receipt: Receipt,
}

impl Draft {
    /// The head with which it would come.
    fn envelope(&self, organisation: &Organisation) -> Envelope {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(event) = &self.event {
            query.append_pair("event", event);
        }
        let media_type = soap::likely_type(&self.body);
        Envelope {
            content_type: Some(match self.charset {
                Some(charset) => format!("{media_type}; charset={charset}"),
                None => media_type.to_owned(),
            }),
            tenant: organisation.expect_tenant.clone(),
            query: query.finish(),
            ..Envelope::default()
        }
    }

    /// Says what would be decided now, and stores nothing.
    ///
    /// # Errors
    /// Why the endpoint would refuse it.
    pub async fn preview(&self, organisation: &Organisation, public: &Public) -> Result<Preview, Refusal> {
        let envelope = self.envelope(organisation);
        let request = envelope.read(&self.body, organisation);
        let request = request.map_err(|rejected| rejected.refusal)?;
        let (version, change) = (request.version, request.change.clone());
        let incoming = Incoming { dry_run: true, ..envelope.incoming(request, organisation)? };
        let (position, reason) = (incoming.position, incoming.reason);
        let receipt = message::receipt(public, &organisation.limits, incoming, Instant::now()).await?;
        Ok(Preview { version, change, position, reason, receipt })
    }
}

/// Takes a draft as a message that has just come.
///
/// # Errors
/// Why it is refused.
pub async fn send(
    public: &Public,
    organisation: &Organisation,
    draft: Authenticated<&Draft>,
) -> Result<Receipt, Refusal> {
    let envelope = draft.as_ref().envelope(organisation);
    let taken = match envelope.read(&draft.as_ref().body, organisation) {
        Ok(request) => envelope.store(draft.map(|_| request), organisation, public, Instant::now()).await,
        Err(rejected) => Err(rejected),
    };
    taken.map(|(_, _, receipt)| receipt).map_err(|rejected| rejected.refusal)
}
