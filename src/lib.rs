//! The SOAP bridge between Workday Recruiting and imper.ai.
#[cfg(feature = "server")]
pub mod auth;
#[cfg(feature = "server")]
pub mod config;
pub mod domain;
#[cfg(feature = "server")]
pub mod organisation;
pub mod refusal;
pub mod soap;
pub mod xml;
