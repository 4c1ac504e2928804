//! The one integration binary: everything that needs more than one room.

#![cfg(feature = "server")]

mod authority;
mod bodies;
mod bridge;
mod commands;
mod delivery;
mod endpoint;
mod faults_disk;
mod fixtures;
mod https;
mod journal_contract;
mod limits;
mod model;
mod operate;
mod raw;
mod readme;
mod refused;
mod relay;
mod security;
mod sign_in;
mod tidy;
mod tls;
