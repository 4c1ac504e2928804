//! Who is signed in to the console.
//!
//! A session is a random number in a cookie. Here only its hash is held, in memory: a restart ends
//! all of them, and nobody who reads the memory's dump can use one. It names its token by a
//! fingerprint, so that it ends with the token, and has the rights that the token has now.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use super::tokens::{Token, Tokens};
use crate::clock::Clock;

/// After how long without a visit a session ends.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// After how long it ends in any case.
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);

/// How many there may be; the one that was used the longest ago gives way.
const MOST: usize = 1_000;

/// What a session is known by: the hash of what its cookie holds.
pub(super) type Digest = [u8; 32];

/// The sessions that are open.
pub(super) struct Sessions {
    clock: Arc<dyn Clock>,
    open: Mutex<HashMap<Digest, Session>>,
}

struct Session {
    /// The name and the fingerprint of the token.
    token: (String, Digest),
    /// What every form of the session carries.
    form_key: String,
    begun: Duration,
    used: Duration,
    /// What the next page says first.
    notice: Option<String>,
}

/// Who visits, by a session that is open.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// The token with the rights that it has now.
    pub(super) token: Token,
    /// What a form must carry to be the visitor's own.
    pub(super) form_key: String,
    /// By what the session is known here.
    pub(super) session: Digest,
}

impl Visitor {
    /// Whether a form that was sent is one of this session's.
    pub(super) fn sent(&self, form_key: &str) -> bool {
        self.form_key.as_bytes().ct_eq(form_key.as_bytes()).into()
    }
}

impl Sessions {
    /// None is open.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, open: Mutex::default() }
    }

    /// Opens a session; what its cookie holds. `None` without randomness.
    pub(super) fn open(&self, token: &Token) -> Option<String> {
        let (id, form_key) = (random()?, random()?);
        let now = self.clock.monotonic();
        let token = (token.name.clone(), fingerprint(token));
        let mut open = self.sessions();
        open.retain(|_, session| session.lasts(now));
        if open.len() >= MOST {
            let oldest = open.iter().min_by_key(|(_, session)| session.used).map(|(id, _)| *id);
            oldest.and_then(|id| open.remove(&id));
        }
        open.insert(hash(id.as_bytes()), Session { token, form_key, begun: now, used: now, notice: None });
        Some(id)
    }

    /// The visitor whose cookie this is. `counts` is false for what a page asks for by itself, which
    /// keeps no session open.
    pub(super) fn visitor(&self, id: &str, tokens: &Tokens, counts: bool) -> Option<Visitor> {
        let (id, now) = (hash(id.as_bytes()), self.clock.monotonic());
        let mut open = self.sessions();
        let session = open.get_mut(&id)?;
        let (name, print) = &session.token;
        let token = tokens.iter().find(|token| token.name == *name && fingerprint(token) == *print);
        let Some(token) = token.filter(|_| session.lasts(now)) else {
            open.remove(&id);
            return None;
        };
        if counts {
            session.used = now;
        }
        Some(Visitor { token: token.clone(), form_key: session.form_key.clone(), session: id })
    }

    /// Ends a session.
    pub(super) fn close(&self, visitor: &Visitor) {
        self.sessions().remove(&visitor.session);
    }

    /// Leaves a sentence for the next page.
    pub(super) fn tell(&self, visitor: &Visitor, notice: String) {
        if let Some(session) = self.sessions().get_mut(&visitor.session) {
            session.notice = Some(notice);
        }
    }

    /// Takes the sentence that was left.
    pub(super) fn told(&self, visitor: &Visitor) -> Option<String> {
        self.sessions().get_mut(&visitor.session)?.notice.take()
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<Digest, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sessions({} open)", self.sessions().len())
    }
}

impl Session {
    fn lasts(&self, now: Duration) -> bool {
        now.saturating_sub(self.used) < IDLE && now.saturating_sub(self.begun) < LONGEST
    }
}

fn fingerprint(token: &Token) -> Digest {
    hash(token.secret.expose_secret().as_bytes())
}

fn hash(bytes: &[u8]) -> Digest {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// 256 bits that nobody can guess, as text.
fn random() -> Option<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::config::Role;

    fn sessions() -> (Sessions, ManualClock) {
        let clock = ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
        (Sessions::new(Arc::new(clock.clone())), clock)
    }

    fn token(secret: &str, role: Role) -> Token {
        Token { name: "ops".into(), secret: secret.into(), orgs: None, role }
    }

    #[test]
    fn a_session_ends_when_idle_and_after_half_a_day_in_any_case() {
        let (sessions, clock) = sessions();
        let tokens = Tokens::new(vec![token("s", Role::Operator)]);
        let id = sessions.open(&token("s", Role::Operator)).unwrap();
        for _ in 0..12 {
            clock.advance(IDLE - Duration::from_millis(1));
            assert!(sessions.visitor(&id, &tokens, true).is_some());
        }
        clock.advance(Duration::from_millis(12));
        assert!(sessions.visitor(&id, &tokens, true).is_none(), "half a day has passed");
        let id = sessions.open(&token("s", Role::Operator)).unwrap();
        clock.advance(IDLE / 2);
        assert!(sessions.visitor(&id, &tokens, false).is_some());
        clock.advance(IDLE / 2);
        assert!(sessions.visitor(&id, &tokens, true).is_none(), "what a page asks for by itself keeps nothing open");
    }

    #[test]
    fn a_session_goes_with_its_token_and_has_its_rights() {
        let (sessions, _) = sessions();
        let id = sessions.open(&token("s", Role::Operator)).unwrap();
        let viewer = Tokens::new(vec![token("s", Role::Viewer)]);
        assert_eq!(sessions.visitor(&id, &viewer, true).unwrap().token.role, Role::Viewer);
        assert!(sessions.visitor(&id, &Tokens::new(vec![token("other", Role::Viewer)]), true).is_none());
        assert!(sessions.visitor(&id, &viewer, true).is_none(), "it does not come back");
    }

    #[test]
    fn ids_are_held_as_hashes_only_and_forms_are_the_sessions_own() {
        let (sessions, _) = sessions();
        let tokens = Tokens::new(vec![token("s", Role::Operator)]);
        let (one, other) = (
            sessions.open(&tokens.iter().next().unwrap().clone()).unwrap(),
            sessions.open(&token("s", Role::Operator)).unwrap(),
        );
        assert!(!sessions.sessions().keys().any(|key| key.as_slice() == one.as_bytes()));
        let (one, other) =
            (sessions.visitor(&one, &tokens, true).unwrap(), sessions.visitor(&other, &tokens, true).unwrap());
        assert!(one.sent(&one.form_key) && !one.sent(&other.form_key) && !one.sent(""));
        sessions.tell(&one, "done".into());
        assert_eq!(
            (sessions.told(&other), sessions.told(&one), sessions.told(&one)),
            (None, Some("done".into()), None)
        );
    }

    #[test]
    fn there_are_not_ever_more() {
        let (sessions, clock) = sessions();
        let first = sessions.open(&token("s", Role::Operator)).unwrap();
        for _ in 0..MOST {
            clock.advance(Duration::from_millis(1));
            sessions.open(&token("s", Role::Operator)).unwrap();
        }
        let tokens = Tokens::new(vec![token("s", Role::Operator)]);
        assert_eq!(sessions.sessions().len(), MOST);
        assert!(sessions.visitor(&first, &tokens, true).is_none());
    }
}
