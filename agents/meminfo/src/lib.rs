//! Reports to dom0 how much memory this qube uses, so that dom0 can share the memory out.
//!
//! `counters` reads what the kernel knows, `report` decides what is written and when, `pace` how
//! long nothing is looked at, `xenstore` writes it. `background` is how the program starts.

pub mod args;
mod background;
mod counters;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod pace;
mod report;
mod run;
mod xenstore;

pub use run::main;
