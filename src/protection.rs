//! Handling events in this process instead of sending them to the relay.

pub mod details;
pub mod handler;
pub mod reconcile;
