//! The URL of a PostgreSQL database: checked for what can be seen without connecting, and never
//! shown with its password.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use super::section::{Reader, Wrong};
use super::tree::Item;

/// Where the journal's database is, and the password where the URL holds none.
#[derive(Clone)]
pub struct Database {
    url: SecretString,
    password: Option<SecretString>,
}

impl Database {
    pub(super) fn new(url: &str) -> Self {
        Self { url: url.to_owned().into(), password: None }
    }

    pub(super) fn with_password(self, password: Option<SecretString>) -> Self {
        Self { password, ..self }
    }

    /// The URL, which may hold a password.
    pub fn url(&self) -> &SecretString {
        &self.url
    }

    /// Whether the URL is the same, whatever the password beside it.
    pub fn has_url_of(&self, other: &Self) -> bool {
        self.url.expose_secret() == other.url.expose_secret()
    }

    /// The password that is configured beside the URL.
    pub fn password(&self) -> Option<&SecretString> {
        self.password.as_ref()
    }

    /// The hosts and the name of the database, for people.
    pub fn shown(&self) -> String {
        let url = self.url.expose_secret();
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let rest = rest.split_once('?').map_or(rest, |(before, _)| before);
        format!("postgres://{}", rest.rsplit_once('@').map_or(rest, |(_, place)| place))
    }
}

impl PartialEq for Database {
    fn eq(&self, other: &Self) -> bool {
        let password = |of: &Self| of.password.as_ref().map(|password| password.expose_secret().to_owned());
        self.has_url_of(other) && password(self) == password(other)
    }
}

impl Eq for Database {}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({})", self.shown())
    }
}

/// The parameters that a URL may have, beside those that it has places for.
const PARAMETERS: [&str; 13] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "options",
    "sslmode",
    "sslnegotiation",
    "target_session_attrs",
    "tcp_user_timeout",
];

/// Those that say what the URL says already, or the password.
const SAID: [&str; 6] = ["dbname", "host", "load_balance_hosts", "password", "port", "user"];

impl Database {
    /// Reads a URL that names hosts and a database.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence that does not show it.
    pub fn read(url: &str) -> Result<Self, String> {
        let form = "a PostgreSQL URL has the form postgres://USER@HOST/DATABASE";
        let (scheme, rest) = url.split_once("://").ok_or(form)?;
        if !["postgres", "postgresql"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(form.into());
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // What follows is then a part of a password, and would be shown as a host or a parameter.
        let cut_short = !authority.contains('@') && rest.contains('@');
        if cut_short || authority.matches('@').count() > 1 {
            return Err("a user and a password are written with %40 for @, %2F for /, %3F for ? and %23 for #".into());
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        let (hosts, name) = place.split_once('/').unwrap_or((place, ""));
        if hosts.is_empty() || name.is_empty() {
            return Err(form.into());
        }
        for host in hosts.split(',') {
            // An IPv6 address stands in brackets.
            let port = host.rsplit_once(']').map_or(host, |(_, port)| port).rsplit_once(':').map(|(_, port)| port);
            if let Some(port) = port.filter(|port| port.parse::<u16>().is_err()) {
                return Err(format!("{port:?} is no port; expected a number up to 65535"));
            }
        }
        let parameters = query.split('&').filter(|parameter| !parameter.is_empty()).map(parameter);
        let parameters = parameters.collect::<Result<Vec<_>, _>>()?;
        let query = if parameters.is_empty() { String::new() } else { format!("?{}", parameters.join("&")) };
        Ok(Self::new(&format!("postgres://{rest}{query}")))
    }
}

/// A parameter in the form in which it is passed on.
fn parameter(text: &str) -> Result<String, String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    match (name, value) {
        // Certificates are always verified, and against the host's name.
        ("sslmode", "verify-ca" | "verify-full") => Ok("sslmode=require".into()),
        ("sslmode", "disable" | "prefer" | "require") => Ok(text.to_owned()),
        ("sslmode", other) => Err(format!(
            "there is no sslmode {other:?} here; expected verify-full, verify-ca or require (which all verify), \
             prefer or disable"
        )),
        ("sslrootcert", _) => {
            Err("sslrootcert is not taken: the authorities that the system trusts count, or those of \
             the file that the environment's SSL_CERT_FILE names"
                .into())
        }
        _ if PARAMETERS.contains(&name) || SAID.contains(&name) => Ok(text.to_owned()),
        _ => {
            let name: String = name.chars().take(40).collect();
            Err(format!("the parameter {name:?} is not known; known are {}", PARAMETERS.join(", ")))
        }
    }
}

/// Takes a URL that names hosts and a database.
pub(super) fn database(item: &Item, _: &Reader<'_>) -> Result<Database, Wrong> {
    let wrong = |why: &str| {
        Wrong::new("\"postgres://USER@HOST/DATABASE\"")
            .found("a PostgreSQL URL (not shown: it may hold a password)")
            .advice(format!(
                "For example \"postgres://bridge@db1,db2/bridge\", with the password in store.password. {why}."
            ))
    };
    let read = Database::read(item.text().unwrap_or_default());
    read.map_err(|why| wrong(&(why[..1].to_uppercase() + &why[1..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for url in ["postgres://u:hunter2@a,b:5433/db?sslmode=require&password=hunter2", "postgres://u:hun@ter2@a/db"] {
            let database = Database::new(url).with_password(Some("hunter2".to_owned().into()));
            let shown = format!("{database:?} {}", database.shown());
            assert!(!shown.contains("hun") && !shown.contains("ter2"), "{shown}");
        }
        assert_eq!(Database::new("postgres://u@a,b:5433/db?x=y").shown(), "postgres://a,b:5433/db");
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        let read = |url: &str| Database::read(url).map(|database| database.url.expose_secret().to_owned());
        for (url, passed_on) in [
            ("POSTGRES://u:p@a/db", "postgres://u:p@a/db"),
            (
                "postgresql://u@a,[::1]:5433,%2Frun/db?sslmode=verify-full&connect_timeout=5",
                "postgres://u@a,[::1]:5433,%2Frun/db?sslmode=require&connect_timeout=5",
            ),
            ("postgres://a/db?sslmode=verify-ca", "postgres://a/db?sslmode=require"),
            ("postgres://u@a/db?sslmode=disable&password=x", "postgres://u@a/db?sslmode=disable&password=x"),
        ] {
            assert_eq!(read(url).as_deref(), Ok(passed_on), "{url}");
        }
        for (url, says) in [
            ("postgre://u:hunter2@a/db", "the form"),
            ("jdbc:postgresql://u:hunter2@a/db", "the form"),
            ("postgres://u:hunter2@a", "the form"),
            ("postgres://u:hun@ter2@a/db", "%40"),
            ("postgres://u:hun/ter2@a/db", "%2F"),
            ("postgres://u:hun?ter2@a/db", "%3F"),
            ("postgres://u:hun?sslmode=ter2@a/db", "%3F"),
            ("postgres://u:hunter2@a:54x2/db", "\"54x2\" is no port"),
            ("postgres://u:hunter2@a/db?sslmode=allow", "verify-full"),
            ("postgres://u:hunter2@a/db?sslrootcert=/ca.pem", "SSL_CERT_FILE"),
            ("postgres://u:hunter2@a/db?pool_size=3", "\"pool_size\" is not known"),
        ] {
            let why = read(url).unwrap_err();
            assert!(why.contains(says) && !why.contains("hun") && !why.contains("ter2"), "{url}: {why}");
        }
    }
}
