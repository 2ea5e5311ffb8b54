//! The network of a qube: its own interface, and those of the qubes behind it.
//!
//! `keys` judges every value that comes from QubesDB, before anything is touched; `uplink`,
//! `gateway` and `connected` make of them what is to be done. `setup_ip`, `client` and `redirect`
//! do it, one step after the other, each of which may be done again. `route` is the part of the
//! kernel that has interfaces, `tables` the part that judges packets.

pub mod args;
mod client;
mod connected;
mod database;
mod files;
mod gateway;
mod hook;
mod interface;
mod keys;
mod name_servers;
mod network_manager;
mod programs;
mod redirect;
mod route;
mod run;
mod setup_ip;
mod tables;
mod uplink;

pub use run::main;
