//! What `imper-bridge check` says of Workday: asked once for nobody, and a sentence for each answer.

use crate::bridge::{Home, command};
use crate::workday::{CLIENT, Fails, PASSWORD, REFRESH_TOKEN, Workday};

/// What `check` prints of the organisation's Workday, and whether all was well.
fn check(section: &str) -> (bool, String) {
    let home = Home::new(&format!(
        "[delivery]\ntimeout_seconds = 0.3\n[org.acme]\nauth.none = true\nhandler = \"in_process\"\n{section}"
    ));
    let output = command(&home.path("")).args(["check", "--config", "bridge.toml"]).output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    for secret in [PASSWORD, CLIENT.1, REFRESH_TOKEN] {
        assert!(!report.contains(secret), "{report}");
    }
    let line =
        report.lines().find(|line| line.contains("  org.acme.workday: ") || line.contains("FAIL  org.acme.workday"));
    (output.status.success(), line.unwrap_or_else(|| panic!("{report}")).to_owned())
}

fn by_token(workday: &Workday, refresh_token: &str) -> String {
    format!(
        "[org.acme.workday]\nsoap_url = \"{}\"\ntoken_url = \"{}\"\nclient_id = \"{}\"\nclient_secret = \"{}\"\n\
         refresh_token = \"{refresh_token}\"\n",
        workday.url("v43.0"),
        workday.token_url(),
        CLIENT.0,
        CLIENT.1
    )
}

#[test]
fn who_is_let_in_is_said() {
    let workday = Workday::start();
    let (ok, line) = check(&workday.section("acme"));
    assert!(ok && line.starts_with("ok    org.acme.workday: http://127.0.0.1:"), "{line}");
    assert!(line.ends_with("lets ISU_imper@acme ask for candidates and job requisitions"), "{line}");
    let asked = workday.asked();
    let operations: Vec<_> = asked.iter().map(|asked| asked.operation.as_str()).collect();
    assert_eq!(operations, ["Get_Candidates_Request", "Get_Job_Requisitions_Request"]);
    assert!(asked.iter().all(|asked| asked.ids == ["imper-bridge-check"]), "nobody is asked for: {asked:?}");
    // As Workday answers to the id of nobody.
    workday.fail(Some(Fails::Validation));
    assert!(check(&workday.section("acme")).0);
    workday.forget("imper-bridge-check");
    workday.fail(None);
    assert!(check(&workday.section("acme")).0);
    let (ok, line) = check(&by_token(&workday, REFRESH_TOKEN));
    assert!(ok && line.contains(&format!("lets {} ask", CLIENT.0)), "{line}");
    let exchanged =
        workday.section("acme").replace(PASSWORD, "the old one") + &format!("password_next = \"{PASSWORD}\"\n");
    let (ok, line) = check(&exchanged);
    assert!(ok && line.ends_with(", by password_next"), "{line}");
}

#[test]
fn each_way_of_not_being_let_in_has_its_advice() {
    let workday = Workday::start();
    for (fails, parts) in [
        (Fails::Authentication, ["Client.authenticationError", "compare username and password", "locks an account"]),
        (Fails::NotAuthorized, ["Server.processingError", "security group", "activate"]),
        (Fails::Status(404), ["answered 404", "compare soap_url", "not followed"]),
        (Fails::Status(302), ["answered 302", "compare soap_url", "not followed"]),
        (Fails::Status(401), ["answered 401", "compare username and password", "locks"]),
        (Fails::Status(503), ["answered 503", "it may pass", "delivery.proxy"]),
        (Fails::TooMany(1), ["answered 429", "it may pass", "network"]),
        (Fails::Slow, ["no answer within", "it may pass", "delivery.timeout_seconds"]),
        (Fails::Page, ["cannot be read", "it may pass", "host name"]),
        (Fails::Garbage, ["asked for candidates", "it may pass", "host name"]),
    ] {
        workday.fail(Some(fails));
        let before = workday.asked().len();
        let (ok, line) = check(&workday.section("acme"));
        assert!(!ok && line.starts_with("FAIL  org.acme.workday: "), "{fails:?}: {line}");
        parts.iter().for_each(|part| assert!(line.contains(part), "{fails:?}: {part}: {line}"));
        assert_eq!(workday.asked().len(), before + 1, "{fails:?}: once is enough");
    }
    workday.fail(None);
    let (ok, line) = check(&by_token(&workday, "another"));
    assert!(!ok && line.contains("invalid_grant") && line.contains("compare token_url, client_id"), "{line}");
    let (ok, line) = check(&workday.section("acme").replace(PASSWORD, "wrong"));
    assert!(!ok && line.contains("Client.authenticationError"), "{line}");
}
