//! What a reload has changed, and which credentials are in use.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{text, time};
use crate::admin::Reloaded;
use crate::credential::Credential;
use crate::domain::OrgId;

/// What a reload has put in force. Secrets and certificates are named by their keys and never shown.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Configuration {
    organisations: Organisations,
    tokens: Tokens,
    /// The paths of all other keys that were changed, such as `limits.body_bytes`.
    keys: Vec<String>,
    /// Keys that differ from what runs and that only a start puts in force.
    at_next_start: Vec<&'static str>,
    /// What is odd about the configuration but no fault.
    warnings: Vec<String>,
}

/// Organisations by what became of them.
#[derive(Serialize, ToSchema)]
#[schema(as = ReloadedOrganisations)]
struct Organisations {
    added: Vec<OrgId>,
    removed: Vec<OrgId>,
    changed: Vec<Organisation>,
}

/// An organisation that was changed.
#[derive(Serialize, ToSchema)]
#[schema(as = ReloadedOrganisation)]
struct Organisation {
    orgid: OrgId,
    /// The keys in its section, such as `relay.api_key`.
    keys: Vec<String>,
}

/// Names of further admin tokens by what became of them.
#[derive(Serialize, ToSchema)]
#[schema(as = ReloadedTokens)]
struct Tokens {
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
}

pub(in crate::admin) fn configuration(reloaded: Reloaded) -> Configuration {
    let Reloaded { changes, at_next_start, warnings } = reloaded;
    let changed = changes.organisations_changed.into_iter().map(|(orgid, keys)| Organisation { orgid, keys });
    Configuration {
        organisations: Organisations {
            added: changes.organisations_added,
            removed: changes.organisations_removed,
            changed: changed.collect(),
        },
        tokens: Tokens {
            added: changes.tokens_added,
            removed: changes.tokens_removed,
            changed: changes.tokens_changed,
        },
        keys: changes.keys,
        at_next_start,
        warnings,
    }
}

/// Credentials and their last uses.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Credentials {
    /// Since when uses are noted: the start of the process.
    #[schema(format = DateTime)]
    since: String,
    credentials: Vec<OfOrganisation>,
}

/// A credential, named by its key.
#[derive(Serialize, ToSchema)]
#[schema(as = Credential)]
struct OfOrganisation {
    orgid: OrgId,
    /// The key in the organisation's section, such as `relay.api_key_next`.
    key: &'static str,
    /// When it was last used; null: not since then.
    #[schema(required, format = DateTime)]
    last_used_at: Option<String>,
}

pub(in crate::admin) fn credentials<'o>(
    since: Timestamp,
    organisations: impl Iterator<Item = (&'o OrgId, &'o [(&'static str, Credential)])>,
) -> Credentials {
    let all = organisations.flat_map(|(org, credentials)| {
        let of = |(key, credential): &(&'static str, Credential)| OfOrganisation {
            orgid: org.clone(),
            key,
            last_used_at: text(credential.last_used_at()),
        };
        credentials.iter().map(of).collect::<Vec<_>>()
    });
    Credentials { since: time(since), credentials: all.collect() }
}
