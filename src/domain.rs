//! What the bridge is about: state changes of job applications, the candidate events made of
//! them, and the pure rules that decide what an event means.
//!
//! Nothing here knows XML, HTTP, SQL or the clock, and nothing of the crate is used from here.

pub mod change;
pub mod details;
pub mod ids;
pub mod lifecycle;
pub mod payload;
pub mod protection;
mod timestamp;
pub mod trace;

pub use change::{CandidateEvent, Occurred, Source, StateChange, Text};
pub use details::Details;
pub use ids::{ApplicationId, CandidateId, EventId, InvalidId, OrgId, RequisitionId};
pub use lifecycle::{Decision, EventType, Outcome, Position, Reason, StagePolicy, Standing};
pub use trace::TraceParent;
