//! What all HTTP requests have in common that the bridge itself makes, to relays and to Workday alike.
//!
//! | what could harm | stopped by |
//! |---|---|
//! | a redirect that leads credentials elsewhere | none is followed |
//! | a proxy of the environment that nobody meant for the bridge | only a configured one is used |
//! | an address with secrets in a log | [`describe`] leaves the address out |

use std::error::Error;

use reqwest::{Client, ClientBuilder, Proxy, redirect};
use url::Url;

/// A client to be finished by who needs it, which goes by `proxy` where there is one.
///
/// # Errors
/// When the proxy is not usable.
pub fn client(proxy: Option<&Url>) -> reqwest::Result<ClientBuilder> {
    // The one provider of cryptography; whoever embeds the bridge may have chosen another before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .user_agent(concat!("imper-bridge/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .no_proxy();
    Ok(match proxy {
        Some(proxy) => builder.proxy(Proxy::all(proxy.clone())?),
        None => builder,
    })
}

/// What failed and its causes, without the URL: it may hold what does not belong into a log.
pub fn describe(error: &reqwest::Error) -> String {
    let mut text = if error.is_connect() { "cannot connect".to_owned() } else { "the request failed".to_owned() };
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
