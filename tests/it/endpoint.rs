//! The public listener as a caller sees it: faults and statuses, credentials, WSDL, dry runs.

use serde_json::json;

use crate::bridge::{Bridge, Home, TOKEN, bare, element};

const ORGS: &str = "
[limits]
body_bytes = 4096
xml_depth = 12
xml_elements = 30
[org.open]
auth.none = true
handler = \"in_process\"
[org.closed]
auth.basic = { username = \"imper\", password = \"s3cret\" }
auth.bearer = \"t0ken\"
handler = \"in_process\"
[org.tenant]
auth.none = true
handler = \"in_process\"
expect_tenant = \"acme_prod\"
fault_status = \"400\"
[org.strict]
auth.none = true
handler = \"in_process\"
strict_soap_action = true
namespace = \"urn:example:own\"
";

const SEED: &str = include_str!("../../fixtures/seed.xml");

async fn status_and_code(request: reqwest::RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, element(&text, "Code").to_owned())
}

fn bridge() -> (Home, Bridge) {
    let home = Home::new(ORGS);
    let bridge = home.start();
    (home, bridge)
}

#[tokio::test]
async fn http_errors_carry_a_fault_in_the_callers_version() {
    let (_home, bridge) = bridge();
    let soap12 = SEED.replace("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope");
    let cases = [
        (bridge.post("nobody", "text/xml", SEED), 404, "not_found"),
        (bridge.post("open", "text/plain", SEED), 415, "unsupported_media_type"),
        (bridge.post("open", "text/xml; charset=koi8-r", SEED), 415, "unsupported_media_type"),
        (bridge.post("open", "text/xml", SEED.to_owned() + &" ".repeat(5000)), 413, "too_large"),
        (bridge.post("open", "text/xml", &SEED[..400]), 500, "not_well_formed"),
        (bridge.post("open", "application/soap+xml", &SEED[..400]), 400, "not_well_formed"),
        (bridge.post("open", "application/xml", &SEED[..400]), 400, "not_well_formed"),
        (bridge.post("open", "application/soap+xml", soap12.replace("W12345", "")), 400, "missing_element"),
        (bridge.post("open", "text/xml", SEED.replace("W12345", "")), 500, "missing_element"),
        (bridge.post("open", "application/xml", bare("", "Interview")), 400, "missing_element"),
        (bridge.post("open?event=nonsense", "text/xml", SEED), 500, "invalid_value"),
        (bridge.post("open?dry_run=maybe", "text/xml", SEED), 500, "invalid_value"),
        (bridge.post("open?dry_run=1&dry_run=1", "text/xml", SEED), 500, "invalid_value"),
        (bridge.post("open?dryrun=1", "text/xml", SEED), 500, "invalid_value"),
        (bridge.post("open?Event=interview_ended", "text/xml", SEED), 500, "invalid_value"),
        (bridge.post("open/", "text/xml", SEED), 404, "not_found"),
        (bridge.post("../SOAP/open", "application/soap+xml", soap12.clone()), 404, "not_found"),
        (bridge.post("closed", "text/xml", SEED), 401, "unauthorized"),
        (bridge.post("closed", "text/xml", SEED).basic_auth("imper", Some("wrong")), 401, "unauthorized"),
        (bridge.post("closed", "text/xml", SEED).bearer_auth("wrong"), 401, "unauthorized"),
        (bridge.post("tenant", "text/xml", SEED), 400, "wrong_tenant"),
        (bridge.post("tenant", "text/xml", SEED).header("X-Workday-Tenant", "acme_sandbox"), 400, "wrong_tenant"),
        (
            bridge
                .post("tenant", "text/xml", SEED)
                .header("X-Workday-Tenant", "acme_prod")
                .header("X-Workday-Tenant", "b"),
            400,
            "wrong_tenant",
        ),
        (bridge.post("open", "text/xml", SEED).header("Content-Type", "text/plain"), 415, "unsupported_media_type"),
        (bridge.post("strict", "text/xml", SEED), 500, "wrong_namespace"),
    ];
    for (request, status, code) in cases {
        let shown = format!("{request:?}");
        assert_eq!(status_and_code(request).await, (status, code.to_owned()), "{shown}");
    }
    assert!(bridge.events("").await.is_empty(), "nothing that was refused left an event");
    let fault = bridge.post("closed", "application/soap+xml", soap12).send().await.unwrap();
    let challenges: Vec<_> = fault.headers().get_all("www-authenticate").iter().collect();
    assert_eq!(challenges.len(), 2, "{challenges:?}");
    assert_eq!(fault.headers()["content-type"], "application/soap+xml; charset=utf-8");
    assert!(fault.text().await.unwrap().contains("http://www.w3.org/2003/05/soap-envelope"));
}

#[tokio::test]
async fn hostile_documents_are_bounded() {
    let (_home, bridge) = bridge();
    let nested = format!("{}{}", "<a>".repeat(60), "</a>".repeat(60));
    let wide = "<a/>".repeat(100);
    let bomb = "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>";
    for (body, code) in
        [(nested, "too_deep"), (format!("<a>{wide}</a>"), "too_many_elements"), (bomb.into(), "dtd_refused")]
    {
        assert_eq!(status_and_code(bridge.post("open", "application/xml", body)).await, (400, code.to_owned()));
    }
    assert_eq!(bridge.change("open", "A1", "Interview").await.matches("Accepted").count(), 1);
}

#[tokio::test]
async fn other_methods_are_told_which_ones_there_are() {
    let (_home, bridge) = bridge();
    let client = imper_bridge::delivery::relay::client(None, None).unwrap();
    let answer = client.put(format!("{}/soap/open", bridge.public)).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["allow"]), (405, &"GET, HEAD, POST".parse().unwrap()));
    assert_eq!(element(&answer.text().await.unwrap(), "Code"), "method_not_allowed");
    let elsewhere = bridge.get("/elsewhere").await;
    assert_eq!(elsewhere.status(), 404);
    assert!(elsewhere.text().await.unwrap().starts_with("There is nothing at /elsewhere"));
}

#[tokio::test]
async fn either_credential_lets_in_and_the_expected_tenant_passes() {
    let (_home, bridge) = bridge();
    let basic = bridge.post("closed", "text/xml", SEED).basic_auth("imper", Some("s3cret"));
    assert_eq!(basic.send().await.unwrap().status(), 200);
    let bearer = bridge.post("closed", "text/xml", SEED).bearer_auth("t0ken").send().await.unwrap();
    assert_eq!(element(&bearer.text().await.unwrap(), "Outcome"), "Duplicate");
    let tenant = bridge.post("tenant", "text/xml", SEED).header("X-Workday-Tenant", "acme_prod").send().await.unwrap();
    assert_eq!(tenant.status(), 200);
}

#[tokio::test]
async fn a_strict_organisation_refuses_another_soap_action() {
    let (_home, bridge) = bridge();
    let own = SEED.replace("http://your-company.com/workday/webhooks", "urn:example:own");
    let with = |action: &'static str| bridge.post("strict", "text/xml", own.clone()).header("SOAPAction", action);
    assert_eq!(status_and_code(with("\"DeleteEverything\"")).await, (500, "action_mismatch".to_owned()));
    let two = with("\"DeleteEverything\"").header("SOAPAction", "\"urn:x/TriggerCandidateStateChange\"");
    assert_eq!(status_and_code(two).await, (500, "action_mismatch".to_owned()));
    let wsdl = bridge.get("/soap/strict?wsdl").await.text().await.unwrap();
    let start = wsdl.find("soapAction=\"").unwrap() + 12;
    let action = wsdl[start..start + wsdl[start..].find('"').unwrap()].to_owned();
    let answer = bridge.post("strict", "text/xml", own.clone()).header("SOAPAction", format!("\"{action}\""));
    let answer = answer.send().await.unwrap().text().await.unwrap();
    assert!(answer.contains("xmlns=\"urn:example:own\"") && element(&answer, "Outcome") == "Accepted", "{answer}");
}

#[tokio::test]
async fn the_url_may_tell_the_event_and_a_dry_run_stores_nothing() {
    let (_home, bridge) = bridge();
    let post = async |endpoint: &str| {
        let answer = bridge.post(endpoint, "application/xml", bare("A1", "Offer")).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let dry = post("open?event=interview_started&dry_run=1&from=a-proxy").await;
    assert_eq!((element(&dry, "Event_Type"), element(&dry, "Outcome")), ("interview_started", "DryRun"));
    assert!(!dry.contains("Event_ID"));
    assert!(bridge.events("").await.is_empty());
    let first = post("open?event=interview_stage_started").await;
    assert_eq!((element(&first, "Event_Type"), element(&first, "Outcome")), ("interview_started", "Accepted"));
    let again = post("open?event=interview_started").await;
    assert_eq!((element(&again, "Event_ID"), element(&again, "Outcome")), (element(&first, "Event_ID"), "Duplicate"));
    let ended = post("open?event=interview_ended").await;
    assert_eq!(element(&ended, "Event_Type"), "interview_ended");
    let event = &bridge.events("").await[0];
    assert_eq!((&event["duplicates"], &event["decision"]["was"]), (&json!(1), &json!("unknown")));
}

#[tokio::test]
async fn a_message_id_marks_a_late_retry() {
    let (_home, bridge) = bridge();
    let message = |stage: &str, id: &str| {
        let header = format!(
            "<soapenv:Header><a:MessageID xmlns:a=\"http://www.w3.org/2005/08/addressing\">{id}</a:MessageID></soapenv:Header>"
        );
        SEED.replace("<soapenv:Header/>", &header).replace("Interview", stage)
    };
    let post = async |stage: &str, id: &str| {
        let answer = bridge.post("open", "text/xml", message(stage, id)).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let first = post("Interview", "urn:uuid:1").await;
    assert!(first.contains("RelatesTo") && first.contains("urn:uuid:1"), "{first}");
    post("Offer", "urn:uuid:2").await;
    let late = post("Interview", "urn:uuid:1").await;
    assert_eq!((element(&late, "Event_ID"), element(&late, "Outcome")), (element(&first, "Event_ID"), "Duplicate"));
    let anew = post("Interview", "urn:uuid:3").await;
    assert_eq!(element(&anew, "Event_Type"), "interview_started", "coming back later starts again");
}

#[tokio::test]
async fn the_wsdl_names_the_public_address() {
    let (_home, bridge) = bridge();
    let wsdl = async |query: &str| bridge.get(&format!("/soap/open{query}")).await.text().await.unwrap();
    let address = format!("location=\"{}/soap/open\"", bridge.public);
    for query in ["?wsdl", "?WSDL", "?Wsdl=1"] {
        assert_eq!(wsdl(query).await.matches(&address).count(), 2, "{query}: both ports");
    }
    assert_eq!(wsdl("?wsdl&soap=1.1").await.matches(&address).count(), 1);
    for twice in ["?wsdl&event=interview_started&event=interview_ended", "?wsdl&soap=1.1&SOAP=1.2"] {
        assert!(wsdl(twice).await.contains("more than once"), "{twice}");
    }
    assert!(wsdl("?wsdl&event=interview_started").await.contains("/soap/open?event=interview_started\""));
    assert_eq!(bridge.get("/soap/open?wsdl&soap=2").await.status(), 400);
    let schema = wsdl("?xsd=1").await;
    assert!(schema.contains("JobApplicationEventType") && wsdl("?wsdl").await.contains("JobApplicationEventType"));
    assert!(wsdl("").await.contains("<!doctype html>"));
    let schema: serde_json::Value = bridge.get("/schemas/candidate-event.json").await.json_value().await;
    assert_eq!(schema["type"], "object");
    assert_eq!(bridge.get("/soap/nobody?wsdl").await.status(), 404);
}

#[tokio::test]
async fn the_admin_listener_asks_for_its_token() {
    let (_home, bridge) = bridge();
    for (path, status) in [
        ("/livez", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/api/v1/events", 401),
        ("/api/v1/elsewhere", 401),
        ("/elsewhere", 404),
    ] {
        assert_eq!(bridge.admin_get(path, "wrong").await.status(), status, "{path}");
    }
    for (path, status) in [
        ("events?limit=0", 400),
        ("events?limit=1001", 400),
        ("events?since=yesterday", 400),
        ("events?state=lost", 400),
        ("events?colour=red", 400),
        ("events?orgid=A&orgid=b", 400),
        ("events/not-an-id", 400),
        ("events/01a20aee-2c4a-76af-a4c9-000000000001", 404),
        ("elsewhere", 404),
    ] {
        let answer = bridge.admin_get(&format!("/api/v1/{path}"), TOKEN).await;
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
    }
    bridge.change("open", "A1", "Interview").await;
    bridge.delivered().await;
    let on = bridge.api("protections?active=true").await;
    assert_eq!(on["protections"][0]["job_application_id"], "A1");
    bridge.change("open", "A1", "Offer").await;
    bridge.delivered().await;
    assert_eq!(bridge.api("protections?orgid=open&active=true").await["protections"], json!([]));
    let figures = bridge.admin_get("/metrics", "").await.text().await.unwrap();
    let line = "imper_bridge_messages_total{orgid=\"open\",source=\"soap\",outcome=\"Accepted\"} 2";
    assert!(figures.contains(line), "{figures}");
}

trait Json {
    async fn json_value(self) -> serde_json::Value;
}

impl Json for reqwest::Response {
    async fn json_value(self) -> serde_json::Value {
        serde_json::from_str(&self.text().await.unwrap()).unwrap()
    }
}
