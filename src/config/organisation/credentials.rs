//! Reading the sections that hold credentials: those callers show, and those shown to Workday.

use std::time::Duration;

use url::Url;

use super::super::section::{Reader, Section, Wrong};
use super::super::tree::Item;
use super::super::value::{boolean, text, time};
use super::super::{address, secret};
use super::{Auth, Intake, Listener, Login, Workday, WorkdayCredentials};
use crate::certificate::{Expected, Fingerprint, NoFingerprint, NoName, Subject};

/// Reads `auth`. An organisation that says nothing about it is a fault: letting everyone in must
/// be said.
pub(super) fn auth(section: &mut Section<'_, '_>, listener: Listener) -> Auth {
    let written = section.has("auth");
    let Some(mut ways) = section.section("auth") else {
        if !written {
            no_way_in(section, "auth");
        }
        return Auth::default();
    };
    let none = ways.value("none", boolean);
    let others: Vec<&str> =
        ["basic", "bearer", "wsse", "client_cert"].into_iter().filter(|way| ways.has(way)).collect();
    match none {
        Some(true) => open(&ways, listener.loopback, &others),
        Some(false) | None if others.is_empty() && (none.is_some() || !ways.has("none")) => no_way_in(&ways, ""),
        _ => {}
    }
    let auth = Auth {
        none: none.unwrap_or(false),
        basic: ways.section("basic").and_then(|section| login(section, username)),
        bearer: ways.value("bearer", secret::token),
        bearer_next: ways.value("bearer_next", secret::token),
        wsse: ways.section("wsse").and_then(|section| login(section, text)),
        client_cert: client_cert(&mut ways, listener),
    };
    if ways.has("bearer_next") && !ways.has("bearer") {
        let advice = "Write the token as auth.bearer; auth.bearer_next is for one that will follow it.";
        ways.fault("bearer_next", "a token (not shown) without `bearer`", "the token that it will follow", advice);
    }
    ways.finish();
    auth
}

fn no_way_in(section: &Section<'_, '_>, key: &str) {
    section.fault(
        key,
        "no credentials",
        "auth.basic, auth.bearer or auth.wsse (or, on a loopback listener, auth.none = true)",
        "Add auth.basic = { username = \"imper\", password = { env = \"NAME\" } }.",
    );
}

/// What `auth.none` must be given with: a listener that only this machine reaches, and nothing else.
fn open(ways: &Section<'_, '_>, loopback: bool, others: &[&str]) {
    if !loopback {
        let advice = "Add auth.basic or auth.bearer in its place, or listen on 127.0.0.1.";
        ways.fault("none", "true while `listen` is no loopback address", "credentials", advice);
    }
    if !others.is_empty() {
        let found = format!("true beside {}", others.join(", "));
        ways.fault("none", found, "either credentials or auth.none", "Remove one: auth.none lets everyone in.");
    }
}

/// Reads the certificate that callers must show: by its subject or by its fingerprint.
fn client_cert(ways: &mut Section<'_, '_>, listener: Listener) -> Option<Expected> {
    let mut section = ways.section("client_cert")?;
    if !listener.asks_for_certificates {
        let advice = "Add client_ca to [tls]; a proxy in front cannot pass a certificate on.";
        section.fault("", "a client certificate, for which nobody is asked", "tls.client_ca beside it", advice);
    }
    let subject = section.value("subject", subject);
    let sha256 = section.value("sha256", fingerprint);
    if section.has("subject") == section.has("sha256") {
        let found = if subject.is_some() { "both `subject` and `sha256`" } else { "neither `subject` nor `sha256`" };
        section.fault("", found, "one of them", "Write { subject = \"CN=…\" } or { sha256 = \"…\" }.");
    }
    section.finish();
    subject.map(Expected::Subject).or(sha256.map(Expected::Sha256))
}

fn subject(item: &Item, reader: &Reader<'_>) -> Result<Subject, Wrong> {
    let expected = || Wrong::new("a distinguished name by RFC 4514, such as \"CN=studio,O=Example,C=US\"");
    let name = text(item, reader).map_err(|_| expected())?;
    name.parse().map_err(|NoName| {
        expected().advice(
            "It is the whole subject, no space after commas, as `openssl x509 -noout -subject -nameopt RFC2253` prints it.",
        )
    })
}

fn fingerprint(item: &Item, reader: &Reader<'_>) -> Result<Fingerprint, Wrong> {
    let expected = || Wrong::new("a SHA-256 fingerprint of 64 hexadecimal digits");
    let digits = text(item, reader).map_err(|_| expected())?;
    digits.parse().map_err(|NoFingerprint| expected().advice("`openssl x509 -noout -fingerprint -sha256` prints it."))
}

fn login(mut section: Section<'_, '_>, name: impl Fn(&Item, &Reader<'_>) -> Result<String, Wrong>) -> Option<Login> {
    let username = section.required("username", "a user name", name);
    let password = section.required("password", "a password, a secret", secret::secret);
    let password_next = section.value("password_next", secret::secret);
    section.finish();
    Some(Login { username: username?, password: password?, password_next })
}

fn username(item: &Item, reader: &Reader<'_>) -> Result<String, Wrong> {
    let name = text(item, reader)?;
    if name.contains(':') || name.chars().any(char::is_control) {
        let wrong = Wrong::new("a user name without a colon or control character");
        return Err(wrong.advice("In HTTP's Basic scheme the first colon ends the user name."));
    }
    Ok(name)
}

/// Reads `[org.NAME.intake]`.
pub(super) fn intake(mut section: Section<'_, '_>) -> Option<Intake> {
    let key = section.required("key", "the intake's Bearer key, a secret", secret::token);
    let key_next = section.value("key_next", secret::token);
    section.finish();
    Some(Intake { key: key?, key_next })
}

/// Reads `[org.NAME.workday]`.
pub(super) fn workday(mut section: Section<'_, '_>) -> Option<Workday> {
    let soap_url = section.required("soap_url", "the Recruiting service's URL", address::called);
    let credentials = if section.has("token_url") { refresh(&mut section) } else { password(&mut section) };
    let details = section.value("details_days", time("days", 86_400.0, 0.0..=3_650.0));
    if let (Some(url), Some(credentials)) = (&soap_url, &credentials) {
        odd(&section, url, credentials);
    }
    section.finish();
    Some(Workday {
        soap_url: soap_url?,
        credentials: credentials?,
        details: details.unwrap_or(Duration::from_secs(7 * 86_400)),
    })
}

/// Says what Workday would hardly answer to: it may be right all the same.
fn odd(section: &Section<'_, '_>, url: &Url, credentials: &WorkdayCredentials) {
    let tenant = tenant(url);
    if tenant.is_none() {
        section.reader().warn(format!(
            "{} is {url}: the Recruiting service of a tenant is at /ccx/service/TENANT/Recruiting/vNN.N; compare it \
             with the URL that Workday shows",
            section.path_of("soap_url")
        ));
    }
    let WorkdayCredentials::Password { username, .. } = credentials else { return };
    let key = section.path_of("username");
    match (username.rsplit_once('@'), tenant) {
        (None, tenant) => {
            let example = tenant.unwrap_or("TENANT");
            section
                .reader()
                .warn(format!("{key} is {username}: Workday takes USER@TENANT, such as {username}@{example}"));
        }
        (Some((_, named)), Some(tenant)) if named != tenant => {
            section.reader().warn(format!("{key} is of the tenant {named}, but soap_url names {tenant}"));
        }
        _ => {}
    }
}

/// The tenant that the address of its Recruiting service names.
fn tenant(url: &Url) -> Option<&str> {
    let mut parts = url.path().strip_prefix("/ccx/service/")?.trim_end_matches('/').split('/');
    let (tenant, service, version) = (parts.next()?, parts.next()?, parts.next()?);
    let (major, minor) = version.strip_prefix('v')?.split_once('.').unwrap_or((&version[1..], "0"));
    let is_version = [major, minor].iter().all(|part| part.parse::<u16>().is_ok());
    (!tenant.is_empty() && service == "Recruiting" && is_version && parts.next().is_none()).then_some(tenant)
}

fn password(section: &mut Section<'_, '_>) -> Option<WorkdayCredentials> {
    let username = section.required("username", "the integration system user", text);
    let password = section.required("password", "its password, a secret", secret::secret);
    let password_next = section.value("password_next", secret::secret);
    Some(WorkdayCredentials::Password { username: username?, password: password?, password_next })
}

fn refresh(section: &mut Section<'_, '_>) -> Option<WorkdayCredentials> {
    let token_url = section.required("token_url", "the token endpoint's URL", address::called);
    let client_id = section.required("client_id", "the API client's id", text);
    let client_secret = section.required("client_secret", "the API client's secret", secret::secret);
    let refresh_token = section.required("refresh_token", "the refresh token, a secret", secret::secret);
    Some(WorkdayCredentials::Refresh {
        token_url: token_url?,
        client_id: client_id?,
        client_secret: client_secret?,
        refresh_token: refresh_token?,
    })
}
