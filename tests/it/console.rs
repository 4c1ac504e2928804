//! The console at the real binary: who gets in, what a form takes, and what every page says to the
//! browser. How the pages look and work there is tried by `tests/console`.

use std::time::{Duration, Instant};

use imper_bridge::delivery::relay;
use reqwest::{Client, Response};

use crate::bridge::{Bridge, Home, PATIENCE, TOKEN};

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
    async fn post(&self, path: &str, fields: &str) -> (u16, String) {
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
    assert_eq!(stranger.get("/live").await.0, 303);
    let acted = stranger.post_as_it_is("/organisations/acme/pause", "form_key=", &[]).await;
    assert_eq!(acted.0, 303, "{}", acted.1);
    assert_eq!(bridge.sign_in("wrong").await.status().as_u16(), 403);
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
