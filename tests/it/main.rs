//! The one integration binary: everything that needs more than one room.

#![cfg(feature = "server")]

mod attacks;
mod authority;
mod backlog;
mod basic_profile;
mod bodies;
mod bridge;
mod chance;
mod chaos;
mod clients;
mod cluster;
mod commands;
mod console;
mod delivery;
mod endpoint;
mod faults_database;
mod faults_disk;
mod faults_erasure;
mod faults_power;
mod faults_sync;
mod fixtures;
mod fleet;
mod https;
mod intake;
mod journal_contract;
mod kill;
mod limits;
mod line;
mod metrics;
mod model;
mod openapi;
mod operate;
mod operator;
mod oracle;
mod preload;
mod raw;
mod readme;
mod refused;
mod relay;
mod security;
mod shared_journal;
mod sign_in;
mod tidy;
mod tls;
mod w3c_soap12;
