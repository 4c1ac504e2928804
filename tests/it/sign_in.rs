//! Who is slowed and who is not: failed sign-ins, rates, and whose word counts on where a request
//! comes from.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use reqwest::{RequestBuilder, Response};

use crate::bridge::{Bridge, Home, PATIENCE, bare, element};

const TWO: &str = "
[org.acme]
auth.basic = { username = \"imper\", password = \"s3cret\" }
auth.wsse = { username = \"imper\", password = \"t0ken\" }
handler = \"in_process\"
[org.globex]
auth.basic = { username = \"imper\", password = \"s3cret\" }
handler = \"in_process\"
";

/// A home whose bridge believes what a proxy on this machine says.
fn behind_a_proxy(sections: &str) -> Home {
    let mut home = Home::new(sections);
    home.set("IMPER_BRIDGE_TRUSTED_PROXIES", "127.0.0.1");
    home
}

/// A message from an address, as the proxy says.
fn from(bridge: &Bridge, org: &str, address: &str, password: &str) -> RequestBuilder {
    let request = bridge.post(org, "application/xml", bare("A1", "Interview"));
    request.basic_auth("imper", Some(password)).header("X-Forwarded-For", address)
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

/// What a refusal for being too fast must say; gives its body.
async fn slowed(answer: Response) -> String {
    assert_eq!(answer.status(), 429);
    let seconds: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    let text = answer.text().await.unwrap();
    assert_eq!(element(&text, "Code"), "too_many_requests");
    text
}

#[tokio::test]
async fn failed_sign_ins_slow_their_own_address_and_organisation_only() {
    let home = behind_a_proxy(TWO);
    let bridge = home.start();
    for _ in 0..5 {
        assert_eq!(status(from(&bridge, "acme", "203.0.113.1", "wrong")).await, 401);
    }
    let text = slowed(from(&bridge, "acme", "203.0.113.1", "s3cret").send().await.unwrap()).await;
    assert!(text.contains("were not looked at"), "{text}");
    let logged = "sign-ins fail and are slowed from now on orgid=acme address=203.0.113.1";
    assert_eq!(home.log().matches(logged).count(), 1, "{}", home.log());
    assert_eq!(status(from(&bridge, "acme", "203.0.113.2", "s3cret")).await, 200, "another address");
    assert_eq!(status(from(&bridge, "globex", "203.0.113.1", "s3cret")).await, 200, "another organisation");
    let forged = "203.0.113.2, 203.0.113.1";
    assert_eq!(status(from(&bridge, "acme", forged, "s3cret")).await, 429, "the client's own part does not count");

    let begun = Instant::now();
    while status(from(&bridge, "acme", "203.0.113.1", "s3cret")).await != 200 {
        assert!(begun.elapsed() < PATIENCE, "the wait does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(status(from(&bridge, "acme", "203.0.113.1", "wrong")).await, 401, "success forgets the failures");
}

#[tokio::test]
async fn a_header_that_nobody_vouches_for_helps_nobody() {
    let home = Home::new(TWO);
    let bridge = home.start();
    let mut last = 0;
    for number in 0..6 {
        last = status(from(&bridge, "acme", &format!("203.0.113.{number}"), "wrong")).await;
    }
    assert_eq!(last, 429);
    let missing = bridge.post("acme", "application/xml", bare("A1", "Interview"));
    slowed(missing.send().await.unwrap()).await;
}

#[tokio::test]
async fn missing_credentials_are_no_try_and_a_reload_forgives() {
    let home = behind_a_proxy(TWO);
    let bridge = home.start();
    for _ in 0..20 {
        assert_eq!(status(bridge.post("globex", "text/xml", bare("A1", "Interview"))).await, 401);
    }
    for _ in 0..7 {
        status(from(&bridge, "acme", "203.0.113.1", "wrong")).await;
    }
    bridge.signal("HUP");
    let begun = Instant::now();
    while !home.log().contains("the configuration was reloaded") {
        assert!(begun.elapsed() < PATIENCE, "{}", home.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(status(from(&bridge, "acme", "203.0.113.1", "s3cret")).await, 200);
}

/// An envelope with a UsernameToken.
fn signed(password: &str) -> String {
    let wsse = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
    format!(
        "<e:Envelope xmlns:e=\"http://www.w3.org/2003/05/soap-envelope\"><e:Header><w:Security xmlns:w=\"{wsse}\">\
         <w:UsernameToken><w:Username>imper</w:Username><w:Password>{password}</w:Password></w:UsernameToken>\
         </w:Security></e:Header><e:Body>{}</e:Body></e:Envelope>",
        bare("A2", "Interview")
    )
}

#[tokio::test]
async fn wrong_tokens_in_messages_are_tries_as_well() {
    let home = behind_a_proxy(TWO);
    let bridge = home.start();
    let post = |address: &str, password: &str| {
        bridge.post("acme", "application/soap+xml", signed(password)).header("X-Forwarded-For", address)
    };
    for _ in 0..5 {
        assert_eq!(status(post("2001:db8::1", "wrong")).await, 401);
    }
    let text = slowed(post("2001:db8::2", "t0ken").send().await.unwrap()).await;
    assert!(text.contains("http://www.w3.org/2003/05/soap-envelope"), "in the caller's version: {text}");
    assert_eq!(status(post("2001:db8:0:1::1", "t0ken")).await, 200, "another /64");
}

#[tokio::test]
async fn messages_beyond_the_rate_are_refused_in_the_callers_version() {
    let home = Home::new(&format!("[limits]\nrequests_per_second = 1\n{TWO}"));
    let bridge = home.start();
    // Who does not sign in uses up nothing.
    for _ in 0..5 {
        assert_eq!(status(bridge.post("acme", "text/xml", bare("A1", "Interview"))).await, 401);
    }
    let enveloped = signed("t0ken");
    let soap11 =
        enveloped.replace("http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/");
    for (media, body, sign) in [
        ("application/soap+xml", enveloped.clone(), "<env:Value>env:Receiver</env:Value>"),
        // The envelope's own version counts.
        ("application/soap+xml", soap11, "Server</faultcode>"),
        ("application/xml", bare("A2", "Interview"), "<Fault_Detail"),
    ] {
        let begun = Instant::now();
        let text = loop {
            let request = bridge.post("acme", media, body.clone()).basic_auth("imper", Some("s3cret"));
            let answer = request.send().await.unwrap();
            if answer.status() != 200 {
                break slowed(answer).await;
            }
            assert!(begun.elapsed() < PATIENCE, "no message was one too many");
        };
        assert!(text.contains(sign), "{media}: {text}");
    }
    let other = bridge.post("globex", "application/xml", bare("A1", "Interview")).basic_auth("imper", Some("s3cret"));
    assert_eq!(status(other).await, 200, "another organisation has a rate of its own");
}

#[tokio::test]
async fn the_wsdl_says_what_a_trusted_proxy_says_unless_the_operator_does() {
    let open = "[org.open]\nauth.none = true\nhandler = \"in_process\"\n";
    let wsdl = async |bridge: &Bridge| {
        let client = imper_bridge::delivery::relay::client(None, None).unwrap();
        let request = client.get(format!("{}/soap/open?wsdl&event=interview_started", bridge.public)).timeout(PATIENCE);
        let request = request.header("X-Forwarded-Proto", "https").header("X-Forwarded-Host", "bridge.example.com");
        let text = request.send().await.unwrap().text().await.unwrap();
        let start = text.find("location=\"").unwrap() + 10;
        text[start..].split('?').next().unwrap().to_owned()
    };
    let mut home = Home::new(open);
    let bridge = home.start();
    assert_eq!(wsdl(&bridge).await, format!("{}/soap/open", bridge.public), "anybody can send these headers");
    drop(bridge);
    home.set("IMPER_BRIDGE_TRUSTED_PROXIES", "10.0.0.0/8,127.0.0.1");
    let bridge = home.start();
    assert_eq!(wsdl(&bridge).await, "https://bridge.example.com/soap/open");
    drop(bridge);
    home.set("IMPER_BRIDGE_PUBLIC_URL", "https://public.example.com/bridge");
    let bridge = home.start();
    assert_eq!(wsdl(&bridge).await, "https://public.example.com/bridge/soap/open");
}

fn faults(code: &str) -> String {
    format!("imper_bridge_faults_total{{source=\"soap\",code=\"{code}\"}}")
}

#[tokio::test]
async fn strangers_leave_nothing_in_the_metrics() {
    let home = behind_a_proxy(TWO);
    let bridge = home.start();
    // What the process uses and what the journal's thread does by itself changes at any time.
    let of_messages = |line: &&str| !line.starts_with('#') && line.starts_with("imper_bridge_messages_total");
    let page = async || bridge.admin_get("/metrics", "").await.text().await.unwrap();
    let figures = async || page().await.lines().filter(of_messages).map(str::to_owned).collect::<Vec<_>>();
    let series = async || {
        let page = page().await;
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect::<BTreeSet<_>>()
    };
    let known = series().await;
    let before = figures().await;
    for number in 0..50 {
        let stranger = format!("203.0.113.{number}");
        assert_eq!(status(from(&bridge, &format!("nobody-{number}"), &stranger, "x")).await, 404);
        status(from(&bridge, &format!("acme?event=e{number}"), &stranger, "wrong")).await;
        status(bridge.post(&format!("acme?a={number}"), &format!("text/x{number}"), "<a/>")).await;
        status(bridge.post("acme", "text/xml", format!("<a{number}/>"))).await;
        status(from(&bridge, "acme", "203.0.113.99", "wrong")).await;
        bridge.get(&format!("/nothing-{number}?x={number}")).await;
    }
    assert_eq!(figures().await, before);
    // Whatever they send, there is one more series at most for each word of the catalogue.
    let new: Vec<_> = series().await.difference(&known).cloned().collect();
    let codes = ["unsupported_media_type", "unauthorized", "not_found", "too_many_requests"];
    let told = |series: &String| codes.iter().any(|code| *series == faults(code));
    assert!(new.iter().all(told), "{new:?}");
    let refused = bridge.post("acme", "application/xml", "<a/>").basic_auth("imper", Some("s3cret"));
    assert_eq!(status(refused).await, 400);
    let after: Vec<String> = figures().await.into_iter().filter(|line| !before.contains(line)).collect();
    assert_eq!(after, ["imper_bridge_messages_total{orgid=\"acme\",source=\"soap\",outcome=\"Refused\"} 1"]);
}
