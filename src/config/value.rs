//! The kinds of values that keys take, each a parser from the tree to a type.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::section::{Reader, Wrong};
use super::tree::{Item, Value};

/// What every parser gives.
pub(super) type Parsed<T> = Result<T, Wrong>;

/// A string that is not empty after trimming.
pub(super) fn text(item: &Item, _: &Reader<'_>) -> Parsed<String> {
    match item.text().map(str::trim) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(Wrong::new("a string that is not empty")),
    }
}

/// `true` or `false`.
pub(super) fn boolean(item: &Item, _: &Reader<'_>) -> Parsed<bool> {
    match (&item.value, item.variable()) {
        (Value::Boolean(value), _) => Ok(*value),
        (_, Some("true")) => Ok(true),
        (_, Some("false")) => Ok(false),
        _ => Err(Wrong::new("true or false").advice("Write it without quotes.")),
    }
}

/// A whole number within a range.
pub(super) fn whole(range: RangeInclusive<u64>) -> impl Fn(&Item, &Reader<'_>) -> Parsed<u64> {
    move |item, _| {
        let number = match (&item.value, item.variable()) {
            (Value::Integer(number), _) => u64::try_from(*number).ok(),
            (_, Some(text)) => text.trim().parse().ok(),
            _ => None,
        };
        let expected = || Wrong::new(format!("a whole number from {} to {}", range.start(), range.end()));
        number.filter(|number| range.contains(number)).ok_or_else(expected)
    }
}

/// A whole number within a range that a `usize` holds.
pub(super) fn count(range: RangeInclusive<u32>) -> impl Fn(&Item, &Reader<'_>) -> Parsed<usize> {
    let parse = whole(u64::from(*range.start())..=u64::from(*range.end()));
    move |item, reader| parse(item, reader).map(|number| number as usize)
}

/// A length of time in units of so many seconds; fractions are allowed.
pub(super) fn time(
    unit: &'static str,
    unit_seconds: f64,
    range: RangeInclusive<f64>,
) -> impl Fn(&Item, &Reader<'_>) -> Parsed<Duration> {
    move |item, _| {
        let number = match (&item.value, item.variable()) {
            (Value::Integer(number), _) => Some(*number as f64),
            (Value::Float(number), _) => Some(*number),
            (_, Some(text)) => text.trim().parse().ok(),
            _ => None,
        };
        let expected = || Wrong::new(format!("{unit} from {} to {}, fractions allowed", range.start(), range.end()));
        let seconds = number.filter(|number| range.contains(number)).ok_or_else(expected)? * unit_seconds;
        Ok(Duration::from_secs_f64(seconds))
    }
}

/// Seconds within a range.
pub(super) fn seconds(range: RangeInclusive<f64>) -> impl Fn(&Item, &Reader<'_>) -> Parsed<Duration> {
    time("seconds", 1.0, range)
}

/// One of several words.
pub(super) fn word<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&Item, &Reader<'_>) -> Parsed<T> {
    move |item, _| {
        let known = |text: &str| words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        item.text().and_then(known).ok_or_else(|| {
            let list: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            Wrong::new(list.join(" or "))
        })
    }
}

/// Strings, none of them empty; from a variable also as `a,b`.
pub(super) fn texts(item: &Item, _: &Reader<'_>) -> Parsed<Vec<String>> {
    let wrong = || Wrong::new("an array of strings that are not empty").advice("Write it as [\"one\", \"two\"].");
    let texts: Vec<String> = match (&item.value, item.variable()) {
        (Value::List(items), _) => items
            .iter()
            .map(|item| item.text().map(|text| text.trim().to_owned()).ok_or_else(wrong))
            .collect::<Result<_, _>>()?,
        (_, Some("")) => Vec::new(),
        (_, Some(list)) => {
            let list = list.trim().trim_start_matches('[').trim_end_matches(']');
            list.split(',').map(|part| part.trim().trim_matches(['"', '\'']).to_owned()).collect()
        }
        _ => return Err(wrong()),
    };
    if texts.iter().any(String::is_empty) { Err(wrong().found("an empty string in the array")) } else { Ok(texts) }
}

/// Strings, at least one.
pub(super) fn some_texts(item: &Item, reader: &Reader<'_>) -> Parsed<Vec<String>> {
    let texts = texts(item, reader)?;
    if texts.is_empty() { Err(Wrong::new("at least one string").found("an empty array")) } else { Ok(texts) }
}

/// An address and port to listen on.
pub(super) fn socket(item: &Item, _: &Reader<'_>) -> Parsed<SocketAddr> {
    item.text().and_then(|text| text.parse().ok()).ok_or_else(|| {
        Wrong::new("an IP address and a port")
            .advice("For example \"127.0.0.1:8080\", \"0.0.0.0:8080\" or \"[::]:8080\"; a host name is not looked up.")
    })
}

/// A range of addresses, such as `10.0.0.0/8`; a lone address is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The text is neither an address nor a range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no range of addresses such as 10.0.0.0/8")]
pub struct NoNetwork;

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| NoNetwork)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), str::parse).map_err(|_| NoNetwork)?;
        if prefix <= bits { Ok(Self { address, prefix }) } else { Err(NoNetwork) }
    }
}

impl Network {
    /// Whether the address lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => (ours.to_bits() ^ theirs.to_bits()).leading_zeros(),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => (ours.to_bits() ^ theirs.to_bits()).leading_zeros(),
            _ => return false,
        };
        differing >= u32::from(self.prefix)
    }
}

/// Ranges of addresses.
pub(super) fn networks(item: &Item, reader: &Reader<'_>) -> Parsed<Vec<Network>> {
    let network = |text: String| {
        text.parse().map_err(|NoNetwork| {
            Wrong::new("addresses or ranges of addresses such as \"10.0.0.0/8\"").found(format!("{text:?}"))
        })
    };
    texts(item, reader)?.into_iter().map(network).collect()
}

/// Certificates in PEM, as the bytes of the file.
pub(super) fn certificates(item: &Item, reader: &Reader<'_>) -> Parsed<Vec<u8>> {
    Ok(certificates_in(item, reader)?.0)
}

/// Certificates out of a file in PEM.
pub(super) fn chain(item: &Item, reader: &Reader<'_>) -> Parsed<Vec<CertificateDer<'static>>> {
    Ok(certificates_in(item, reader)?.1)
}

fn certificates_in(item: &Item, reader: &Reader<'_>) -> Parsed<(Vec<u8>, Vec<CertificateDer<'static>>)> {
    let expected = || Wrong::new("the path of a file with certificates in PEM");
    let (path, pem) = file(item, reader, expected)?;
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match parsed {
        Ok(certificates) if !certificates.is_empty() => Ok((pem, certificates)),
        _ => Err(expected()
            .found(format!("no certificate in {}", path.display()))
            .advice("It must hold -----BEGIN CERTIFICATE----- blocks; convert DER with `openssl x509`.")),
    }
}

/// A private key out of a file in PEM.
pub(super) fn private_key(item: &Item, reader: &Reader<'_>) -> Parsed<PrivateKeyDer<'static>> {
    let expected = || Wrong::new("the path of a file with a private key in PEM");
    let (path, pem) = file(item, reader, expected)?;
    // What the parser says of the file is not passed on: it might show some of it.
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
        expected().found(format!("no private key that can be read in {}", path.display())).advice(
            "It must hold a -----BEGIN PRIVATE KEY----- block (or RSA or EC) without a passphrase; \
             `openssl pkey` converts one.",
        )
    })
}

/// A file by its path, which counts from the configuration's folder.
fn file(item: &Item, reader: &Reader<'_>, expected: impl Fn() -> Wrong) -> Parsed<(PathBuf, Vec<u8>)> {
    let name = item.text().filter(|name| !name.is_empty()).ok_or_else(&expected)?;
    let path = reader.folder.join(name);
    match fs::read(&path) {
        Ok(bytes) => {
            reader.stands_for(&bytes);
            Ok((path, bytes))
        }
        Err(error) => Err(expected().found(format!("no readable file at {} ({error})", path.display())).advice(
            "The path counts from the configuration file's folder; the bridge's user must be able to read it.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::secret::Environment;
    use super::super::tree;
    use super::*;
    use std::path::Path;

    fn check<T>(toml: &str, parse: impl Fn(&Item, &Reader<'_>) -> Parsed<T>) -> Parsed<T> {
        let environment = Environment::default();
        let reader = Reader::new("f.toml", Path::new(""), &environment);
        parse(&tree::parse("f.toml", &format!("v = {toml}")).unwrap()["v"], &reader)
    }

    #[test]
    fn numbers_have_ranges_and_times_have_fractions() {
        assert_eq!(check("7", whole(1..=7)).unwrap(), 7);
        for bad in ["8", "0", "-1", "'7'", "7.0", "true", "99999999999999999999999999999999999999999999"] {
            assert!(check(bad, whole(1..=7)).is_err(), "{bad}");
        }
        assert_eq!(check("0.25", seconds(0.0..=1.0)).unwrap(), Duration::from_millis(250));
        assert_eq!(check("2", time("hours", 3600.0, 0.0..=9.0)).unwrap(), Duration::from_secs(7200));
        for bad in ["nan", "inf", "-0.5", "1.5", "'1'"] {
            assert!(check(bad, seconds(0.0..=1.0)).is_err(), "{bad}");
        }
    }

    #[test]
    fn lists_hold_strings_only() {
        assert_eq!(check("[' a ', 'b']", texts).unwrap(), ["a", "b"]);
        assert!(check("[]", texts).unwrap().is_empty());
        for bad in ["'a'", "['']", "[1]", "[['a']]"] {
            assert!(check(bad, texts).is_err(), "{bad}");
        }
        assert!(check("[]", some_texts).is_err());
    }

    #[test]
    fn networks_contain_their_addresses() {
        let networks = check("['10.0.0.0/8', '::1', '192.0.2.7']", networks).unwrap();
        let inside = |text: &str| networks.iter().any(|network| network.contains(text.parse().unwrap()));
        assert!(inside("10.255.0.1") && inside("::1") && inside("192.0.2.7") && inside("::ffff:10.1.2.3"));
        assert!(!inside("11.0.0.1") && !inside("::2") && !inside("192.0.2.8"));
        assert!(check("['10.0.0.0/33']", super::networks).is_err() && check("['a']", super::networks).is_err());
    }
}
