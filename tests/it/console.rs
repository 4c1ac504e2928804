//! The console at the real binary: who gets in, what a form takes, and what every page says to the
//! browser. How the pages look and work there is tried by `tests/console`.

mod pages;

use std::time::{Duration, Instant};

use imper_bridge::delivery::relay;
use reqwest::{Client, Response};

use crate::bridge::{Bridge, Home, PATIENCE, TOKEN, bare};

const SECTIONS: &str = "[[admin.tokens]]\nname = \"looks\"\ntoken = \"viewer-token\"\nrole = \"viewer\"\norgs = [\"acme\"]\n\
    [org.acme]\nauth.none = true\nhandler = \"in_process\"\n[org.other]\nauth.none = true\nhandler = \"in_process\"\n";

/// Somebody at the console, with the cookie of their session.
pub(crate) struct Visitor {
    client: Client,
    admin: String,
    cookie: String,
}

impl Bridge {
    /// Signs in with a token.
    pub(crate) async fn signed_in(&self, token: &str) -> Visitor {
        let answer = self.sign_in(token).await;
        assert_eq!(answer.status().as_u16(), 303);
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        for said in ["; HttpOnly", "; SameSite=Strict", "; Path=/"] {
            assert!(cookie.contains(said), "{cookie}");
        }
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Visitor { client: relay::client(None, None).unwrap(), admin: self.admin.clone(), cookie }
    }

    async fn sign_in(&self, token: &str) -> Response {
        let client = relay::client(None, None).unwrap();
        let form = format!("next=%2F&token={token}");
        client.post(format!("{}/sign-in", self.admin)).body(form).timeout(PATIENCE).send().await.unwrap()
    }
}

impl Visitor {
    /// A page: its status and its text.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let request = self.client.get(format!("{}{path}", self.admin)).header("Cookie", &self.cookie);
        let answer = request.timeout(PATIENCE).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Sends a form with the key that the session's pages carry.
    pub(crate) async fn post(&self, path: &str, fields: &str) -> (u16, String) {
        let page = self.get("/").await.1;
        let key = page.split("name=\"form_key\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        self.post_as_it_is(path, &format!("form_key={key}&{fields}"), &[]).await
    }

    async fn post_as_it_is(&self, path: &str, form: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let request = self.client.post(format!("{}{path}", self.admin)).header("Cookie", &self.cookie);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = request.body(form.to_owned()).timeout(PATIENCE).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

#[tokio::test]
async fn nothing_is_shown_to_who_is_not_signed_in() {
    let home = Home::new(SECTIONS);
    let bridge = home.start();
    let front = bridge.admin_get("/", "").await;
    let policy = front.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    for (name, value) in
        [("cache-control", "no-store"), ("referrer-policy", "no-referrer"), ("x-content-type-options", "nosniff")]
    {
        assert_eq!(front.headers()[name], value);
    }
    let front = front.text().await.unwrap();
    assert!(front.contains("Admin token") && !front.contains("acme"), "{front}");
    let stranger = Visitor {
        client: relay::client(None, None).unwrap(),
        admin: bridge.admin.clone(),
        cookie: "imper-bridge-1=made-up".into(),
    };
    assert_eq!(stranger.get("/live").await.0, 401, "a script can tell");
    let asks_by_itself = stranger.client.get(format!("{}/", bridge.admin)).header("X-Live", "1");
    assert_eq!(asks_by_itself.timeout(PATIENCE).send().await.unwrap().status().as_u16(), 401);
    let events = stranger.client.get(format!("{}/events", bridge.admin)).header("X-Live", "1");
    assert_eq!(events.timeout(PATIENCE).send().await.unwrap().status().as_u16(), 401);
    assert_eq!(stranger.get("/events").await.0, 303, "a person is led to the sign-in");
    let acted = stranger.post_as_it_is("/organisations/acme/pause", "form_key=", &[]).await;
    assert_eq!(acted.0, 303, "{}", acted.1);
    assert_eq!(bridge.sign_in("wrong").await.status().as_u16(), 403);
}

/// What the stream says, until it ends or says what is waited for.
async fn told_until(live: &mut Response, what: &str) -> String {
    let mut said = String::new();
    while !said.contains(what) {
        let Some(chunk) = tokio::time::timeout(PATIENCE, live.chunk()).await.expect(what).unwrap() else { break };
        said.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    said
}

#[tokio::test]
async fn an_open_page_hears_that_the_bridge_is_there_and_nobody_takes_the_places_of_others() {
    let home = Home::new(SECTIONS);
    let bridge = home.start();
    let viewer = bridge.signed_in("viewer-token").await;
    let listen = async |visitor: &Visitor| {
        let live = visitor.client.get(format!("{}/live", visitor.admin)).header("Cookie", &visitor.cookie);
        let live = live.send().await.unwrap();
        assert_eq!(live.status().as_u16(), 200);
        live
    };
    let mut first = listen(&viewer).await;
    told_until(&mut first, "event: alive").await;
    let mut more = Vec::new();
    for _ in 0..70 {
        more.push(listen(&viewer).await);
    }
    assert!(told_until(&mut first, "event: enough").await.contains("event: enough"), "the oldest makes room");
    let mut last = more.pop().unwrap();
    for _ in 0..2 {
        told_until(&mut last, "event: alive").await;
    }
    let mut operators = listen(&bridge.signed_in(TOKEN).await).await;
    told_until(&mut operators, "event: alive").await;
    assert_eq!(viewer.post("/sign-out", "").await.0, 303);
    told_until(&mut last, "nothing more").await;
}

#[tokio::test]
async fn a_form_needs_the_key_of_its_session_and_an_operator() {
    let home = Home::new(SECTIONS);
    let bridge = home.start();
    let operator = bridge.signed_in(TOKEN).await;
    let paused = || async { bridge.api("stats").await["organisations"][0]["paused"].clone() };
    for (form, headers) in [("", None), ("form_key=guessed", None), ("", Some(("Sec-Fetch-Site", "cross-site")))] {
        let headers: Vec<_> = headers.into_iter().collect();
        assert_eq!(operator.post_as_it_is("/organisations/acme/pause", form, &headers).await.0, 403);
    }
    assert_eq!(paused().await, false);
    assert_eq!(operator.post("/organisations/acme/pause", "").await.0, 303);
    assert_eq!(paused().await, true);
    let page = operator.get("/").await.1;
    assert!(page.contains("The deliveries of acme are paused") && page.contains("Resume deliveries"), "{page}");
    assert!(!operator.get("/").await.1.contains("The deliveries of acme are paused. M"), "it is said once");

    let viewer = bridge.signed_in("viewer-token").await;
    let page = viewer.get("/").await.1;
    assert!(page.contains("acme: admin paused the deliveries") && !page.contains("Resume deliveries"), "{page}");
    assert!(!page.contains("other"), "{page}");
    assert_eq!(viewer.post("/organisations/acme/resume", "").await.0, 403);
    assert_eq!(viewer.post("/organisations/other/resume", "").await.0, 404);
    assert_eq!(paused().await, true);
    assert_eq!(operator.post("/organisations/acme/resume", "").await.0, 303);
    assert!(home.log().contains("an operator acted token=\"admin\" orgid=acme action=\"resume\""), "{}", home.log());
}

#[tokio::test]
async fn a_session_ends_with_its_token_and_by_signing_out() {
    let home = Home::new(SECTIONS);
    let bridge = home.start();
    let operator = bridge.signed_in(TOKEN).await;
    let viewer = bridge.signed_in("viewer-token").await;
    assert!(viewer.get("/").await.1.contains("Sign out"));
    home.configure(&SECTIONS.replace("viewer-token", "another-token"));
    let begun = Instant::now();
    bridge.signal("HUP");
    while !home.log().contains("was reloaded") {
        assert!(begun.elapsed() < PATIENCE, "{}", home.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(viewer.get("/").await.1.contains("Admin token"), "its token is gone");
    assert!(operator.get("/").await.1.contains("Sign out"), "this one is still there");
    assert_eq!(operator.post("/sign-out", "").await.0, 303);
    assert!(operator.get("/").await.1.contains("Admin token"));
}

#[tokio::test]
async fn failed_sign_ins_are_slowed() {
    let home = Home::new(SECTIONS);
    let bridge = home.start();
    for _ in 0..5 {
        assert_eq!(bridge.sign_in("wrong").await.status().as_u16(), 403);
    }
    let slowed = bridge.sign_in(TOKEN).await;
    assert_eq!(slowed.status().as_u16(), 429);
    assert!(slowed.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn refused_messages_of_one_cause_are_read_again_by_their_own_operator() {
    let relay = crate::relay::Relay::start();
    let section = |org: &str, shape: &str| {
        format!(
            "[org.{org}]\nauth.none = true\n[org.{org}.relay]\nurl = \"{}/{org}\"\napi_key = \"k\"\n\
             payload = \"{shape}\"\n[[admin.tokens]]\nname = \"of-{org}\"\ntoken = \"token-of-{org}\"\n\
             role = \"operator\"\norgs = [\"{org}\"]\n",
            relay.url()
        )
    };
    let home = Home::new(&(section("acme", "state_change") + &section("other", "webhook")));
    let bridge = home.start();
    let told = bare("A1", "Interview").replace("<Stage>Interview</Stage>", "");
    for _ in 0..2 {
        let posted = bridge.post("acme?event=interview_started", "application/xml", told.clone());
        assert_eq!(posted.send().await.unwrap().status().as_u16(), 400, "this shape needs a stage");
    }
    let broken = bridge.post("acme", "application/xml", "<Half".to_owned());
    assert_eq!(broken.send().await.unwrap().status().as_u16(), 400);
    let operator = bridge.signed_in("token-of-acme").await;
    let begun = Instant::now();
    while !operator.get("/").await.1.contains("2 messages were refused: missing_element") {
        assert!(begun.elapsed() < PATIENCE, "{}", operator.get("/").await.1);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let page = operator.get("/").await.1;
    let place = page.split("name=\"place\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let group = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("orgid", "acme"), ("code", "missing_element"), ("place", &place)])
        .finish();
    let stranger = bridge.signed_in("token-of-other").await;
    assert_eq!(stranger.post("/refused/retry", &group).await.0, 404);
    assert_eq!(operator.post_as_it_is("/refused/retry", &group, &[]).await.0, 403, "without the session's key");
    assert_eq!(operator.post("/refused/retry", &group).await.0, 303);
    let page = operator.get("/").await.1;
    assert!(page.contains("Of acme, 0 messages were taken. 2 messages stayed as before."), "{page}");
    // The other shape does not need it.
    home.configure(&(section("acme", "webhook") + &section("other", "webhook")));
    bridge.signal("HUP");
    while !home.log().contains("was reloaded") {
        assert!(begun.elapsed() < PATIENCE, "{}", home.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(operator.post("/refused/retry", &group).await.0, 303);
    let page = operator.get("/").await.1;
    assert!(page.contains("Of acme, 2 messages were taken."), "{page}");
    assert!(page.contains("1 message was refused: not_well_formed"), "the other cause is left alone: {page}");
    let events = bridge.api("events?orgid=acme").await;
    assert_eq!((events["events"].as_array().unwrap().len(), &events["events"][0]["duplicates"]), (1, &1.into()));
    assert!(home.log().contains("a refused message was retried token=\"of-acme\" orgid=acme"), "{}", home.log());
    bridge.delivered().await;
}

#[tokio::test]
async fn a_secret_that_may_go_and_an_organisation_that_is_gone_need_a_person() {
    let acme =
        "[org.acme]\nauth.bearer = \"the-old-one\"\nauth.bearer_next = \"the-new-one\"\nhandler = \"in_process\"\n";
    let gone = "[org.gone]\nauth.none = true\nrelay = { url = \"http://127.0.0.1:9/gone\", api_key = \"k\" }\n";
    let home = Home::new(&format!("{acme}{gone}"));
    let bridge = home.start();
    let operator = bridge.signed_in(TOKEN).await;
    let post = async |key: &str| {
        let post = bridge.post("acme", "application/xml", bare("A1", "Interview")).bearer_auth(key);
        assert_eq!(post.send().await.unwrap().status().as_u16(), 200);
    };
    post("the-new-one").await;
    let page = operator.get("/").await.1;
    assert!(page.contains("acme: auth.bearer_next is in use, and auth.bearer is not"), "{page}");
    post("the-old-one").await;
    assert!(!operator.get("/").await.1.contains("bearer_next is in use"), "somebody uses the old one still");
    bridge.change("gone", "G1", "Interview").await;
    assert!(!operator.get("/").await.1.contains("not in the configuration"));
    home.configure(acme);
    bridge.signal("HUP");
    let begun = Instant::now();
    while !home.log().contains("was reloaded") {
        assert!(begun.elapsed() < PATIENCE, "{}", home.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let page = operator.get("/").await.1;
    assert!(page.contains("gone is not in the configuration any more, and 1 event waits"), "{page}");
    assert!(page.contains("/events?orgid=gone&#38;state=pending"), "{page}");
    let waiting = operator.get("/events?orgid=gone&state=pending").await.1;
    assert!(waiting.contains("G1"), "{waiting}");
}

/// What Workday says of a candidate is shown to whoever may see the organisation, and to nobody else.
#[tokio::test]
async fn a_protection_shows_who_it_is_of_to_its_own_organisation_only() {
    let workday = crate::workday::Workday::start();
    let quick = "[delivery]\nfirst_retry_seconds = 0.01\nmax_retry_seconds = 0.05\n";
    let token = |name: &str| {
        format!(
            "[[admin.tokens]]\nname = \"{name}\"\ntoken = \"token-of-{name}\"\nrole = \"viewer\"\norgs = [\"{name}\"]\n"
        )
    };
    let org = |name: &str| format!("[org.{name}]\nauth.none = true\nhandler = \"in_process\"\n");
    let sections =
        [quick.to_owned(), token("acme"), token("other"), org("acme"), workday.section("acme"), org("other")];
    let home = Home::new(&sections.concat());
    let bridge = home.start();
    workday.forget("C-A2");
    bridge.change("acme", "A1", "Interview").await;
    bridge.change("acme", "A2", "Interview").await;
    bridge.change("other", "B1", "Interview").await;
    let viewer = bridge.signed_in("token-of-acme").await;
    let begun = Instant::now();
    let page = loop {
        let page = viewer.get("/protections").await.1;
        if page.contains("oscar@candidate.example") && page.contains("cannot be read: Workday knows no candidate") {
            break page;
        }
        assert!(begun.elapsed() < PATIENCE, "{page}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(page.contains("Óscar") && page.contains("Stand-in Engineer") && page.contains("Engineer, Fictitious"));
    assert!(!page.contains("other/B1"), "{page}");
    let page = viewer.get("/").await.1;
    assert!(page.contains("acme: who is protected cannot be read from Workday for 1 protection"), "{page}");
    let page = bridge.signed_in("token-of-other").await.get("/protections").await.1;
    assert!(page.contains("other/B1") && !page.contains("acme/A1") && !page.contains("candidate.example"), "{page}");
    assert!(page.contains("the organisation has no section for Workday"), "{page}");
    for personal in ["Óscar", "Ejemplo", "candidate.example"] {
        assert!(!home.log().contains(personal), "{}", home.log());
    }
}

#[tokio::test]
async fn wrong_tokens_of_the_api_are_slowed_and_right_ones_let_in() {
    let home = Home::new(SECTIONS);
    let bridge = home.start();
    let call = async |token: &str| bridge.admin_get("/api/v1/stats", token).await;
    // However long each takes, the wait outgrows it.
    let slowed = async |token: &str| {
        for _ in 0..20 {
            let answer = call(token).await;
            match answer.status().as_u16() {
                401 => {}
                status => return (status, answer),
            }
        }
        panic!("wrong tokens are never slowed");
    };
    for _ in 0..5 {
        assert_eq!(call("an-old-token").await.status().as_u16(), 401);
    }
    let (status, slowed_one) = slowed("another-guess").await;
    assert_eq!(status, 429);
    let seconds: u64 = slowed_one.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=61).contains(&seconds), "{seconds}");
    assert_eq!(slowed_one.headers()["content-type"], "application/problem+json");
    assert!(slowed_one.text().await.unwrap().contains("Too many wrong tokens"));
    assert_eq!(call(TOKEN).await.status().as_u16(), 200, "somebody beside it has the right one");
    assert_eq!(slowed("an-old-token").await.0, 429, "and does not speak for it");
    assert_eq!(bridge.admin_get("/api/v1/stats", "").await.status().as_u16(), 401, "no token is no guess");
    assert_eq!(bridge.sign_in(TOKEN).await.status().as_u16(), 303, "nor is the console closed");
    assert_eq!(home.log().matches("wrong tokens are slowed from now on").count(), 1, "{}", home.log());
}
