//! What a reload has changed.

use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::Reloaded;
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
