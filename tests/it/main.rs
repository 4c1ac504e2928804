//! The one integration binary: everything that needs more than one room.

#![cfg(feature = "server")]

mod attacks;
mod backlog;
mod basic_profile;
mod bodies;
mod bridge;
mod chance;
mod chaos;
mod clients;
mod cluster;
mod commands;
mod delivery;
mod endpoint;
mod faults_disk;
mod faults_sync;
mod fixtures;
mod journal_contract;
mod kill;
mod line;
mod model;
mod operate;
mod operator;
mod oracle;
mod preload;
mod readme;
mod refused;
mod relay;
mod security;
mod shared_journal;
mod tidy;
mod tls;
mod w3c_soap12;
