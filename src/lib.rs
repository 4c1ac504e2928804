//! The SOAP bridge between Workday Recruiting and imper.ai.
#[cfg(feature = "server")]
pub mod admin;
#[cfg(feature = "server")]
pub mod clock;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod delivery;
pub mod domain;
#[cfg(feature = "server")]
pub mod journal;
#[cfg(feature = "server")]
pub mod metrics;
#[cfg(feature = "server")]
pub mod protection;
pub mod refusal;
