//! The `Authorization` header (RFC 9110, section 11.6.2; RFC 7617; RFC 6750), read strictly.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What somebody showed. It has no `Debug`, as it may be right.
pub(super) enum Credentials {
    Basic { username: String, password: String },
    Bearer(String),
    Other,
}

/// The header is not what its scheme says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Credentials {
    pub(super) fn parse(header: &[u8]) -> Result<Self, Malformed> {
        let header = std::str::from_utf8(header).map_err(|_| Malformed)?.trim_matches([' ', '\t']);
        let (scheme, rest) = header.split_once(' ').ok_or(Malformed)?;
        let rest = rest.trim_start_matches(' ');
        if scheme.is_empty() || rest.is_empty() {
            Err(Malformed)
        } else if scheme.eq_ignore_ascii_case("basic") {
            basic(rest)
        } else if scheme.eq_ignore_ascii_case("bearer") {
            bearer(rest)
        } else {
            Ok(Self::Other)
        }
    }
}

/// Base64 of `user:password`; the first colon splits, as a user name cannot hold one.
fn basic(encoded: &str) -> Result<Credentials, Malformed> {
    let decoded = STANDARD.decode(encoded).map_err(|_| Malformed)?;
    let pair = String::from_utf8(decoded).map_err(|_| Malformed)?;
    let (username, password) = pair.split_once(':').ok_or(Malformed)?;
    Ok(Credentials::Basic { username: username.to_owned(), password: password.to_owned() })
}

fn bearer(token: &str) -> Result<Credentials, Malformed> {
    // Wider than RFC 6750's b64token, as keys of other systems are what they are.
    let plain = token.bytes().all(|byte| byte.is_ascii_graphic());
    plain.then(|| Credentials::Bearer(token.to_owned())).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Option<(String, String)> {
        match Credentials::parse(header.as_bytes()).ok()? {
            Credentials::Basic { username, password } => Some((username, password)),
            Credentials::Bearer(token) => Some(("bearer".into(), token)),
            Credentials::Other => Some(("other".into(), String::new())),
        }
    }

    #[test]
    fn the_first_colon_splits() {
        // The example of RFC 7617, section 2.1, is "test:123£" in UTF-8.
        assert_eq!(read("Basic dGVzdDoxMjPCow=="), Some(("test".into(), "123£".into())));
        assert_eq!(read("BASIC  YTpiOmM="), Some(("a".into(), "b:c".into())));
        assert_eq!(read("Bearer a.b"), Some(("bearer".into(), "a.b".into())));
        assert_eq!(read("Digest x"), Some(("other".into(), String::new())));
    }

    #[test]
    fn what_is_not_as_its_scheme_says_is_malformed() {
        for bad in [
            "",
            "Basic",
            "Basic ",
            "Basic !!!!",
            "Basic YQ==",
            "Basic YTpi YTpi",
            "Basic YTpiOmM",
            "Bearer a b",
            "Basic /zov",
        ] {
            assert!(read(bad).is_none(), "{bad}");
        }
        assert!(Credentials::parse(b"Bearer \xff").is_err());
    }
}
