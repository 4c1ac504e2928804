//! The SOAP bridge between Workday Recruiting and imper.ai.
pub mod domain;
pub mod refusal;
pub mod soap;
pub mod xml;
