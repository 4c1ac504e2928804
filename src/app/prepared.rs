//! What a configuration makes of itself before any of it is in force, so that what cannot be used
//! leaves everything as it was.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use secrecy::SecretString;

use super::routing::Table;
use crate::admin::{Token, Tokens};
use crate::config::{AdminToken, Role, Settings, StoreUrl, Tls};
use crate::credential::Credentials;
use crate::delivery::Policy;
use crate::net;
use crate::organisation::Directory;

/// The parts of one configuration that are swapped while the bridge runs.
pub(super) struct Prepared {
    pub(super) directory: Directory,
    pub(super) table: Table,
    pub(super) policy: Policy,
    pub(super) tokens: Tokens,
    /// The token of an operator of everything.
    pub(super) operator: SecretString,
}

impl Prepared {
    /// Prepares all of it, for a bridge whose journal is this one, whatever the settings name for the next start.
    ///
    /// # Errors
    /// When a relay's client cannot be built, or the admin token neither read nor made.
    pub(super) fn of(settings: &Settings, journal: &StoreUrl, notes: &Credentials) -> anyhow::Result<Self> {
        let (directory, table) = (Directory::of(settings, notes), Table::of(settings, notes)?);
        // The last that can fail, as it may leave a file behind.
        let (tokens, operator) = tokens(settings, journal)?;
        Ok(Self { directory, table, policy: policy(settings), tokens, operator })
    }
}

/// What the listener's handshakes are made with.
pub(super) fn in_force(tls: &Tls) -> net::InForce {
    net::InForce { server: Arc::clone(&tls.server), clients: tls.clients.clone() }
}

fn tokens(settings: &Settings, journal: &StoreUrl) -> anyhow::Result<(Tokens, SecretString)> {
    let operator = AdminToken::load_or_create(&settings.admin, journal)
        .context("the admin token cannot be made beside the journal; set admin.token")?;
    if let Some(place) = &operator.made_at {
        tracing::info!(file = %place.display(), "the admin token is in this file; set admin.token to choose it");
    }
    let secret = operator.token;
    let mut tokens = vec![Token { name: "admin".into(), secret: secret.clone(), orgs: None, role: Role::Operator }];
    tokens.extend(settings.admin.tokens.iter().map(|token| Token {
        name: token.name.clone(),
        secret: token.token.clone(),
        orgs: (!token.orgs.is_empty()).then(|| token.orgs.clone()),
        role: token.role,
    }));
    Ok((Tokens::new(tokens), secret))
}

/// How deliveries are tried.
pub(super) fn policy(settings: &Settings) -> Policy {
    let delivery = &settings.delivery;
    Policy {
        timeout: delivery.timeout,
        first_retry: delivery.first_retry,
        max_retry: delivery.max_retry,
        give_up_after: delivery.give_up_after,
        probe: delivery.probe,
        useful_within: delivery.useful_within,
        // Without an alert no interview is open for too long.
        open_interview_alert: delivery.open_interview_alert.unwrap_or(Duration::MAX),
        concurrency: delivery.concurrency,
    }
}
