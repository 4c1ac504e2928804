//! The SOAP bridge between Workday Recruiting and imper.ai.
#[cfg(feature = "server")]
pub mod clock;
pub mod domain;
#[cfg(feature = "server")]
pub mod journal;
pub mod refusal;
