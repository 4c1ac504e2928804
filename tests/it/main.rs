//! The one integration binary: everything that needs more than one room.

#![cfg(feature = "server")]

mod bodies;
mod bridge;
mod commands;
mod delivery;
mod endpoint;
mod faults_disk;
mod fixtures;
mod journal_contract;
mod model;
mod operate;
mod readme;
mod refused;
mod relay;
mod security;
mod tidy;
mod tls;
