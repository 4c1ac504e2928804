//! WS-Security's UsernameToken, checked (UsernameToken Profile 1.1, section 3).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY as SHA1};
use secrecy::{ExposeSecret, SecretString};

use super::nonces::Digest;
use super::{Denied, Way, same, same_as, the_one, wrong};
use crate::credential::Credential;
use crate::soap::UsernameToken;
use crate::soap::security::PasswordType;

/// How old a token may be.
pub(super) const MOST_OLD: SignedDuration = SignedDuration::from_secs(300);

/// How far ahead of the clock here the sender's may be.
const MOST_AHEAD: SignedDuration = SignedDuration::from_secs(60);

/// A nonce that a token has used up, and when the token was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Spent {
    pub(super) created: Timestamp,
    pub(super) nonce: Digest,
}

/// Checks a token against the known names and passwords, and finds the password that it was made with;
/// what it gives has still to be taken.
///
/// Nothing is said about the time of a token whose password is wrong.
pub(super) fn check<'k>(
    known: &'k [(String, Credential)],
    token: &UsernameToken,
    now: Timestamp,
) -> Result<(Option<Spent>, &'k Credential), Denied> {
    if let Some(ambiguity) = token.ambiguity {
        return Err(Denied::Unusable(ambiguity));
    }
    if token.username.is_empty() {
        return Err(Denied::Unusable("it has no Username"));
    }
    let password = token.password.as_ref();
    let password = password
        .ok_or(Denied::Unusable("it has no Password, or one that is neither PasswordText nor PasswordDigest"))?;
    let created = match &token.created {
        None => None,
        Some(_) => Some(
            token
                .created_at()
                .ok_or(Denied::Unusable("its Created is not a date and time such as 2026-04-09T14:30:00Z"))?,
        ),
    };
    let named = |name: &String| same(name, &token.username);
    let right = match password.kind {
        PasswordType::Text => the_one(known, |(name, secret)| named(name) & same_as(secret, &password.value)),
        PasswordType::Digest => {
            let (salt, shown) = (salt(token)?, password.value.trim());
            the_one(known, |(name, secret)| named(name) & same(&digest(&salt, secret.secret()), shown))
        }
    };
    let (_, used) = right.ok_or_else(|| wrong(Way::UsernameToken, known, &token.username))?;
    if let Some(created) = created {
        check_time(now.duration_since(created))?;
    }
    Ok((token.nonce.as_ref().map(|nonce| Spent { created: created.unwrap_or(now), nonce: key(nonce) }), used))
}

fn check_time(age: SignedDuration) -> Result<(), Denied> {
    if age > MOST_OLD {
        Err(Denied::Old { seconds: age.as_secs() })
    } else if age < -MOST_AHEAD {
        Err(Denied::Ahead { seconds: -age.as_secs() })
    } else {
        Ok(())
    }
}

/// What the password is digested with: the nonce's bytes and the time as it was written.
fn salt(token: &UsernameToken) -> Result<Vec<u8>, Denied> {
    let nonce = token.nonce.as_ref().ok_or(Denied::Unusable("a PasswordDigest needs a Nonce"))?;
    let created = token.created.as_ref().ok_or(Denied::Unusable("a PasswordDigest needs a Created"))?;
    let mut salt = decoded(nonce).ok_or(Denied::Unusable("its Nonce is not Base64"))?;
    salt.extend_from_slice(created.as_bytes());
    Ok(salt)
}

fn digest(salt: &[u8], password: &SecretString) -> String {
    let mut context = Context::new(&SHA1);
    context.update(salt);
    context.update(password.expose_secret().as_bytes());
    STANDARD.encode(context.finish())
}

/// One nonce may be written in several ways: what counts is its bytes.
fn key(nonce: &str) -> Digest {
    let bytes = decoded(nonce).unwrap_or_else(|| nonce.as_bytes().to_vec());
    let digest = ring::digest::digest(&SHA1, &bytes);
    digest.as_ref().try_into().expect("SHA-1 has 20 bytes")
}

fn decoded(nonce: &str) -> Option<Vec<u8>> {
    let plain: String = nonce.split_ascii_whitespace().collect();
    STANDARD.decode(plain).ok().filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::security::Password;

    const CREATED: &str = "2026-04-09T14:30:00Z";

    fn now() -> Timestamp {
        CREATED.parse().unwrap()
    }

    fn known() -> Vec<(String, Credential)> {
        let pair = |password: &str| ("imper".to_owned(), Credential::from(password.to_owned()));
        vec![pair("s3cret"), pair("next")]
    }

    fn checked(token: &UsernameToken, now: Timestamp) -> Result<Option<Spent>, Denied> {
        check(&known(), token, now).map(|(spent, _)| spent)
    }

    fn token(kind: PasswordType, value: &str, nonce: Option<&str>, created: Option<&str>) -> UsernameToken {
        UsernameToken {
            username: "imper".into(),
            password: Some(Password { kind, value: value.into() }),
            nonce: nonce.map(Into::into),
            created: created.map(Into::into),
            ambiguity: None,
        }
    }

    /// The digest that a sender makes.
    fn digested(nonce: &[u8], created: &str, password: &str) -> UsernameToken {
        let bytes = [nonce, created.as_bytes(), password.as_bytes()].concat();
        let value = STANDARD.encode(ring::digest::digest(&SHA1, &bytes));
        token(PasswordType::Digest, &value, Some(&STANDARD.encode(nonce)), Some(created))
    }

    const WRONG: Denied = Denied::Wrong { way: Way::UsernameToken, known_user: true };

    #[test]
    fn the_digest_is_that_of_other_implementations() {
        // Python: base64.b64encode(hashlib.sha1(b"\x00\xffnonce" + b"2026-04-09T14:30:00Z" + b"s3cret").digest())
        let value = "6s/u3UQrkSxFMDmfwg2SLwssXF0=";
        let token = token(PasswordType::Digest, value, Some("AP9ub25jZQ=="), Some(CREATED));
        assert!(checked(&token, now()).is_ok());
    }

    #[test]
    fn either_password_is_taken_as_text_and_as_digest() {
        for password in ["s3cret", "next"] {
            let text = token(PasswordType::Text, password, None, None);
            assert_eq!(checked(&text, now()), Ok(None), "{password}");
            assert!(checked(&digested(b"n", CREATED, password), now()).unwrap().is_some());
        }
        for wrong in ["", "s3cre", "s3cret ", "S3cret"] {
            assert_eq!(checked(&token(PasswordType::Text, wrong, None, None), now()), Err(WRONG));
            assert_eq!(checked(&digested(b"n", CREATED, wrong), now()), Err(WRONG));
        }
        let other = UsernameToken { username: "other".into(), ..digested(b"n", CREATED, "s3cret") };
        assert_eq!(checked(&other, now()), Err(Denied::Wrong { way: Way::UsernameToken, known_user: false }));
        let moved = UsernameToken { created: Some("2026-04-09T14:30:01Z".into()), ..digested(b"n", CREATED, "s3cret") };
        assert_eq!(checked(&moved, now()), Err(WRONG), "the time is part of the digest");
    }

    #[test]
    fn a_token_is_good_for_five_minutes_and_a_clock_may_be_a_minute_ahead() {
        let after = |seconds: i64| now() + SignedDuration::from_secs(seconds);
        for (seconds, expected) in [
            (300, None),
            (301, Some(Denied::Old { seconds: 301 })),
            (-60, None),
            (-61, Some(Denied::Ahead { seconds: 61 })),
        ] {
            let right = digested(b"n", CREATED, "s3cret");
            assert_eq!(checked(&right, after(seconds)).err(), expected, "{seconds}");
            let text = token(PasswordType::Text, "s3cret", None, Some(CREATED));
            assert_eq!(checked(&text, after(seconds)).err(), expected, "{seconds}");
        }
        let wrong = digested(b"n", CREATED, "guess");
        assert_eq!(checked(&wrong, after(1000)), Err(WRONG), "the time is told only to who may know");
    }

    #[test]
    fn what_is_incomplete_says_what_it_lacks() {
        let whole = digested(b"n", CREATED, "s3cret");
        let table = [
            (UsernameToken { ambiguity: Some("it stands there twice"), ..whole.clone() }, "twice"),
            (UsernameToken { username: String::new(), ..whole.clone() }, "Username"),
            (UsernameToken { password: None, ..whole.clone() }, "Password"),
            (UsernameToken { nonce: None, ..whole.clone() }, "Nonce"),
            (UsernameToken { nonce: Some("!".into()), ..whole.clone() }, "Base64"),
            (UsernameToken { created: None, ..whole.clone() }, "Created"),
            (UsernameToken { created: Some("today".into()), ..whole }, "Created"),
        ];
        for (token, lacks) in table {
            let denied = checked(&token, now()).unwrap_err();
            assert!(matches!(denied, Denied::Unusable(why) if why.contains(lacks)), "{denied:?}");
            assert!(denied.token_refusal().failed_authentication);
        }
    }

    #[test]
    fn a_nonce_is_its_bytes_however_written() {
        assert_eq!(key("bm9uY2U="), key(" bm9u\nY2U= "));
        assert_ne!(key("bm9uY2U="), key("bm9uY2V="));
        let text = token(PasswordType::Text, "s3cret", Some("no Base64!"), None);
        assert_eq!(checked(&text, now()).unwrap().unwrap().created, now());
    }
}
