//! The one integration binary: everything that needs more than one room.

#![cfg(feature = "server")]

mod backlog;
mod bridge;
mod chance;
mod chaos;
mod clients;
mod commands;
mod delivery;
mod endpoint;
mod faults_disk;
mod faults_power;
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
mod relay;
mod tidy;
mod tls;
