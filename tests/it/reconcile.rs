//! Calls that Workday dropped, found by asking it where each application stands.

use std::process::{Child, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::bridge::{Bridge, Home, TOKEN, command};
use crate::workday::{Applied, Fails, Workday};

fn sections(workday: &Workday, more: &str) -> String {
    format!("[org.acme]\nauth.none = true\nhandler = \"in_process\"\n{more}\n{}", workday.section("acme"))
}

fn at(application: &str, stage: &str) -> Applied {
    let at = jiff::Timestamp::now() + Duration::from_secs(1);
    Applied { application: application.into(), stage: stage.into(), disposition: None, at: at.to_string() }
}

fn reconcile(home: &Home, bridge: &Bridge, more: &[&str]) -> Output {
    reconciling(home, bridge, more).wait_with_output().unwrap()
}

fn reconciling(home: &Home, bridge: &Bridge, more: &[&str]) -> Child {
    let arguments = ["reconcile", "--config", "bridge.toml", "--admin", &bridge.admin, "--org", "acme"];
    let mut command = command(&home.path(""));
    command.args(arguments).args(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Where Workday and the bridge know of these: A0 and A1 in an interview, A2 not.
async fn scene(workday: &Workday, bridge: &Bridge) {
    for (application, stage) in [("A0", "Interview"), ("A1", "Interview"), ("A2", "Screen"), ("A3", "Interview")] {
        bridge.change("acme", application, stage).await;
        workday.applied(&format!("C-{application}"), at(application, stage));
    }
    bridge.delivered().await;
}

#[tokio::test]
async fn what_workday_dropped_is_found_and_journalled_on_request() {
    let workday = Workday::start();
    let home = Home::new(&sections(&workday, ""));
    let bridge = home.start();
    scene(&workday, &bridge).await;
    let same = reconcile(&home, &bridge, &["--json"]);
    assert_eq!((same.status.code(), lines(&same).len()), (Some(0), 0), "{same:?}");
    // An end, a start, a withdrawal, and an application of which nothing was heard.
    workday.per_page(1);
    workday.applied("C-A1", at("A1", "Offer"));
    workday.applied("C-A2", at("A2", "INTERVIEW"));
    workday.applied("C-A3", Applied { disposition: Some("Withdrawn".into()), ..at("A3", "Interview") });
    workday.applied("C-A2", at("NEW", "Interview"));
    let told = reconcile(&home, &bridge, &["--json"]);
    assert_eq!(told.status.code(), Some(1), "differences are left");
    let mut found: Vec<_> = lines(&told)
        .into_iter()
        .map(|each| json!([each["job_application_id"], each["known"], each["workday"], each["event_id"]]))
        .collect();
    found.sort_by_key(ToString::to_string);
    let expected = [
        json!(["A1", "in", "out", null]),
        json!(["A2", "out", "in", null]),
        json!(["A3", "in", "out", null]),
        json!(["NEW", null, "in", null]),
    ];
    assert_eq!(found, expected);
    assert_eq!(bridge.events("").await.len(), 4, "it only looked");
    let applied = reconcile(&home, &bridge, &["--apply"]);
    assert_eq!(applied.status.code(), Some(0), "{applied:?}");
    let table = String::from_utf8(applied.stdout).unwrap();
    assert!(table.starts_with("APPLICATION") && table.contains("interview_ended journalled"), "{table}");
    bridge.delivered().await;
    let journalled: Vec<_> =
        bridge.events("").await.into_iter().filter(|event| event["source"] == "reconcile").collect();
    assert_eq!(journalled.len(), 4);
    let active = bridge.api("protections?active=true").await;
    let mut active: Vec<_> =
        active["protections"].as_array().unwrap().iter().map(|each| each["job_application_id"].clone()).collect();
    active.sort_by_key(ToString::to_string);
    assert_eq!(active, ["A0", "A2", "NEW"]);
    let again = reconcile(&home, &bridge, &["--apply", "--json"]);
    assert_eq!((again.status.code(), lines(&again).len()), (Some(0), 0), "now they agree");
    assert_eq!(bridge.events("").await.len(), 8);
}

#[tokio::test]
async fn what_is_known_better_and_what_workday_does_not_tell_is_left_alone() {
    let workday = Workday::start();
    let home = Home::new(&sections(&workday, ""));
    let bridge = home.start();
    scene(&workday, &bridge).await;
    // Workday's answer is older than the message that came since.
    workday.applied("C-A1", Applied { at: "2020-01-01T00:00:00Z".into(), ..at("A1", "Offer") });
    workday.forget("C-A0");
    let told = reconcile(&home, &bridge, &["--apply", "--json"]);
    let differences = lines(&told);
    assert_eq!((told.status.code(), differences.len()), (Some(1), 2), "{told:?}");
    assert_eq!((&differences[0]["overtaken"], &differences[0]["event_id"]), (&json!(true), &Value::Null));
    let lost = [&differences[1]["job_application_id"], &differences[1]["known"], &differences[1]["workday"]];
    assert_eq!(lost, [&json!("A0"), &json!("in"), &Value::Null], "in an interview, and Workday does not show it");
    let table = String::from_utf8(reconcile(&home, &bridge, &[]).stdout).unwrap();
    assert!(table.contains("not shown") && table.contains("look it up in Workday"), "{table}");
    assert_eq!(bridge.events("").await.len(), 4);
    workday.fail(Some(Fails::Authentication));
    let denied = reconcile(&home, &bridge, &[]);
    let error = String::from_utf8(denied.stderr).unwrap();
    assert_eq!(denied.status.code(), Some(1));
    assert!(error.contains("Client.authenticationError"), "{error}");
    let viewer = bridge.admin_get("/api/v1/organisations/acme/reconcile", TOKEN).await;
    assert_eq!(viewer.status(), 405, "a POST asks for it");
}

/// What is heard while Workday is asked counts, also where it only says the same again.
#[tokio::test]
async fn what_comes_while_workday_is_asked_is_not_undone() {
    let workday = Workday::start();
    let home = Home::new(&sections(&workday, ""));
    let bridge = home.start();
    scene(&workday, &bridge).await;
    for application in ["A0", "A1", "A3"] {
        workday.applied(&format!("C-{application}"), at(application, "Offer"));
    }
    workday.hold(true);
    let compared = reconciling(&home, &bridge, &["--apply", "--json"]);
    let begun = std::time::Instant::now();
    // Who reads back asks for one at a time.
    while !workday.asked().iter().any(|asked| asked.ids.len() > 1) {
        assert!(begun.elapsed() < crate::bridge::PATIENCE, "Workday is not asked");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Of A0 that it was over and is not, of A1 the same again, of A3 nothing.
    bridge.change("acme", "A0", "Offer").await;
    bridge.change("acme", "A0", "Interview").await;
    bridge.change("acme", "A1", "Interview").await;
    workday.hold(false);
    let compared = compared.wait_with_output().unwrap();
    let mut found: Vec<_> = lines(&compared)
        .into_iter()
        .map(|each| json!([each["job_application_id"], each["overtaken"], each["event_id"].is_null()]))
        .collect();
    found.sort_by_key(ToString::to_string);
    assert_eq!(found, [json!(["A0", true, true]), json!(["A1", true, true]), json!(["A3", false, false])]);
    assert_eq!(compared.status.code(), Some(0), "{compared:?}");
    bridge.delivered().await;
    let active = bridge.api("protections?active=true").await;
    assert_eq!(active["protections"].as_array().unwrap().len(), 2, "{active}");
    let events = bridge.events("event_type=interview_ended&job_application_id=A3").await;
    let because = events[0]["decision"]["because"].as_str().unwrap();
    assert!(because.starts_with("Workday reports it so") && because.contains("'Offer'"), "{because}");
}

#[tokio::test]
async fn one_interview_among_the_stages_of_an_application_is_enough() {
    let workday = Workday::start();
    let home = Home::new(&sections(&workday, ""));
    let bridge = home.start();
    scene(&workday, &bridge).await;
    workday.also_applied("C-A0", at("A0", "Review"));
    workday.applied("C-A1", at("A1", "Review"));
    workday.also_applied("C-A1", at("A1", "Interview"));
    let same = reconcile(&home, &bridge, &["--apply", "--json"]);
    assert_eq!((same.status.code(), lines(&same).len()), (Some(0), 0), "{same:?}");
}

#[tokio::test]
async fn an_organisation_without_workday_is_told_so() {
    let home = Home::new("[org.acme]\nauth.none = true\nhandler = \"in_process\"\n");
    let bridge = home.start();
    let refused = reconcile(&home, &bridge, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("[org.acme.workday]"), "{refused:?}");
}

#[tokio::test]
async fn it_compares_by_itself_where_that_is_asked_for() {
    let workday = Workday::start();
    let home = Home::new(&sections(&workday, "reconcile_every_minutes = 0.01"));
    let bridge = home.start();
    scene(&workday, &bridge).await;
    workday.applied("C-A1", at("A1", "Offer"));
    let begun = std::time::Instant::now();
    while bridge.events("event_type=interview_ended").await.is_empty() {
        assert!(begun.elapsed() < crate::bridge::PATIENCE, "{}", home.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(bridge.events("event_type=interview_ended").await[0]["source"], "reconcile");
}

#[tokio::test]
async fn a_comparison_shows_a_sign_of_life_on_a_terminal_only() {
    let workday = Workday::start();
    let home = Home::new(&sections(&workday, ""));
    let bridge = home.start();
    scene(&workday, &bridge).await;
    let elsewhere = reconcile(&home, &bridge, &["--json"]);
    assert_eq!((String::from_utf8_lossy(&elsewhere.stderr).as_ref(), elsewhere.stdout.as_slice()), ("", &b""[..]));
    let program = env!("CARGO_BIN_EXE_imper-bridge");
    let typed = format!("{program} reconcile --config bridge.toml --admin {} --org acme --json", bridge.admin);
    let mut script = std::process::Command::new("script");
    script.args(["--quiet", "--return", "--command", &typed, "/dev/null"]).current_dir(home.path(""));
    let output = script.env("TERM", "xterm").stdin(std::process::Stdio::null()).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains("asking Workday for the applications of acme"), "{shown}");
}
