//! The configuration as a whole.

use super::*;
use crate::domain::payload::{EventNames, Shape};
use secrecy::ExposeSecret;

mod tls;

/// The example of the contract, without what this release refuses.
const FULL: &str = r#"
listen = "0.0.0.0:8080"
public_url = "https://bridge.example.com"
behind_tls_proxy = true
trusted_proxies = ["10.0.0.0/8"]
[admin]
listen = "127.0.0.1:8081"
token = { env = "IMPER_BRIDGE_ADMIN_TOKEN" }
[[admin.tokens]]
name = "support"
token = "viewer-token"
role = "viewer"
orgs = ["acme"]
[store]
url = "sqlite:imper-bridge.db"
retention_days = 30
refused_days = 7
min_free_mb = 256
[limits]
body_bytes = 262144
xml_depth = 64
xml_elements = 10000
answer_seconds = 10
request_seconds = 30
requests_per_second = 0
pending_events = 5
[delivery]
timeout_seconds = 0.5
first_retry_seconds = 1
max_retry_seconds = 3600
probe_seconds = 30
give_up_after_hours = 72
useful_within_seconds = 300
open_interview_alert_days = 30
proxy = "http://proxy:3128"
concurrency = 64
[org.acme]
auth.basic = { username = "imper", password = { env = "ACME_SOAP_PASSWORD" } }
auth.bearer = "bearer-token"
namespace = "http://your-company.com/workday/webhooks"
interview_stages = ["Interview"]
closed_statuses = ["Rejected", "Declined", "Withdrawn", "Hired"]
handler = "relay"
fault_status = "400"
strict_soap_action = false
expect_tenant = "acme"
expect_message_every_hours = 0
reconcile_every_minutes = 0
[org.acme.id_types]
candidate = ["Candidate_ID", "WID"]
job_application = ["Job_Application_ID", "WID"]
job_requisition = ["Job_Requisition_ID", "Requisition_ID", "WID"]
[org.acme.relay]
url = "https://webhook-relay.prod.imper.ai/webhooks/acme/workday"
api_key = { env = "ACME_RELAY_API_KEY" }
api_key_next = { env = "ACME_RELAY_API_KEY_NEXT" }
payload = "state_change"
event_names = "stage"
[org.acme.intake]
key = "intake-key"
[org.acme.workday]
soap_url = "https://wd2-services.example/ccx/service/acme/Recruiting/v43.0"
username = "ISU_imper@acme"
password = "isu-password"
details_days = 7
[org.other]
auth.bearer = "other-token"
handler = "in_process"
"#;

fn secrets() -> Vec<(&'static str, &'static str)> {
    vec![
        ("IMPER_BRIDGE_ADMIN_TOKEN", "admin-token"),
        ("ACME_SOAP_PASSWORD", "soap-password"),
        ("ACME_RELAY_API_KEY", "relay-key"),
        ("ACME_RELAY_API_KEY_NEXT", "relay-key-next"),
    ]
}

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Faults> {
    Settings::from_toml("bridge.toml", text, Path::new(""), &Environment::from_iter(variables.iter().copied()))
}

/// The messages of a configuration of one in-process organisation with more lines before it.
fn faults(lines: &str) -> Vec<String> {
    let text = format!("{lines}\n[org.x]\nauth.none = true\nhandler = 'in_process'\n");
    load(&text, &[]).err().map_or_else(Vec::new, |faults| faults.0.iter().map(ToString::to_string).collect())
}

#[test]
fn without_a_file_there_is_a_demo_on_loopback() {
    let loaded = Settings::load(None, &Environment::default()).unwrap();
    let settings = loaded.settings;
    assert!(loaded.warnings.is_empty());
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.public_url_at(settings.listen).as_str(), "http://127.0.0.1:8080/");
    assert_eq!(settings.store.url, StoreUrl::Sqlite("imper-bridge.db".into()));
    let [demo] = settings.organisations.as_slice() else { panic!("one organisation") };
    assert_eq!((demo.id.as_str(), demo.auth.none), ("demo", true));
    assert!(matches!(demo.handler, Handler::InProcess));
}

#[test]
fn every_key_of_the_contract_is_read() {
    let loaded = load(FULL, &secrets()).unwrap_or_else(|faults| panic!("{faults}"));
    let settings = loaded.settings;
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(settings.admin.token.as_ref().unwrap().expose_secret(), "admin-token");
    assert_eq!(settings.delivery.timeout, Duration::from_millis(500));
    assert_eq!((settings.limits.pending_events, settings.limits.requests_per_second), (Some(5), None));
    let acme = &settings.organisations[0];
    let Handler::Relay(relay) = &acme.handler else { panic!("a relay") };
    assert_eq!((relay.payload, relay.event_names), (Shape::StateChange, EventNames::Stage));
    assert_eq!(relay.api_key_next.as_ref().unwrap().expose_secret(), "relay-key-next");
    assert_eq!((acme.fault_status, acme.expect_message_every), (FaultStatus::Always400, None));
    let workday = acme.workday.as_ref().unwrap();
    assert!(
        matches!(&workday.credentials, WorkdayCredentials::Password { username, .. } if username == "ISU_imper@acme")
    );
    assert_eq!(workday.details, Duration::from_secs(7 * 86_400));
}

#[test]
fn no_secret_is_ever_shown() {
    let settings = load(FULL, &secrets()).unwrap().settings;
    let shown = format!("{settings:?} {settings:#?}");
    let secrets =
        ["admin-token", "soap-password", "relay-key", "viewer-token", "bearer-token", "intake-key", "isu-pass"];
    for secret in secrets {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[test]
fn all_faults_come_at_once_with_their_lines() {
    let text = FULL
        .replace("xml_depth = 64", "xml_depht = 64")
        .replace("\"relay\"\nfault_status = \"400\"", "\"relya\"\nfault_status = 400")
        .replace("https://webhook-relay", "http://webhook-relay")
        .replace("concurrency = 64", "concurrency = \"many\"");
    let faults = load(&text, &[("ACME_SOAP_PASSWORD", "")]).unwrap_err().0;
    let keys: Vec<&str> = faults.iter().map(|fault| fault.key.as_str()).collect();
    for key in [
        "admin.token",
        "limits.xml_depht",
        "delivery.concurrency",
        "org.acme.auth.basic.password",
        "org.acme.handler",
        "org.acme.fault_status",
        "org.acme.relay.url",
        "org.acme.relay.api_key",
        "org.acme.relay.api_key_next",
    ] {
        assert!(keys.contains(&key), "{key} is not among {keys:?}");
    }
    assert_eq!(faults.len(), 9, "{keys:?}");
    let depth = faults.iter().find(|fault| fault.key == "limits.xml_depht").unwrap();
    assert_eq!(
        depth.to_string().split("; ").next().unwrap(),
        "bridge.toml, line 21: limits.xml_depht: found an unknown key"
    );
    assert_eq!(depth.advice, "Did you mean `limits.xml_depth`?");
}

#[test]
fn what_others_can_reach_must_be_protected() {
    let found = faults("listen = '0.0.0.0:80'");
    assert_eq!(found.len(), 3, "TLS, public_url, auth.none: {found:?}");
    assert!(faults("listen = '127.0.0.1:80'").is_empty());
    assert!(faults("public_url = 'https://x.example'\nadmin.listen = '0.0.0.0:81'")[0].contains("admin.listen"));
    assert!(faults("listen = '127.0.0.1:80'\nadmin.listen = '127.0.0.1:80'")[0].contains("admin.listen"));
    assert_eq!(faults("listen = 'localhost:80'").len(), 1, "only the address is faulty");
}

#[test]
fn a_database_needs_a_token_and_a_place_and_its_password_is_not_shown() {
    let found = faults("[store]\nurl = 'postgres://user:hunter2@host/db'");
    assert!(found[0].contains("admin.token") && !found[0].contains("hunter2"), "{found:?}");
    let found = faults("[admin]\ntoken = '0123456789abcdef'\n[store]\nurl = 'postgres://user:hunter2@host'");
    assert!(found[0].contains("DATABASE") && !found[0].contains("hunter2"), "{found:?}");
    for url in [
        "postgre://u:hunter2@h/d",
        "mysql://u:hunter2@h/d",
        "jdbc:postgresql://u:hunter2@h/d",
        "sqlite://u:hunter2@h/d",
    ] {
        let found = faults(&format!("[store]\nurl = '{url}'"));
        assert!(found[0].contains("store.url") && !found[0].contains("hunter2"), "{found:?}");
    }
    let found = faults("[admin]\ntoken = '0123456789abcdef'\n[store]\nurl = 'POSTGRES://u:hunter2@h/d?pool_size=3'");
    assert!(found[0].contains("pool_size") && !found[0].contains("hunter2"), "{found:?}");
    let good = "[admin]\ntoken = '0123456789abcdef'\n[store]\nurl = 'postgres://u@a,b/db'\npassword = 'hunter2'";
    assert_eq!(faults(good).len(), 0);
    assert_eq!(faults("[store]\npassword = 'hunter2'").len(), 1);
}

#[test]
fn a_proxy_that_is_not_named_is_spoken_of() {
    let warnings = |lines: &str| {
        let text = format!("{lines}\n[org.x]\nauth.bearer = 'x'\nhandler = 'in_process'\n");
        load(&text, &[]).unwrap_or_else(|faults| panic!("{faults}")).warnings
    };
    assert!(warnings("behind_tls_proxy = true")[0].contains("trusted_proxies"));
    assert!(warnings("behind_tls_proxy = true\ntrusted_proxies = ['127.0.0.1']").is_empty());
    assert!(warnings("").is_empty());
}

#[test]
fn an_organisation_says_who_may_post() {
    let of = |auth: &str| load(&format!("[org.x]\nhandler = 'in_process'\n{auth}"), &[]).err().map(|f| f.0.len());
    assert_eq!(of(""), Some(1));
    assert_eq!(of("auth = {}"), Some(1));
    assert_eq!(of("auth.none = false"), Some(1));
    assert_eq!(of("auth.none = true\nauth.bearer = 'x'"), Some(1));
    assert_eq!(of("auth.basic = { username = 'a:b', password = 'x' }"), Some(1));
    assert_eq!(of("auth.basic = { username = 'a' }"), Some(1));
    assert_eq!(of("auth.bearer = 'x'"), None);
    assert_eq!(of("auth.bearer = 'x'\nauth.bearer_next = 'y'"), None);
    assert_eq!(of("auth.basic = { username = 'a', password = 'x' }\nauth.bearer_next = 'y'"), Some(1));
    assert_eq!(of("auth.wsse = { username = 'a' }"), Some(1));
    assert_eq!(of("auth.wsse = { username = 'a:b', password = 'x', password_next = 'y' }"), None);
}

#[test]
fn organisations_are_asked_for_and_named_well() {
    assert!(load("", &[]).unwrap_err().to_string().contains("no organisation"));
    assert!(
        load("[org.Acme]\nauth.none = true\nhandler = 'in_process'", &[]).unwrap_err().to_string().contains("\"Acme\"")
    );
    assert!(load("[org.x]\nauth.none = true", &[]).unwrap_err().to_string().contains("[relay]"));
    let store = |url: &str| faults(&format!("[store]\nurl = {url:?}")).len();
    assert_eq!((store("sqlite:/a/b.db"), store("sqlite::memory:"), store("sqlite:"), store("mysql:x")), (0, 1, 1, 1));
}

#[test]
fn variables_override_and_unknown_ones_only_warn() {
    let loaded = load(
        "[org.x]\nauth.none = true\nhandler = 'in_process'",
        &[
            ("IMPER_BRIDGE_LISTEN", "127.0.0.1:9"),
            ("IMPER_BRIDGE_STORE__URL", "sqlite:/tmp/x.db"),
            ("IMPER_BRIDGE_LIMITS__XML_DEPTH", "12"),
            ("IMPER_BRIDGE_ORG__X__INTERVIEW_STAGES", "Interview, Assessment"),
            ("IMPER_BRIDGE_SERVICE_HOST", "10.0.0.1"),
            ("IMPER_BRIDGE_LIMITS__XML_DEPHT", "12"),
        ],
    )
    .unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.settings.listen.port(), 9);
    assert_eq!(loaded.settings.limits.xml_depth, 12);
    assert_eq!(loaded.settings.store.url, StoreUrl::Sqlite("/tmp/x.db".into()));
    assert_eq!(loaded.warnings.len(), 2, "{:?}", loaded.warnings);
    let wrong = load("[org.x]\nauth.none = true\nhandler = 'in_process'", &[("IMPER_BRIDGE_LISTEN", "x")]).unwrap_err();
    assert_eq!(wrong.0[0].place, "environment variable IMPER_BRIDGE_LISTEN");
}

#[test]
fn a_relay_that_nothing_is_sent_to_is_said_to_be_that() {
    let relay = "[org.acme.relay]\nurl = \"http://127.0.0.1:1/\"\napi_key = \"k\"";
    let loaded = load(&format!("[org.acme]\nauth.none = true\nhandler = 'in_process'\n{relay}"), &[]).unwrap();
    assert_eq!(loaded.warnings, ["org.acme.relay is not used, as handler is \"in_process\""]);
}

#[test]
fn what_workday_would_hardly_answer_to_is_said() {
    let warnings = |url: &str, username: &str| {
        let workday = format!("soap_url = \"{url}\"\nusername = \"{username}\"\npassword = \"p\"");
        let text = format!("[org.acme]\nauth.none = true\nhandler = \"in_process\"\n[org.acme.workday]\n{workday}");
        let loaded = Settings::from_toml("f.toml", &text, Path::new(""), &Environment::default());
        loaded.unwrap_or_else(|faults| panic!("{faults}")).warnings
    };
    let service = "https://wd2-services.example/ccx/service/acme/Recruiting/v43.0";
    for right in [service, &format!("{service}/"), "https://wd2.example/ccx/service/acme/Recruiting/v43"] {
        assert!(warnings(right, "ISU_imper@acme").is_empty(), "{right}");
    }
    for odd in [
        "https://wd2.example/",
        "https://wd2.example/ccx/service/acme/Staffing/v43.0",
        "https://wd2.example/ccx/service/acme/Recruiting",
        "https://wd2.example/ccx/service/Recruiting/v43.0",
        "https://wd2.example/ccx/service/acme/Recruiting/43.0",
        "https://wd2.example/ccx/service/acme/Recruiting/v43.0/Get_Candidates",
    ] {
        let warnings = warnings(odd, "ISU_imper@acme");
        let said = warnings.iter().all(|warning| warning.starts_with("org.acme.workday.soap_url is"));
        assert!(warnings.len() == 1 && said, "{odd}: {warnings:?}");
    }
    let of_name = warnings(service, "ISU_imper");
    assert!(of_name.len() == 1 && of_name[0].contains("such as ISU_imper@acme"), "{of_name:?}");
    let of_tenant = warnings(service, "ISU_imper@acme_preview");
    assert!(of_tenant.len() == 1 && of_tenant[0].contains("acme_preview, but soap_url names acme"), "{of_tenant:?}");
}

#[test]
fn what_compares_with_workday_needs_to_know_where_that_is() {
    let text = "[org.acme]\nauth.none = true\nhandler = \"in_process\"\nreconcile_every_minutes = 5";
    let faults = Settings::from_toml("f.toml", text, Path::new(""), &Environment::default()).unwrap_err();
    assert_eq!((faults.0.len(), faults.0[0].key.as_str()), (1, "org.acme.reconcile_every_minutes"));
    let text = format!(
        "{text}\n[org.acme.workday]\nsoap_url = \"http://wd.example/ccx\"\ntoken_url = \"https://wd.example/t\""
    );
    let faults = Settings::from_toml("f.toml", &text, Path::new(""), &Environment::default()).unwrap_err();
    let keys: Vec<_> = faults.0.iter().map(|fault| fault.key.rsplit('.').next().unwrap()).collect();
    assert_eq!(keys, ["client_id", "client_secret", "refresh_token", "soap_url"], "{faults}");
}
