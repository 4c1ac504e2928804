//! The ways into one organisation, and out to its relay and to Workday, as its settings give them.

use secrecy::SecretString;

use crate::auth::Verifier;
use crate::config::{Auth, Handler, Login, OrganisationSettings, Workday, WorkdayCredentials};
use crate::credential::{Credential, Credentials};
use crate::domain::OrgId;

/// The credentials of one organisation, by the paths of their keys in its section.
pub(super) struct Ways<'c> {
    org: &'c OrgId,
    notes: &'c Credentials,
    pub(super) listed: Vec<(&'static str, Credential)>,
}

impl<'c> Ways<'c> {
    pub(super) fn new(org: &'c OrgId, notes: &'c Credentials) -> Self {
        Self { org, notes, listed: Vec::new() }
    }

    /// Lists a secret and the one that will follow it, where they are there; while they are exchanged,
    /// both are taken.
    fn both(
        &mut self,
        what: &'static str,
        secrets: [(&'static str, Option<&SecretString>); 2],
    ) -> impl Iterator<Item = Credential> + use<> {
        let known = secrets.into_iter().filter_map(|(key, secret)| Some((key, secret?)));
        let known: Vec<_> = known.map(|(key, secret)| (key, self.notes.of(self.org, what, secret))).collect();
        self.listed.extend(known.iter().cloned());
        known.into_iter().map(|(_, credential)| credential)
    }

    /// Who may post its messages.
    pub(super) fn verifier(&mut self, auth: &Auth) -> Verifier {
        if auth.none {
            return Verifier::open();
        }
        let mut verifier = Verifier::default();
        if let Some(Login { username, password, password_next }) = &auth.basic {
            let keys = [("auth.basic.password", Some(password)), ("auth.basic.password_next", password_next.as_ref())];
            verifier = self.both("basic", keys).fold(verifier, |verifier, one| verifier.with_basic(username, one));
        }
        let keys = [("auth.bearer", auth.bearer.as_ref()), ("auth.bearer_next", auth.bearer_next.as_ref())];
        verifier = self.both("bearer", keys).fold(verifier, Verifier::with_bearer);
        if let Some(Login { username, password, password_next }) = &auth.wsse {
            let keys = [("auth.wsse.password", Some(password)), ("auth.wsse.password_next", password_next.as_ref())];
            let both = self.both("wsse", keys);
            verifier = both.fold(verifier, |verifier, one| verifier.with_username_token(username, one));
        }
        if let Some(expected) = &auth.client_cert {
            verifier = verifier.with_certificate(expected.clone());
        }
        verifier
    }

    /// Who may post to its JSON intake; `None`: it is off.
    pub(super) fn intake(&mut self, settings: &OrganisationSettings) -> Option<Verifier> {
        let intake = settings.intake.as_ref()?;
        let keys = [("intake.key", Some(&intake.key)), ("intake.key_next", intake.key_next.as_ref())];
        Some(self.both("intake", keys).fold(Verifier::default(), Verifier::with_bearer))
    }

    /// Lists the keys that are shown to its relay, where it has one.
    pub(super) fn relay(&mut self, handler: &Handler) {
        if let Handler::Relay(relay) = handler {
            let keys = [("relay.api_key", Some(&relay.api_key)), ("relay.api_key_next", relay.api_key_next.as_ref())];
            // Whoever posts by them asks for them by itself.
            drop(self.both(super::RELAY, keys));
        }
    }

    /// Lists what is shown to Workday, where that is asked.
    pub(super) fn workday(&mut self, workday: Option<&Workday>) {
        let keys = match workday.map(|workday| &workday.credentials) {
            None => return,
            Some(WorkdayCredentials::Password { password, password_next, .. }) => {
                [("workday.password", Some(password)), ("workday.password_next", password_next.as_ref())]
            }
            Some(WorkdayCredentials::Refresh { client_secret, refresh_token, .. }) => {
                [("workday.client_secret", Some(client_secret)), ("workday.refresh_token", Some(refresh_token))]
            }
        };
        // Whoever asks by them takes them by itself.
        drop(self.both(super::WORKDAY, keys));
    }
}
