//! The one integration binary: everything that needs more than one room.

mod bridge;
mod fixtures;
mod journal_contract;
