//! The SOAP bridge between Workday Recruiting and imper.ai.

pub mod domain;
pub mod refusal;
pub mod soap;
pub mod xml;

#[cfg(feature = "server")]
pub mod admin;
#[cfg(feature = "server")]
pub mod app;
#[cfg(feature = "server")]
pub mod auth;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod clock;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod delivery;
#[cfg(feature = "server")]
pub mod journal;
#[cfg(feature = "server")]
pub mod metrics;
#[cfg(feature = "server")]
pub mod net;
#[cfg(feature = "server")]
pub mod organisation;
#[cfg(feature = "server")]
pub mod protection;
#[cfg(feature = "server")]
pub mod public;
