//! The API's own description, held against what the real binary takes and answers.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::bridge::{Bridge, Home, PATIENCE, TOKEN, element};
use crate::relay::Relay;
use crate::workday::{Applied, Workday};

fn sections(relay: &Relay, tenant: &str) -> String {
    format!(
        "[org.acme]\nauth.none = true\n{tenant}\n[org.acme.relay]\nurl = \"{}/acme\"\napi_key = \"k\"\n\
         [org.other]\nauth.none = true\nhandler = \"in_process\"\n",
        relay.url()
    )
}

/// The document, and which of its operations were seen to succeed.
struct Document {
    json: Value,
    succeeded: RefCell<BTreeSet<(String, Method)>>,
}

impl Document {
    async fn of(bridge: &Bridge) -> Self {
        let answer = bridge.admin_get("/api/openapi.json", "").await;
        assert_eq!(answer.status(), 200, "it needs no token");
        let json: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(json["openapi"], "3.1.0");
        Self { json, succeeded: RefCell::default() }
    }

    /// The operations: path, method, and what is said of them.
    fn operations(&self) -> Vec<(String, Method, &Value)> {
        let paths = self.json["paths"].as_object().unwrap();
        let of = |(path, item): (&String, &'_ Value)| (path.clone(), item.as_object().unwrap().clone());
        let all = paths.iter().map(of).flat_map(|(path, item)| {
            item.into_iter().map(move |(method, _)| (path.clone(), method)).collect::<Vec<_>>()
        });
        all.map(|(path, method)| {
            let operation = &self.json["paths"][&path][&method];
            (path, method.to_ascii_uppercase().parse().unwrap(), operation)
        })
        .collect()
    }

    /// Holds an answer against what is said of its operation.
    fn check(&self, path: &str, method: &Method, status: u16, content_type: &str, body: &Value) {
        let operation = &self.json["paths"][path][method.as_str().to_ascii_lowercase()];
        assert!(operation.is_object(), "{method} {path} is not described");
        let described = &operation["responses"][status.to_string()];
        assert!(described.is_object(), "{method} {path}: {status} is not described: {body}");
        if status < 300 {
            self.succeeded.borrow_mut().insert((path.to_owned(), method.clone()));
        }
        let Some(content) = described["content"].as_object() else {
            assert_eq!((content_type, body), ("", &Value::Null), "{method} {path}: {status}");
            return;
        };
        let schema = &content.get(content_type).unwrap_or_else(|| panic!("{path}: {content_type}"))["schema"];
        self.validate(schema, body, &format!("{method} {path}: {status}"));
    }

    /// Holds a body that was taken against what is said of those to send.
    fn check_sent(&self, path: &str, method: &Method, body: &Value) {
        let operation = &self.json["paths"][path][method.as_str().to_ascii_lowercase()];
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        self.validate(schema, body, &format!("{method} {path}, as it was sent"));
    }

    fn validate(&self, schema: &Value, body: &Value, what: &str) {
        let mut schema = schema.clone();
        schema["components"] = self.json["components"].clone();
        close(&mut schema);
        let options = jsonschema::options().with_draft(jsonschema::Draft::Draft202012).should_validate_formats(true);
        let faults: Vec<_> = options.build(&schema).unwrap().iter_errors(body).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{what}: {faults:#?}\n{body}");
    }

    fn never_succeeded(&self) -> Vec<(String, Method)> {
        let all = self.operations().into_iter().map(|(path, method, _)| (path, method));
        all.filter(|each| !self.succeeded.borrow().contains(each)).collect()
    }
}

/// Forbids what a schema does not name, which the document itself leaves open to later releases.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.contains_key("$ref") {
                object.insert("unevaluatedProperties".into(), json!(false));
            }
            for (key, value) in object.iter_mut() {
                if key == "allOf" {
                    // Its parts are closed together, where the whole is used.
                    let parts = value.as_array_mut().unwrap().iter_mut().filter_map(Value::as_object_mut);
                    parts.flat_map(|part| part.values_mut()).for_each(close);
                } else {
                    close(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

impl Bridge {
    async fn send(&self, method: Method, path: &str, body: &Value) -> Response {
        let client = imper_bridge::delivery::relay::client(None, None).unwrap();
        let request = client.request(method, format!("{}{path}", self.admin)).bearer_auth(TOKEN).timeout(PATIENCE);
        let request = match body {
            Value::Null => request,
            body => request.header("Content-Type", "application/json").body(body.to_string()),
        };
        request.send().await.unwrap()
    }

    /// Calls an operation whose path is filled in with `ids`, and holds the answer against the document.
    async fn call(&self, document: &Document, operation: &str, ids: &[&str], body: Value) -> (u16, Value) {
        let (method, target) = operation.split_once(' ').unwrap();
        let (method, template) = (method.parse::<Method>().unwrap(), target.split('?').next().unwrap());
        let mut path = target.to_owned();
        for id in ids {
            let (from, to) = (path.find('{').unwrap(), path.find('}').unwrap());
            path.replace_range(from..=to, id);
        }
        let answer = self.send(method.clone(), &path, &body).await;
        let status = answer.status().as_u16();
        let content_type = answer.headers().get("Content-Type").map_or("", |value| value.to_str().unwrap()).to_owned();
        if status < 300 && !body.is_null() {
            document.check_sent(template, &method, &body);
        }
        let text = answer.text().await.unwrap();
        let body = match text.as_str() {
            "" => Value::Null,
            text if content_type.contains("json") => serde_json::from_str(text).unwrap(),
            text => Value::String(text.to_owned()),
        };
        document.check(template, &method, status, &content_type, &body);
        (status, body)
    }

    async fn dead(&self, document: &Document, application: &str) -> String {
        let id = element(&self.change("acme", application, "Interview").await, "Event_ID").to_owned();
        let begun = Instant::now();
        while self.call(document, "GET /api/v1/events/{event_id}", &[&id], Value::Null).await.1["delivery"]["state"]
            != "dead"
        {
            assert!(begun.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        id
    }
}

#[tokio::test]
async fn real_answers_are_as_the_document_says() {
    let relay = Relay::start();
    relay.answer("422");
    let workday = Workday::start();
    let with_workday = |tenant: &str| format!("{}{}", sections(&relay, tenant), workday.section("other"));
    let home = Home::new(&with_workday("expect_tenant = \"acme\""));
    let bridge = home.start();
    let document = Document::of(&bridge).await;
    let call = async |operation: &str, ids: &[&str], body: Value| bridge.call(&document, operation, ids, body).await;
    let ok = async |operation: &str, ids: &[&str], body: Value| {
        let (status, answer) = bridge.call(&document, operation, ids, body).await;
        assert!(status < 300, "{operation}: {status} {answer}");
        answer
    };
    // What is refused for its tenant is taken once none is expected any more.
    let wrong = bridge.post("acme", "application/xml", crate::bridge::bare("R1", "Interview"));
    assert_eq!(wrong.send().await.unwrap().status(), 400);
    let refused = ok("GET /api/v1/refused?orgid=acme", &[], Value::Null).await["refused"][0]["id"].clone();
    let refused = refused.as_str().unwrap();
    ok("GET /api/v1/refused/{id}", &[refused], Value::Null).await;
    assert_eq!(call("POST /api/v1/refused/{id}/retry", &[refused], Value::Null).await.0, 422);
    home.configure(&with_workday("colour = \"red\""));
    assert_eq!(call("POST /api/v1/reload", &[], Value::Null).await.0, 422);
    home.configure(&with_workday(""));
    ok("POST /api/v1/reload", &[], Value::Null).await;
    ok("POST /api/v1/refused/{id}/retry", &[refused], Value::Null).await;
    let (first, second) = (bridge.dead(&document, "A1").await, bridge.dead(&document, "A2").await);
    relay.answer("200");
    bridge.change("other", "B1", "Interview").await;
    bridge.change("other", "B1", "Interview").await;
    bridge.delivered_of("other").await;
    let begun = Instant::now();
    while ok("GET /api/v1/protections", &[], Value::Null).await["protections"][0]["details"].is_null() {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let at = "2099-01-01T00:00:00Z".to_owned();
    workday.applied("C-B1", Applied { application: "B1".into(), stage: "Offer".into(), disposition: None, at });
    let reconcile = "POST /api/v1/organisations/{orgid}/reconcile";
    assert_eq!(ok(reconcile, &["other"], Value::Null).await["differences"][0]["workday"], "out");
    assert_eq!(call(reconcile, &["acme"], Value::Null).await.0, 409);

    for path in [
        "events?limit=1",
        "events",
        "protections",
        "stats",
        "applications",
        "applications?in_interview=true",
        "credentials?orgid=acme",
    ] {
        ok(&format!("GET /api/v1/{path}"), &[], Value::Null).await;
    }
    ok("GET /api/v1/applications/{orgid}/{job_application_id}", &["other", "B1"], Value::Null).await;
    let filter = json!({
        "orgid": "acme", "event_type": "interview_started", "state": "dead", "job_application_id": "A1",
        "candidate_id": "C-A1", "since": "2020-01-01T00:00:00Z", "until": "9999-12-31T23:59:59Z"
    });
    assert_eq!(ok("POST /api/v1/replay?dry_run=true", &[], filter).await["replayed"], 1);
    assert_eq!(call("POST /api/v1/replay", &[], json!({})).await.0, 400);
    ok("POST /api/v1/events/{event_id}/replay", &[&first], json!({ "force": true })).await;
    ok("DELETE /api/v1/events/{event_id}", &[&second], Value::Null).await;
    assert_eq!(call("DELETE /api/v1/events/{event_id}", &[&second], Value::Null).await.0, 404);
    ok("POST /api/v1/organisations/{orgid}/pause", &["other"], Value::Null).await;
    ok("GET /api/v1/stats", &[], Value::Null).await;
    ok("POST /api/v1/organisations/{orgid}/resume", &["other"], Value::Null).await;
    let erase = "DELETE /api/v1/candidates/{orgid}/{candidate_id}";
    assert_eq!(call(erase, &["other", "C-B1"], Value::Null).await.0, 409);
    let by_hand = "POST /api/v1/applications/{orgid}/{job_application_id}/events";
    let closing = json!({ "event_type": "interview_ended", "reason": "nobody told Workday" });
    ok(by_hand, &["other", "B1"], closing.clone()).await;
    assert_eq!(call(by_hand, &["other", "B1"], closing).await.0, 409);
    bridge.delivered_of("other").await;
    ok(erase, &["other", "C-B1"], Value::Null).await;
    ok("GET /api/v1/erasures", &[], Value::Null).await;
    let log = ok("GET /api/v1/log", &[], Value::Null).await;
    assert!(log["lines"].as_array().unwrap().iter().any(|line| line["fields"]["orgid"] == "acme"), "{log}");
    for path in ["/livez", "/readyz", "/metrics", "/api/openapi.json"] {
        ok(&format!("GET {path}"), &[], Value::Null).await;
    }
    assert_eq!(document.never_succeeded(), [], "each operation was seen to succeed");
}

/// The path with something in each of its places.
fn filled(path: &str) -> String {
    path.replace("{event_id}", "019d0000-0000-7000-8000-000000000000")
        .replace("{orgid}", "acme")
        .replace("{id}", "1")
        .replace("{job_application_id}", "A1")
        .replace("{candidate_id}", "C1")
}

/// The names in a sentence that says which there are.
fn told(problem: &Value) -> BTreeSet<&str> {
    let (_, names) = problem["detail"].as_str().unwrap().trim_end_matches('.').split_once("there are ").unwrap();
    names.split(", ").filter(|name| *name != "none").collect()
}

#[tokio::test]
async fn what_is_taken_is_what_the_document_says() {
    let home = Home::new(&sections(&Relay::start(), ""));
    let bridge = home.start();
    let document = Document::of(&bridge).await;
    let (mut values, mut bodies) = (0, 0);
    for (path, method, operation) in document.operations() {
        if !path.starts_with("/api/v1/") {
            continue;
        }
        let parameters: Vec<_> = operation["parameters"].as_array().into_iter().flatten().collect();
        let query = || parameters.iter().filter(|parameter| parameter["in"] == "query");
        let target = filled(&path);
        assert!(!target.contains('{'), "{target}");
        let problem = bridge.send(method.clone(), &format!("{target}?no_such=1"), &Value::Null).await;
        let problem: Value = serde_json::from_str(&problem.text().await.unwrap()).unwrap();
        assert_eq!(problem["field"], "no_such", "{problem}");
        let names: BTreeSet<_> = query().map(|parameter| parameter["name"].as_str().unwrap()).collect();
        assert_eq!(told(&problem), names, "{method} {path}");
        if let Some(schema) = operation["requestBody"]["content"]["application/json"].get("schema") {
            let name = schema.to_string();
            let name = name.split("/schemas/").nth(1).unwrap().split('"').next().unwrap();
            let keys = document.json["components"]["schemas"][name]["properties"].as_object().unwrap();
            let problem = bridge.send(method.clone(), &target, &json!({ "no_such": true })).await;
            let problem: Value = serde_json::from_str(&problem.text().await.unwrap()).unwrap();
            assert_eq!(told(&problem), keys.keys().map(String::as_str).collect(), "{method} {path}");
            bodies += 1;
        }
        if method != Method::GET || path.contains('{') {
            continue;
        }
        for parameter in query() {
            let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
            assert_ne!(parameter["required"], true);
            let mut expected: Vec<_> =
                schema["enum"].as_array().into_iter().flatten().map(|each| (each.clone(), 200)).collect();
            if let (Some(least), Some(most)) = (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
                expected.extend([
                    (json!(least), 200),
                    (json!(most), 200),
                    (json!(least - 1), 400),
                    (json!(most + 1), 400),
                ]);
            }
            for (value, status) in expected {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let answer = bridge.send(Method::GET, &format!("{path}?{name}={value}"), &Value::Null).await;
                assert_eq!(answer.status(), status, "{path}?{name}={value}");
                values += 1;
            }
        }
    }
    assert!(values > 20 && bodies == 3, "{values} {bodies}");
}

impl Bridge {
    /// What a request with these headers and this body is answered: status, `Allow`, type, `field`, body.
    async fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String, Value) {
        let client = imper_bridge::delivery::relay::client(None, None).unwrap();
        let url = format!("{}{path}", self.admin);
        let mut request = client.request(method.parse().unwrap(), url).timeout(PATIENCE).body(body.to_vec());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let text = answer.text().await.unwrap();
        if status >= 400 {
            assert_eq!(header("Content-Type"), "application/problem+json", "{method} {path}: {text}");
        }
        (status, header("Allow"), serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

const AUTHORIZED: (&str, &str) = ("Authorization", "Bearer an-admin-token-of-the-tests");

#[tokio::test]
async fn a_known_path_says_which_methods_it_takes() {
    let home = Home::new(&sections(&Relay::start(), ""));
    let bridge = home.start();
    let event = filled("/api/v1/events/{event_id}");
    for (method, path, status, allow) in [
        ("HEAD", "/api/v1/events", 200, ""),
        ("HEAD", "/livez", 200, ""),
        ("OPTIONS", "/api/v1/events", 204, "OPTIONS, GET, HEAD"),
        ("PUT", "/api/v1/events", 405, "OPTIONS, GET, HEAD"),
        ("POST", event.as_str(), 405, "OPTIONS, GET, HEAD, DELETE"),
        ("GET", "/api/v1/replay", 405, "OPTIONS, POST"),
        ("TRACE", "/api/openapi.json", 405, "OPTIONS, GET, HEAD"),
        ("PUT", "/api/v1/nothing", 404, ""),
    ] {
        let (found, allowed, _) = bridge.raw(method, path, &[AUTHORIZED], b"").await;
        assert_eq!((found, allowed.as_str()), (status, allow), "{method} {path}");
    }
    for method in ["GET", "PUT", "OPTIONS"] {
        let (status, allowed, _) = bridge.raw(method, "/api/v1/events", &[], b"").await;
        assert_eq!((status, allowed.as_str()), (401, ""), "without a token nothing is told");
    }
}

#[tokio::test]
async fn a_bad_body_or_url_is_a_problem_that_names_its_place() {
    let home = Home::new(&sections(&Relay::start(), ""));
    let bridge = home.start();
    let (json, filter) = (("Content-Type", "application/json"), br#"{"orgid":"acme"}"#.as_slice());
    let (text, form) = (("Content-Type", "text/plain"), ("Content-Type", "application/x-www-form-urlencoded"));
    let large = vec![b' '; 70_000];
    for (header, body, status, field) in [
        (json, filter, 200, Value::Null),
        (form, filter, 200, Value::Null),
        (text, filter, 415, json!("body")),
        (("Content-Encoding", "br"), filter, 415, json!("body")),
        (json, &large, 413, json!("body")),
        (json, br#"{"orgid":"acme","orgid":"other"}"#, 400, json!("body")),
        (json, b"{\"orgid\":\"\xff\"}", 400, json!("body")),
        (json, b"[]", 400, json!("body")),
        (json, b"", 400, json!("body")),
        (json, br#"{"orgid":null}"#, 400, json!("orgid")),
        (json, br#"{"orgid":true}"#, 400, json!("orgid")),
        (json, br#"{"candidate_id":"a\u0000"}"#, 400, json!("candidate_id")),
    ] {
        let (found, _, answer) = bridge.raw("POST", "/api/v1/replay?dry_run=true", &[AUTHORIZED, header], body).await;
        assert_eq!((found, &answer["field"]), (status, &field), "{}", String::from_utf8_lossy(body));
    }
    for (path, status, field) in [
        ("/api/v1/applications/other/%FF", 400, json!("path")),
        ("/api/v1/applications/other/A%00", 400, json!("job_application_id")),
        ("/api/v1/events?candidate_id=%C3", 400, json!("query")),
        ("/api/v1/events?limit=99999999999999999999", 400, json!("limit")),
        ("/api/v1/events?cursor=%2Bff", 400, json!("cursor")),
        ("/api/v1/events?limit=1&limit=1", 400, json!("limit")),
        ("/api/v1/events?until=soon", 400, json!("until")),
        ("/api/v1/events?until=9999-13-01T00:00:00Z", 400, json!("until")),
        ("/api/v1/events?until=9999-12-31T23:59:59Z", 200, Value::Null),
        ("/api/v1/refused/18446744073709551616", 400, json!("id")),
    ] {
        let (found, _, answer) = bridge.raw("GET", path, &[AUTHORIZED], b"").await;
        assert_eq!((found, &answer["field"]), (status, &field), "{path}");
    }
}

#[tokio::test]
async fn pages_stay_right_while_entries_are_added() {
    let home = Home::new(&sections(&Relay::start(), ""));
    let bridge = home.start();
    let odd = ["A/1", "A?#%2F", "Ä’1", "A+b;,", "..", "a b"];
    for application in odd {
        bridge.change("other", application, "Interview").await;
        bridge.change("acme", application, "Interview").await;
    }
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = bridge.api(&format!("events?orgid=other&event_type=interview_started&limit=2{cursor}")).await;
        let ids = page["events"].as_array().unwrap().iter().map(|event| event["job_application_id"].clone());
        seen.extend(ids);
        pages += 1;
        bridge.change("other", &format!("later {pages}"), "Interview").await;
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    seen.reverse();
    assert_eq!(seen, odd, "each once, and none that came later");
    assert!(pages >= 3);
    let both = bridge.api("events?orgid=other&job_application_id=A/1&state=delivered&until=2020-01-01T00:00:00Z").await;
    assert_eq!(both["events"], json!([]), "all of a filter must hold");
    for application in odd {
        let mut url = reqwest::Url::parse(&format!("{}/api/v1/events", bridge.admin)).unwrap();
        url.query_pairs_mut().append_pair("job_application_id", application).append_pair("orgid", "other");
        let found = bridge.admin_get(&url.as_str()[bridge.admin.len()..], TOKEN).await.text().await.unwrap();
        let found: Value = serde_json::from_str(&found).unwrap();
        assert_eq!(found["events"].as_array().unwrap().len(), 1, "{application}");
    }
}

#[tokio::test]
async fn no_route_lets_in_who_shows_no_token_or_a_wrong_one() {
    let home = Home::new("[org.acme]\nauth.none = true\nhandler = \"in_process\"\n");
    let bridge = home.start();
    let document = bridge.admin_get("/api/openapi.json", "").await.text().await.unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|_| path.starts_with("/api/v1/")) {
            let (method, path) = (method.to_ascii_uppercase(), path.replace(['{', '}'], ""));
            let (status, ..) = bridge.raw(&method, &path, &[], b"").await;
            assert_eq!(status, 401, "{method} {path}");
            let (status, ..) = bridge.raw(&method, &path, &[("Authorization", "Bearer a-wrong-one")], b"").await;
            assert!([401, 429].contains(&status), "{method} {path}: {status}");
            asked += 1;
        }
    }
    assert!(asked > 20, "{asked}");
}
