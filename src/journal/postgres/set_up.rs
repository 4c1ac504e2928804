//! What results say of the set-up of organisations: events that found it wrong, pauses and probes.

use std::collections::BTreeMap;

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::claim;
use super::gate::{self, Change};
use super::link::Failure;
use super::settle::Held;
use crate::domain::OrgId;
use crate::journal::Verdict;

/// Counts that events found the set-up wrong, once between deliveries of others.
pub(super) async fn strikes(client: &Client, held: &[Held<'_>]) -> Result<(), Failure> {
    let struck: Vec<_> = held.iter().filter(|held| held.finds_set_up_wrong()).collect();
    if struck.is_empty() {
        return Ok(());
    }
    let orgs: Vec<_> = struck.iter().map(|held| held.org.as_str()).collect();
    let passed = claim::passed(client, &orgs).await?;
    let upto: Vec<_> = struck.iter().map(|held| passed.get(held.org.as_str()).copied().unwrap_or(0)).collect();
    let counts = struck.iter().zip(&upto);
    let counts: Vec<_> =
        counts.map(|(held, upto)| held.strikes + i32::from(held.strikes == 0 || *upto > held.strikes_upto)).collect();
    let events: Vec<_> = struck.iter().map(|held| held.event()).collect();
    client
        .execute_typed(
            "UPDATE work w SET strikes = u.strikes, strikes_upto = u.upto
             FROM unnest($1, $2, $3) AS u (event, strikes, upto) WHERE w.event = u.event",
            &[(&events, Type::INT8_ARRAY), (&counts, Type::INT4_ARRAY), (&upto, Type::INT8_ARRAY)],
        )
        .await?;
    Ok(())
}

/// What the results do to the gates of their organisations. Where nothing is wrong no gate is locked.
pub(super) async fn gates(client: &Client, held: &[Held<'_>], now: i64) -> Result<bool, Failure> {
    let mut orgs: BTreeMap<&OrgId, Vec<&Held<'_>>> = BTreeMap::new();
    for held in held {
        orgs.entry(&held.org).or_default().push(held);
    }
    let mut changed = false;
    for (org, all) in orgs {
        let turns = |held: &&Held<'_>| {
            let verdict = held.settlement.verdict;
            held.gate.is_probing()
                || matches!(verdict, Verdict::Paused { .. } | Verdict::Retry { hold_organisation: true, .. })
        };
        if !all.iter().any(turns) {
            continue;
        }
        let mut gate = gate::lock(client, org).await?;
        let mut over = None;
        for Held { settlement, claimed_at, .. } in all {
            let probing = gate.is_probing();
            if let Some(change) = change(settlement.verdict, probing, gate.is_stale(*claimed_at)) {
                over = gate.apply(&change, settlement.answered.error.as_deref(), now).or(over);
            }
            if probing && settlement.verdict != Verdict::Delivered {
                gate.probe_failed(now);
            }
        }
        gate::store(client, org, &gate, over).await?;
        changed = true;
    }
    Ok(changed)
}

/// What a result does to a gate; `stale` ones are of attempts that were begun before the set-up was
/// found wrong.
fn change(verdict: Verdict, probing: bool, stale: bool) -> Option<Change> {
    match verdict {
        Verdict::Paused { probe_after } if !probing => Some(Change::SetUpWrong { probe_every: probe_after }),
        Verdict::Delivered if probing && !stale => Some(Change::SetUpMended),
        Verdict::Retry { after, hold_organisation: true } => Some(Change::Held { wait: after }),
        _ => None,
    }
}
