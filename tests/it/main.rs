//! The one integration binary: everything that needs more than one room.

mod journal_contract;
