//! How a connection is made: the only file that knows what encrypts it.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The way to the database.
pub(super) struct Line {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl Line {
    /// Candidates' data does not travel in clear to another machine unless the URL says so.
    pub(super) fn to(mut config: Config) -> Result<Self, rustls::Error> {
        let local = config.get_hosts().iter().all(is_local) && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
        match config.get_ssl_mode() {
            SslMode::Disable if !local => {
                tracing::warn!("sslmode=disable: what is stored travels to the database in clear");
            }
            SslMode::Prefer if !local => drop(config.ssl_mode(SslMode::Require)),
            SslMode::Prefer => drop(config.ssl_mode(SslMode::Disable)),
            _ => {}
        }
        let tls = if config.get_ssl_mode() == SslMode::Disable { None } else { Some(verifying()?) };
        Ok(Self { config, tls })
    }

    /// Connects to the first host that answers and fits `target_session_attrs`.
    pub(super) async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        match &self.tls {
            Some(tls) => connect(&self.config, tls.clone()).await,
            None => connect(&self.config, NoTls).await,
        }
    }
}

async fn connect<T>(config: &Config, tls: T) -> Result<Client, tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
    T::TlsConnect: TlsConnect<Socket>,
{
    let (client, connection) = config.connect(tls).await?;
    tokio::spawn(async move {
        // Whoever uses the client is told.
        let _ = connection.await;
    });
    Ok(client)
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
        let mode = |url: &str| Line::to(url.parse().unwrap()).unwrap().config.get_ssl_mode();
        assert_eq!(mode("postgres://u@db.example.com/x"), SslMode::Require);
        assert_eq!(mode("postgres://u@localhost,db.example.com/x"), SslMode::Require);
        assert_eq!(mode("postgres://u@db.example.com/x?sslmode=disable"), SslMode::Disable);
        assert_eq!(mode("postgres://u@127.0.0.1,localhost/x"), SslMode::Disable);
        assert_eq!(mode("postgres://u@127.0.0.1/x?sslmode=require"), SslMode::Require);
        assert_eq!(mode("postgres://u@%2Frun%2Fpostgresql/x"), SslMode::Disable);
    }
}
