//! URLs: what the bridge calls, and under what address it is called itself.

use url::{Host, Url};

use super::section::{Reader, Wrong};
use super::tree::Item;
use super::value::Parsed;

/// A URL to which secrets and personal data are sent: `https:`, or `http:` to this machine.
pub(super) fn called(item: &Item, reader: &Reader<'_>) -> Parsed<Url> {
    let url = plain(item, reader)?;
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(Wrong::new("an https: URL (http: is taken for loopback addresses only)")
            .advice("What is sent there must not travel in clear; write https:."));
    }
    Ok(url)
}

/// The address under which others reach the bridge.
pub(super) fn own(item: &Item, reader: &Reader<'_>) -> Parsed<Url> {
    let url = plain(item, reader)?;
    if url.query().is_some() {
        return Err(Wrong::new("a URL without a query").advice("Paths are added to it."));
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        reader.warn(format!("public_url is {url}: callers told to use http: send their credentials in clear"));
    }
    Ok(url)
}

/// Whether a URL's host is this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn plain(item: &Item, _: &Reader<'_>) -> Parsed<Url> {
    let expected = || Wrong::new("a URL such as \"https://relay.example.com/path\"");
    let text = item.text().map(str::trim).filter(|text| !text.is_empty()).ok_or_else(expected)?;
    let url = parse(text)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(expected()
            .found("a URL with credentials in it")
            .advice("Credentials have their own keys, where they are kept out of logs."));
    }
    if url.fragment().is_some() {
        return Err(expected().advice("Remove what stands after `#`; it is never sent."));
    }
    Ok(url)
}

/// Parses an http(s) URL whose characters are what they look like. Its own credentials are not shown.
pub(super) fn parse(text: &str) -> Parsed<Url> {
    look_alikes(text)?;
    let shown = if text.contains('@') { "a URL that cannot be read (not shown: it may hold a password)" } else { "" };
    let wrong = || {
        let wrong = Wrong::new("an http: or https: URL with a host, such as \"https://relay.example.com/path\"");
        if shown.is_empty() { wrong } else { wrong.found(shown) }
    };
    let url = Url::parse(text).map_err(|error| wrong().advice(format!("The URL cannot be read: {error}.")))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() { Ok(url) } else { Err(wrong()) }
}

/// Characters that print like a hyphen, or not at all, and come along when a URL is copied out of
/// a document. The relay's published host name holds one (U+2011).
const HYPHENS: [(char, &str); 9] = [
    ('\u{00ad}', "SOFT HYPHEN"),
    ('\u{2010}', "HYPHEN"),
    ('\u{2011}', "NON-BREAKING HYPHEN"),
    ('\u{2012}', "FIGURE DASH"),
    ('\u{2013}', "EN DASH"),
    ('\u{2014}', "EM DASH"),
    ('\u{2212}', "MINUS SIGN"),
    ('\u{fe63}', "SMALL HYPHEN-MINUS"),
    ('\u{ff0d}', "FULLWIDTH HYPHEN-MINUS"),
];

fn look_alikes(text: &str) -> Parsed<()> {
    if let Some((hyphen, name)) = HYPHENS.iter().find(|(hyphen, _)| text.contains(*hyphen)) {
        let replaced: String =
            text.chars().map(|c| if HYPHENS.iter().any(|(hyphen, _)| *hyphen == c) { '-' } else { c }).collect();
        let point = *hyphen as u32;
        let advice = if text.contains('@') {
            "Replace it by the ASCII hyphen-minus '-' (U+002D).".to_owned()
        } else {
            format!("Replace it by the ASCII hyphen-minus '-' (U+002D): {replaced:?}.")
        };
        return Err(Wrong::new("a URL with ASCII hyphens")
            .found(format!("a URL with U+{point:04X} {name}, which is not an ASCII hyphen though it looks like one"))
            .advice(advice));
    }
    match text.chars().find(|c| !c.is_ascii()) {
        Some(other) => Err(Wrong::new("a URL of ASCII characters")
            .found(format!("a URL with the character U+{:04X}", other as u32))
            .advice("Write an international host name in its xn-- form, and other characters percent-encoded.")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::secret::Environment;
    use super::super::tree;
    use super::*;
    use std::path::Path;

    fn check(url: &str) -> Result<Url, String> {
        let environment = Environment::default();
        let reader = Reader::new("f.toml", Path::new(""), &environment);
        let table = tree::parse("f.toml", &format!("v = {url:?}")).unwrap();
        called(&table["v"], &reader).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn only_https_leaves_this_machine() {
        for good in ["https://relay.example.com/a?b=c", "http://127.0.0.1:9/", "http://localhost", "http://[::1]:80/x"]
        {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "http://relay.example.com",
            "http://localhost.example.com",
            "ftp://a",
            "relay",
            "",
            "https://",
            "https://a/#b",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hyphen_that_is_none_is_named_with_its_replacement() {
        let wrong = check("https://webhook\u{2011}relay.prod.imper.ai/webhooks/acme/workday").unwrap_err();
        assert!(wrong.contains("U+2011 NON-BREAKING HYPHEN"), "{wrong}");
        assert!(wrong.contains("\"https://webhook-relay.prod.imper.ai/webhooks/acme/workday\""), "{wrong}");
        assert!(check("https://b\u{fc}ro.example").unwrap_err().contains("U+00FC"));
    }

    #[test]
    fn credentials_in_a_url_are_refused_and_not_shown() {
        for url in [
            "https://user:hunter2@relay.example.com/",
            "https://user:hunter2@",
            "x://user:hunter2@a",
            "https://u:hunter2@a\u{2011}b",
        ] {
            let wrong = check(url).unwrap_err();
            assert!(!wrong.contains("hunter2"), "{wrong}");
        }
    }
}
