//! The sections of the file that concern the process as a whole.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::organisation::Listener;
use super::prints::Prints;
use super::section::{Reader, Section, Wrong};
use super::tree::Item;
use super::value::{boolean, count, networks, seconds, socket, text, texts, time, whole, word};
use super::{
    Admin, Delivery, Limits, NamedToken, Role, Settings, Store, StoreUrl, address, organisation, postgres, secret, tls,
};
use crate::domain::OrgId;

const DAY: f64 = 86_400.0;

/// Reads everything. Where something is faulty, a stand-in takes its place; the reader has the faults.
pub(super) fn read(mut root: Section<'_, '_>) -> Settings {
    let listen = root.value("listen", socket).or_else(|| default_at("127.0.0.1:8080", root.has("listen")));
    let behind_tls_proxy = root.value("behind_tls_proxy", boolean).unwrap_or(false);
    let tls_is_written = root.has("tls");
    let tls = tls::read(&mut root);
    let listener = Listener {
        loopback: listen.is_none_or(|listen| listen.ip().is_loopback()),
        // What is written and faulty is not complained of twice.
        asks_for_certificates: tls.as_ref().map_or(tls_is_written, |tls| tls.asks_for_certificates),
    };
    let settings = Settings {
        listen: listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0))),
        public_url: root.value("public_url", address::own),
        behind_tls_proxy,
        trusted_proxies: root.value("trusted_proxies", networks).unwrap_or_default(),
        tls,
        admin: admin(root.section_or_empty("admin")),
        store: store(root.section_or_empty("store")),
        limits: limits(root.section_or_empty("limits")),
        delivery: delivery(root.section_or_empty("delivery")),
        organisations: organisation::read_all(&mut root, listener),
        prints: Prints::new(),
    };
    exposure(&root, &settings, tls_is_written);
    shared_store(&root, &settings);
    behind_proxy(&root, &settings);
    root.finish();
    settings
}

/// A default address, unless something faulty stands in its place.
fn default_at(address: &str, written: bool) -> Option<SocketAddr> {
    (!written).then(|| address.parse().expect("the default is an address"))
}

/// What a listener that others can reach needs.
fn exposure(root: &Section<'_, '_>, settings: &Settings, tls: bool) {
    let proxy = "Listen on a loopback address, or set behind_tls_proxy = true where a proxy in front speaks TLS.";
    let own = "Add a [tls] section, listen on a loopback address, or set behind_tls_proxy = true where a proxy in front speaks TLS.";
    for (key, listen, tls, advice) in
        [("listen", settings.listen, tls, own), ("admin.listen", settings.admin.listen, false, proxy)]
    {
        if !listen.ip().is_loopback() && !tls && !settings.behind_tls_proxy {
            root.fault(key, format!("{listen}, which others can reach, without TLS"), "a loopback address", advice);
        }
    }
    if settings.public_url.is_none() && !root.has("public_url") && !settings.listen.ip().is_loopback() {
        root.fault(
            "public_url",
            "nothing",
            "the URL under which Workday reaches the bridge, as `listen` is no loopback address",
            "Write public_url = \"https://bridge.example.com\" (with your host); the WSDL names it.",
        );
    }
    if settings.listen == settings.admin.listen && settings.listen.port() != 0 {
        root.fault(
            "admin.listen",
            format!("{}, which is also `listen`", settings.listen),
            "an address of its own for the admin listener",
            "Choose another port.",
        );
    }
}

/// What bridges that share a database cannot each make for themselves.
fn shared_store(root: &Section<'_, '_>, settings: &Settings) {
    if matches!(settings.store.url, StoreUrl::Postgres(_)) && settings.admin.token.is_none() {
        root.fault(
            "admin.token",
            "no usable admin token",
            "a token, as there is no journal's file beside which one could be made",
            "Write token = { env = \"IMPER_BRIDGE_ADMIN_TOKEN\" } in [admin], the same for all bridges.",
        );
    }
}

/// A proxy on this machine can carry the outside to a loopback listener that asks for nothing, and
/// one that is not named hides who calls.
fn behind_proxy(root: &Section<'_, '_>, settings: &Settings) {
    if settings.behind_tls_proxy && settings.trusted_proxies.is_empty() {
        let warning = "behind_tls_proxy without trusted_proxies: all callers seem to come from the proxy, so that \
                       the failed sign-ins of one slow down the others; name the proxy's addresses there";
        root.reader().warn(warning.into());
    }
    for open in settings.organisations.iter().filter(|org| settings.behind_tls_proxy && org.auth.none) {
        let id = &open.id;
        root.reader().warn(format!("org.{id}.auth.none lets in everyone whom the proxy in front lets through"));
    }
}

/// Reads what leads to the admin API. What else these sections hold is not looked at.
pub(super) fn read_admin(mut root: Section<'_, '_>, with_token: bool) -> (Admin, StoreUrl) {
    let mut section = root.section_or_empty("admin");
    let listen = section.value("listen", socket).or_else(|| default_at("127.0.0.1:8081", false));
    let token = with_token.then(|| section.value("token", secret::token)).flatten();
    let store = root.section_or_empty("store").value("url", store_url).unwrap_or_else(default_store);
    let admin = Admin { listen: listen.expect("the default stands in"), token, tokens: Vec::new() };
    (admin, store)
}

fn default_store() -> StoreUrl {
    StoreUrl::Sqlite("imper-bridge.db".into())
}

fn admin(mut section: Section<'_, '_>) -> Admin {
    let listen = section.value("listen", socket).or_else(|| default_at("127.0.0.1:8081", false));
    let token = section.value("token", secret::token);
    let tokens = section.sections("tokens").into_iter().filter_map(named_token).collect();
    section.finish();
    Admin { listen: listen.expect("the default stands in"), token, tokens }
}

fn named_token(mut section: Section<'_, '_>) -> Option<NamedToken> {
    let name = section.required("name", "a name for the log", text);
    let token = section.required("token", "the token, a secret", secret::token);
    let roles = word(&[("viewer", Role::Viewer), ("operator", Role::Operator)]);
    let role = section.required("role", "\"viewer\" or \"operator\"", roles);
    let bound = section.has("orgs");
    let orgs = section.value("orgs", organisations).or((!bound).then(Vec::new));
    section.finish();
    Some(NamedToken { name: name?, token: token?, role: role?, orgs: orgs? })
}

fn organisations(item: &Item, reader: &Reader<'_>) -> Result<Vec<OrgId>, Wrong> {
    let parse =
        |id: String| id.parse().map_err(|wrong| Wrong::new("organisation ids").found(format!("{id:?}, which {wrong}")));
    texts(item, reader)?.into_iter().map(parse).collect()
}

fn store(mut section: Section<'_, '_>) -> Store {
    let days = |range| time("days", DAY, range);
    let password = section.value("password", secret::secret);
    let url = section.value("url", store_url).unwrap_or_else(default_store);
    if section.has("password") && matches!(url, StoreUrl::Sqlite(_)) {
        section.fault(
            "password",
            "a password (not shown)",
            "none, as the embedded journal asks for none",
            "Remove it, or name a PostgreSQL database in store.url.",
        );
    }
    let store = Store {
        url: match url {
            StoreUrl::Postgres(database) => StoreUrl::Postgres(database.with_password(password)),
            file => file,
        },
        retention: section.value("retention_days", days(1.0..=36_500.0)).unwrap_or(Duration::from_secs(30 * 86_400)),
        refused: section.value("refused_days", days(0.0..=3_650.0)).unwrap_or(Duration::from_secs(7 * 86_400)),
        min_free_bytes: section.value("min_free_mb", whole(0..=1_000_000_000)).unwrap_or(256) << 20,
    };
    section.finish();
    store
}

fn store_url(item: &Item, reader: &Reader<'_>) -> Result<StoreUrl, Wrong> {
    let expected = || {
        Wrong::new("\"sqlite:PATH\" or \"postgres://USER@HOST/DATABASE\"")
            .advice("For example \"sqlite:/var/lib/imper-bridge/bridge.db\".")
    };
    let url = item.text().ok_or_else(expected)?;
    let scheme = url.split(':').next().unwrap_or_default().to_ascii_lowercase();
    if matches!(&*scheme, "postgres" | "postgresql") {
        return postgres::database(item, reader).map(StoreUrl::Postgres);
    }
    // What stands before an @ may be a password, whatever kind of database was meant.
    let unshown =
        |wrong: Wrong| if url.contains('@') { wrong.found("a URL (not shown: it may hold a password)") } else { wrong };
    let path = url.strip_prefix("sqlite:").ok_or_else(|| unshown(expected()))?;
    let path = path.strip_prefix("//").unwrap_or(path);
    if url.starts_with("sqlite://") && path.split('/').next().is_some_and(|host| host.contains('@')) {
        return Err(unshown(expected()).advice("A file has neither a user nor a host."));
    }
    if path.contains('?') {
        return Err(expected().advice("Options after `?` are not taken: the bridge sets its own."));
    }
    if path.is_empty() || path.contains(":memory:") || path.ends_with('/') {
        return Err(expected().advice("The journal must be a file: a 200 promises that the event is on disk."));
    }
    Ok(StoreUrl::Sqlite(PathBuf::from(path)))
}

fn limits(mut section: Section<'_, '_>) -> Limits {
    let limits = Limits {
        body_bytes: section.value("body_bytes", count(1..=64 << 20)).unwrap_or(262_144),
        xml_depth: section.value("xml_depth", count(1..=10_000)).unwrap_or(64),
        xml_elements: section.value("xml_elements", count(1..=10_000_000)).unwrap_or(10_000),
        answer: section.value("answer_seconds", seconds(0.001..=600.0)).unwrap_or(Duration::from_secs(10)),
        request: section.value("request_seconds", seconds(0.001..=3_600.0)).unwrap_or(Duration::from_secs(30)),
        requests_per_second: section
            .value("requests_per_second", whole(0..=1_000_000))
            .filter(|&limit| limit > 0)
            .and_then(|limit| u32::try_from(limit).ok()),
        pending_events: section.value("pending_events", whole(0..=1 << 40)).filter(|&limit| limit > 0),
    };
    section.finish();
    limits
}

fn delivery(mut section: Section<'_, '_>) -> Delivery {
    let hours = |range| time("hours", 3_600.0, range);
    let or = |value: Option<Duration>, default| value.unwrap_or(Duration::from_secs(default));
    let delivery = Delivery {
        timeout: or(section.value("timeout_seconds", seconds(0.001..=600.0)), 10),
        first_retry: or(section.value("first_retry_seconds", seconds(0.001..=DAY)), 1),
        max_retry: or(section.value("max_retry_seconds", seconds(0.001..=DAY)), 3_600),
        probe: or(section.value("probe_seconds", seconds(0.001..=DAY)), 30),
        give_up_after: or(section.value("give_up_after_hours", hours(0.0..=87_600.0)), 72 * 3_600),
        useful_within: or(section.value("useful_within_seconds", seconds(0.0..=30.0 * DAY)), 300),
        open_interview_alert: Some(or(
            section.value("open_interview_alert_days", time("days", DAY, 0.0..=3_650.0)),
            30 * 86_400,
        ))
        .filter(|limit| !limit.is_zero()),
        proxy: section.value("proxy", proxy),
        concurrency: section.value("concurrency", count(1..=10_000)).unwrap_or(64),
    };
    if delivery.first_retry > delivery.max_retry {
        section.fault(
            "first_retry_seconds",
            format!(
                "{} s, longer than max_retry_seconds ({} s)",
                delivery.first_retry.as_secs_f64(),
                delivery.max_retry.as_secs_f64()
            ),
            "a first backoff that is no longer than the longest",
            "Raise max_retry_seconds or lower first_retry_seconds.",
        );
    }
    section.finish();
    delivery
}

/// A proxy's URL is a secret of any form, as proxies take their password in it.
fn proxy(item: &Item, reader: &Reader<'_>) -> Result<SecretString, Wrong> {
    use secrecy::ExposeSecret;
    let proxy = secret::secret(item, reader)?;
    address::parse(proxy.expose_secret())?;
    Ok(proxy)
}
