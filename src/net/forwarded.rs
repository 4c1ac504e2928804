//! Who calls, and under which address, where proxies stand in between: the only place that reads
//! `X-Forwarded-*`.
//!
//! Anybody can send these headers, so that they count only from a peer that `trusted_proxies`
//! names. Of several values the last is the one that such a peer has written.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use url::Url;

use crate::config::Network;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Most proxies in a row that are followed; nobody has more, and a header may hold thousands.
const MOST_HOPS: usize = 16;

/// What is to be believed of a request's way here.
#[derive(Debug, Clone, Copy)]
pub struct Forwarded<'r> {
    request: &'r HttpRequest,
    trusted: &'r [Network],
    peer: IpAddr,
}

impl<'r> Forwarded<'r> {
    /// The way of a request, believing these proxies.
    pub fn of(request: &'r HttpRequest, trusted: &'r [Network]) -> Self {
        let peer = request.peer_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip().to_canonical());
        Self { request, trusted, peer }
    }

    /// The address of the client: that of the peer, or behind proxies that are trusted the last one
    /// that is none of them.
    pub fn client(&self) -> IpAddr {
        let mut client = self.peer;
        for hop in self.values(&FOR).take(MOST_HOPS) {
            if !self.trusts(client) {
                break;
            }
            // Behind something that cannot be read nothing is known: the nearest proxy stands for it.
            let Some(before) = address(hop) else { break };
            client = before;
        }
        client
    }

    /// Under which address the client reaches the bridge, where a proxy that is trusted says anything
    /// of it. What it leaves out is taken from `own`, and the host from the request.
    pub fn base(&self, own: &Url) -> Option<Url> {
        if !self.trusts(self.peer) {
            return None;
        }
        let (scheme, host) = (self.values(&PROTO).next(), self.values(&HOST).next());
        scheme.or(host)?;
        let scheme = scheme.map_or_else(|| own.scheme().to_owned(), str::to_ascii_lowercase);
        let host = host.or_else(|| self.request.headers().get(header::HOST)?.to_str().ok())?;
        let plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte));
        let known = matches!(&*scheme, "http" | "https");
        (plain && known).then(|| Url::parse(&format!("{scheme}://{host}")).ok()).flatten()
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// The values of a header, however many lines they stand in, the last one first. One that is no
    /// text is an empty one: it must not make others disappear that stand behind it.
    fn values(&self, name: &HeaderName) -> impl Iterator<Item = &'r str> + use<'r> {
        let lines: Vec<&HeaderValue> = self.request.headers().get_all(name).collect();
        let values = lines.into_iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        values.map(|value| str::from_utf8(value).unwrap_or_default().trim())
    }
}

/// An address as proxies write it: alone, with a port, in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn request(peer: &str, headers: &[(&'static str, &'static str)]) -> HttpRequest {
        let mut request = TestRequest::default().peer_addr(SocketAddr::new(peer.parse().unwrap(), 1));
        for header in headers {
            request = request.append_header(*header);
        }
        request.to_http_request()
    }

    fn trusted() -> Vec<Network> {
        ["10.0.0.0/8", "::1"].iter().map(|text| text.parse().unwrap()).collect()
    }

    fn client(peer: &str, lines: &[&'static str]) -> String {
        let headers: Vec<_> = lines.iter().map(|line| ("X-Forwarded-For", *line)).collect();
        Forwarded::of(&request(peer, &headers), &trusted()).client().to_string()
    }

    #[test]
    fn the_client_is_the_last_one_that_is_no_trusted_proxy() {
        assert_eq!(client("192.0.2.1", &["203.0.113.9"]), "192.0.2.1", "anybody can write the header");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["198.51.100.7, 203.0.113.9, 10.1.1.1"]), "203.0.113.9");
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.7", "203.0.113.9 ,10.1.1.1"]), "203.0.113.9");
        assert_eq!(client("::1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(client("10.0.0.1", &["203.0.113.9:52011"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["10.0.0.2, 10.0.0.3"]), "10.0.0.2", "all are trusted: the outermost");
    }

    #[test]
    fn what_cannot_be_read_is_not_believed() {
        assert_eq!(client("10.0.0.1", &["203.0.113.9, unknown"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["203.0.113.9, nonsense, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client("10.0.0.1", &[""]), "10.0.0.1");
        let mut request = TestRequest::default().peer_addr("10.0.0.1:1".parse().unwrap());
        for line in [&b"198.51.100.7"[..], b"198.51.100.8, \xff, 203.0.113.9"] {
            request = request.append_header((FOR, HeaderValue::from_bytes(line).unwrap()));
        }
        let request = request.to_http_request();
        assert_eq!(Forwarded::of(&request, &trusted()).client().to_string(), "203.0.113.9");
        let endless = Box::leak(vec!["10.9.9.9"; 5_000].join(",").into_boxed_str());
        assert_eq!(client("10.0.0.1", &[endless]), "10.9.9.9");
    }

    fn base(peer: &str, headers: &[(&'static str, &'static str)]) -> Option<String> {
        let own = Url::parse("http://127.0.0.1:8080").unwrap();
        Forwarded::of(&request(peer, headers), &trusted()).base(&own).map(|url| url.as_str().to_owned())
    }

    #[test]
    fn the_base_is_what_a_trusted_proxy_says() {
        let told = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "bridge.example.com:8443")];
        assert_eq!(base("10.0.0.1", &told).as_deref(), Some("https://bridge.example.com:8443/"));
        assert_eq!(base("192.0.2.1", &told), None);
        assert_eq!(base("10.0.0.1", &[("Host", "elsewhere.example.com")]), None, "nothing was said");
        let scheme = [("X-Forwarded-Proto", "HTTPS"), ("Host", "bridge.example.com")];
        assert_eq!(base("10.0.0.1", &scheme).as_deref(), Some("https://bridge.example.com/"));
        let host = [("X-Forwarded-Host", "spoofed.example.com, bridge.example.com")];
        assert_eq!(base("10.0.0.1", &host).as_deref(), Some("http://bridge.example.com/"));
        for (name, bad) in [
            ("X-Forwarded-Host", "a/b"),
            ("X-Forwarded-Host", "user@bridge.example.com"),
            ("X-Forwarded-Host", "\"><script>"),
            ("X-Forwarded-Host", ""),
            ("X-Forwarded-Host", "a:b:c"),
            ("X-Forwarded-Proto", "javascript"),
        ] {
            assert_eq!(base("10.0.0.1", &[(name, bad), ("Host", "x")]), None, "{name}: {bad}");
        }
    }
}
