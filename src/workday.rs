//! Workday's own Recruiting service, which the bridge asks who a candidate is and where an
//! application stands.
//!
//! - [`messages`] is what both sides speak of; `requests` asks for it, and `answers` reads what comes.
//! - [`Client`] signs in and asks page by page; [`Failure`] tells what may be tried again from what may not.
//! - `token` keeps an OAuth access token; `line` alone knows the HTTP library.
//!
//! | what could harm | stopped by |
//! |---|---|
//! | an answer without end, or that drips | [`line::MOST`] bytes; a deadline over everything |
//! | entities that expand; nesting or elements without end | [`crate::xml`] reads the whole answer first |
//! | pages without end | [`client::MOST_PAGES`] |
//! | a redirect that leads credentials elsewhere | none is followed, see [`crate::outbound`] |
//! | an account that is locked by wrong passwords | a denial is told apart, so that the caller pauses |

mod answers;
pub mod client;
mod failure;
pub mod line;
pub mod messages;
mod requests;
mod token;

pub use client::{Client, Credentials};
pub use failure::{Denial, Failure, Told};
pub use messages::{Application, Candidate, Id, Reference, Requisition};
