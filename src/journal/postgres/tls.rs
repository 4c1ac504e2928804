//! How a connection is made: the only file that knows what encrypts it.

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Config, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::line::Session;

/// What encrypts connections, if anything does.
#[derive(Clone)]
pub(super) struct Tls(Option<MakeRustlsConnect>);

impl Tls {
    /// Candidates' data does not travel in clear to another machine unless the URL says so.
    pub(super) fn of(config: &mut Config) -> Result<Self, rustls::Error> {
        let local = config.get_hosts().iter().all(is_local) && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
        match config.get_ssl_mode() {
            SslMode::Disable if !local => {
                tracing::warn!("sslmode=disable: what is stored travels to the database in clear");
            }
            SslMode::Prefer if !local => drop(config.ssl_mode(SslMode::Require)),
            SslMode::Prefer => drop(config.ssl_mode(SslMode::Disable)),
            _ => {}
        }
        Ok(Self(if config.get_ssl_mode() == SslMode::Disable { None } else { Some(verifying()?) }))
    }

    /// Connects to a server that fits `target_session_attrs`.
    pub(super) async fn connect(&self, config: &Config) -> Result<Session, tokio_postgres::Error> {
        match &self.0 {
            Some(tls) => connect(config, tls.clone()).await,
            None => connect(config, NoTls).await,
        }
    }
}

async fn connect<T>(config: &Config, tls: T) -> Result<Session, tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
    T::TlsConnect: TlsConnect<Socket>,
{
    let (client, mut connection) = config.connect(tls).await?;
    let warnings = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&warnings);
    tokio::spawn(async move {
        // Whoever uses the client is told of its end.
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notice(notice) = message
                && notice.severity() == "WARNING"
            {
                tracing::warn!(code = notice.code().code(), "the database warns: {}", notice.message());
                counted.fetch_add(1, Relaxed);
            }
        }
    });
    Ok(Session::new(client, warnings))
}

/// TLS with the certificates that the system trusts.
fn verifying() -> Result<MakeRustlsConnect, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(MakeRustlsConnect::new(config.with_platform_verifier()?.with_no_client_auth()))
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machine_is_reached_by_tls_unless_the_url_says_otherwise() {
        let mode = |url: &str| {
            let mut config = url.parse().unwrap();
            Tls::of(&mut config).unwrap();
            config.get_ssl_mode()
        };
        assert_eq!(mode("postgres://u@db.example.com/x"), SslMode::Require);
        assert_eq!(mode("postgres://u@localhost,db.example.com/x"), SslMode::Require);
        assert_eq!(mode("postgres://u@db.example.com/x?sslmode=disable"), SslMode::Disable);
        assert_eq!(mode("postgres://u@127.0.0.1,localhost/x"), SslMode::Disable);
        assert_eq!(mode("postgres://u@127.0.0.1/x?sslmode=require"), SslMode::Require);
        assert_eq!(mode("postgres://u@%2Frun%2Fpostgresql/x"), SslMode::Disable);
    }
}
