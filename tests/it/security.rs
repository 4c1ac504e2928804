//! WS-Security's UsernameToken as a caller sends it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::bridge::{Bridge, Home, PATIENCE, bare, element};
use crate::cluster::Cluster;

const ORGS: &str = "
[org.wsse]
auth.wsse = { username = \"imper\", password = \"s3cret\", password_next = \"next\" }
handler = \"in_process\"
[org.both]
auth.basic = { username = \"imper\", password = \"b4sic\", password_next = \"b4sic2\" }
auth.wsse = { username = \"imper\", password = \"s3cret\" }
handler = \"in_process\"
[org.basic]
auth.basic = { username = \"imper\", password = \"b4sic\" }
handler = \"in_process\"
";

const SOAP11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP12: &str = "http://www.w3.org/2003/05/soap-envelope";
const WSS: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss";

fn bridge() -> (Home, Bridge) {
    let home = Home::new(ORGS);
    let bridge = home.start();
    (home, bridge)
}

fn envelope(soap: &str, security: &str, payload: &str) -> String {
    format!(
        "<e:Envelope xmlns:e='{soap}'><e:Header><w:Security e:mustUnderstand='1' \
         xmlns:w='{WSS}-wssecurity-secext-1.0.xsd' xmlns:u='{WSS}-wssecurity-utility-1.0.xsd'>{security}\
         </w:Security></e:Header><e:Body>{payload}</e:Body></e:Envelope>"
    )
}

fn text(password: &str) -> String {
    format!(
        "<w:UsernameToken><w:Username>imper</w:Username><w:Password Type='{WSS}-username-token-profile-1.0#PasswordText'>\
         {password}</w:Password></w:UsernameToken>"
    )
}

fn digested(password: &str, nonce: &str, age: i64) -> String {
    let created = (Timestamp::now() - SignedDuration::from_secs(age)).to_string();
    let bytes = [nonce, &created, password].concat();
    let value = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes.as_bytes()));
    let nonce = STANDARD.encode(nonce);
    format!(
        "<w:UsernameToken><w:Username>imper</w:Username><w:Password Type='{WSS}-username-token-profile-1.0#PasswordDigest'>\
         {value}</w:Password><w:Nonce>{nonce}</w:Nonce><u:Created>{created}</u:Created></w:UsernameToken>"
    )
}

async fn told(request: reqwest::RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_right_token_is_taken_as_text_and_as_digest() {
    let (_home, bridge) = bridge();
    let payload = bare("A1", "Interview");
    for (place, token) in [
        text("s3cret"),
        text("next"),
        digested("s3cret", "n1", 0),
        digested("next", "n2", 0),
        digested("s3cret", "n3", 250),
        digested("s3cret", "n4", -40),
    ]
    .iter()
    .enumerate()
    {
        let soap = if place % 2 == 0 { SOAP11 } else { SOAP12 };
        let (status, answer) = told(bridge.post("wsse", "text/xml", envelope(soap, token, &payload))).await;
        assert_eq!(status, 200, "{token}\n{answer}");
    }
    assert_eq!(bridge.events("").await.len(), 1);
}

#[tokio::test]
async fn what_is_no_right_token_is_a_fault_of_its_own_and_stores_nothing() {
    let mut home = Home::new(ORGS);
    // Each comes from an address of its own, as failures from one are slowed.
    home.set("IMPER_BRIDGE_TRUSTED_PROXIES", "127.0.0.1");
    let bridge = home.start();
    let payload = bare("A1", "Interview");
    let second = format!("<w:Security xmlns:w='{WSS}-wssecurity-secext-1.0.xsd'/></e:Header>");
    let cases = [
        (envelope(SOAP11, &text("wrong"), &payload), "wrong"),
        (envelope(SOAP11, &text("wrong"), "<Something_Else/>"), "wrong"),
        (envelope(SOAP11, &digested("wrong", "n1", 0), &payload), "wrong"),
        (envelope(SOAP11, &digested("s3cret", "n2", 400), &payload), "created 40"),
        (envelope(SOAP11, &digested("s3cret", "n3", -120), &payload), "ahead of the clock"),
        (envelope(SOAP11, "", &payload), "holds a wsse:UsernameToken"),
        (
            envelope(SOAP11, "<w:UsernameToken><w:Username>imper</w:Username></w:UsernameToken>", &payload),
            "no Password",
        ),
        (envelope(SOAP11, &text("s3cret").replace("imper", ""), &payload), "no Username"),
        (envelope(SOAP11, &text("s3cret").repeat(2), &payload), "twice"),
        (
            envelope(SOAP11, &text("s3cret").replace("<w:Password", "<w:Password>x</w:Password><w:Password"), &payload),
            "twice",
        ),
        (envelope(SOAP11, &text("s3cret"), &payload).replace("</e:Header>", &second), "two Security headers"),
        (
            envelope(SOAP11, &digested("s3cret", "n4", 0).replace("<u:Created>", "<u:Created>soon "), &payload),
            "Created",
        ),
        (
            format!("<e:Envelope xmlns:e='{SOAP11}'><e:Body>{payload}</e:Body></e:Envelope>"),
            "holds a wsse:UsernameToken",
        ),
    ];
    for (number, (message, why)) in cases.into_iter().enumerate() {
        for soap in [SOAP11, SOAP12] {
            let message = message.replace(SOAP11, soap);
            let request = bridge.post("wsse", "text/xml", message.clone());
            let request = request.header("X-Forwarded-For", format!("192.0.2.{number}"));
            let (status, answer) = told(request).await;
            assert_eq!((status, element(&answer, "Code")), (401, "unauthorized"), "{message}\n{answer}");
            assert!(answer.contains(why) && answer.contains("wsse:FailedAuthentication<"), "{why}\n{answer}");
            assert!(answer.contains(soap), "{answer}");
        }
    }
    let (status, answer) = told(bridge.post("wsse", "application/xml", payload)).await;
    assert!(status == 401 && answer.contains("send an envelope"), "{answer}");
    assert!(bridge.events("").await.is_empty());
}

#[tokio::test]
async fn a_nonce_is_taken_once_even_over_a_reload() {
    let (home, bridge) = bridge();
    let token = digested("s3cret", "only once", 0);
    let post = |stage: &str| bridge.post("wsse", "text/xml", envelope(SOAP11, &token, &bare("A1", stage)));
    assert_eq!(told(post("Interview")).await.0, 200);
    let (status, answer) = told(post("Offer")).await;
    assert!(status == 401 && answer.contains("Nonce was taken before"), "{answer}");
    home.configure(&format!("{ORGS}[org.new]\nauth.bearer = \"x\"\nhandler = \"in_process\"\n"));
    bridge.signal("HUP");
    let begun = std::time::Instant::now();
    while bridge.get("/soap/new").await.status() != 200 {
        assert!(begun.elapsed() < PATIENCE, "the reload does not come");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(told(post("Offer")).await.0, 401);
    assert_eq!(bridge.events("").await.len(), 1);
}

/// With several bridges on one database it does not matter to which of them a token was shown first;
/// and while the database is away nobody loses a token to a message that was not stored.
#[tokio::test]
async fn a_nonce_is_taken_once_by_all_bridges_on_a_database() {
    let cluster = Cluster::start();
    let database = cluster.database(None);
    let homes = [Home::new(ORGS), Home::new(ORGS)].map(|mut home| {
        home.set("IMPER_BRIDGE_STORE__URL", database.url());
        home
    });
    let (one, other) = (homes[0].start(), homes[1].start());
    let post = |bridge: &Bridge, token: &str, stage: &str| {
        told(bridge.post("wsse", "text/xml", envelope(SOAP11, token, &bare("A1", stage))))
    };
    let used = digested("s3cret", "only once", 0);
    assert_eq!(post(&one, &used, "Interview").await.0, 200);
    for bridge in [&other, &one] {
        let (status, answer) = post(bridge, &used, "Offer").await;
        assert!(status == 401 && answer.contains("Nonce was taken before"), "{answer}");
    }
    let kept = digested("s3cret", "kept for later", 0);
    let stopped = cluster.stop("INT");
    let (status, answer) = post(&one, &kept, "Offer").await;
    assert_eq!((status, element(&answer, "Code")), (503, "unavailable"), "{answer}");
    let _cluster = stopped.start();
    let begun = std::time::Instant::now();
    loop {
        match post(&one, &kept, "Offer").await {
            (200, _) => break,
            (status, answer) => assert!(status == 503 && begun.elapsed() < PATIENCE, "{answer}"),
        }
    }
    assert_eq!(post(&other, &kept, "Offer").await.0, 401);
    assert_eq!(one.events("").await.len(), 2);
}

#[tokio::test]
async fn one_of_several_credentials_suffices_and_a_wrong_head_is_refused() {
    let (_home, bridge) = bridge();
    let post =
        |org: &str, security: &str| bridge.post(org, "text/xml", envelope(SOAP11, security, &bare("A1", "Interview")));
    assert_eq!(told(post("both", &text("s3cret"))).await.0, 200);
    for password in ["b4sic", "b4sic2"] {
        assert_eq!(told(post("both", "").basic_auth("imper", Some(password))).await.0, 200, "{password}");
    }
    assert_eq!(told(post("both", &text("wrong")).basic_auth("imper", Some("b4sic"))).await.0, 200);
    assert_eq!(told(post("both", &text("s3cret")).basic_auth("imper", Some("wrong"))).await.0, 401);
    assert_eq!(told(post("wsse", &text("s3cret")).basic_auth("imper", Some("any"))).await.0, 200, "Basic is not asked");
    let answer = post("both", "").send().await.unwrap();
    let challenges: Vec<_> = answer.headers().get_all("www-authenticate").iter().collect();
    assert_eq!(
        challenges,
        ["Basic realm=\"both\", charset=\"UTF-8\"", "WSSE realm=\"both\", profile=\"UsernameToken\""]
    );
}

#[tokio::test]
async fn security_that_must_be_understood_is_where_tokens_are_checked() {
    let (_home, bridge) = bridge();
    let payload = bare("A1", "Interview");
    let signed = format!("{}<d:Signature xmlns:d='http://www.w3.org/2000/09/xmldsig#'/>", text("s3cret"));
    let cases = [
        (bridge.post("basic", "text/xml", envelope(SOAP11, &text("any"), &payload)), "not_understood"),
        (bridge.post("both", "text/xml", envelope(SOAP11, &signed, &payload)), "not_understood"),
    ];
    for (request, code) in cases {
        let (status, answer) = told(request.basic_auth("imper", Some("b4sic"))).await;
        assert_eq!((status, element(&answer, "Code")), (500, code), "{answer}");
    }
    let optional = envelope(SOAP11, &text("any"), &payload).replace("e:mustUnderstand='1'", "");
    assert_eq!(told(bridge.post("basic", "text/xml", optional).basic_auth("imper", Some("b4sic"))).await.0, 200);
}

#[tokio::test]
async fn what_keeps_a_token_from_being_read_is_told_and_what_stands_behind_it_is_not() {
    let (_home, bridge) = bridge();
    let whole = envelope(SOAP11, &text("s3cret"), &bare("", "Interview"));
    let cases = [
        (whole[..whole.len() - 9].to_owned(), 500, "not_well_formed"),
        (whole.replace(SOAP11, "urn:soap"), 500, "version_mismatch"),
        (whole.clone(), 500, "missing_element"),
        (whole.replace("s3cret", "guess"), 401, "unauthorized"),
    ];
    for (message, status, code) in cases {
        let (found, answer) = told(bridge.post("wsse", "text/xml", message)).await;
        assert_eq!((found, element(&answer, "Code")), (status, code), "{answer}");
    }
}

#[tokio::test]
async fn a_token_that_met_a_503_may_be_sent_again() {
    let home = Home::new(
        "[limits]\npending_events = 1\n[org.full]\nauth.wsse = { username = \"imper\", password = \"s3cret\" }\n\
         relay = { url = \"http://127.0.0.1:9/\", api_key = \"any\" }",
    );
    let bridge = home.start();
    let post = |application: &str, token: &str| {
        bridge.post("full", "text/xml", envelope(SOAP11, token, &bare(application, "Interview")))
    };
    let (first, second) = (digested("s3cret", "n1", 0), digested("s3cret", "n2", 0));
    assert_eq!(told(post("A1", &first)).await.0, 200);
    for _ in 0..2 {
        assert_eq!(told(post("A2", &second)).await.0, 503, "not 401: nothing came of it");
    }
    assert_eq!(told(post("A1", &second)).await.0, 200, "a duplicate is answered");
    assert_eq!(told(post("A1", &second)).await.0, 401);
}
