//! From the command line to what it asks for.

use std::env;
use std::process::ExitCode;

use program::command_line;
use program::failure::end;

use crate::args::{Args, Command, OfClient, SetupIp, arguments};
use crate::redirect::Change;
use crate::{client, redirect, setup_ip};

/// The exit status when there was nothing to change, which scripts of Qubes OS ask for.
const UNCHANGED: u8 = 100;

/// Runs the program; its exit status.
#[must_use]
pub fn main() -> ExitCode {
    let args = match command_line::parse_from::<Args>(arguments(env::args_os())) {
        Ok(args) => args,
        Err(status) => return status,
    };
    let ended = match &args.command {
        Command::SetupIp { action } => match action {
            SetupIp::Add { interface } => setup_ip::add(interface),
            SetupIp::Remove { interface } => setup_ip::remove(interface),
        },
        Command::Start => client::start(),
        Command::Client { action } => match action {
            OfClient::Add {
                interface,
                addresses,
                mac,
            } => client::add(interface, addresses, *mac),
            OfClient::Remove { interface } => client::remove(interface),
        },
        Command::Dns => match redirect::run() {
            Ok(Change::Made) => Ok(()),
            Ok(Change::NotNeeded) => return ExitCode::from(UNCHANGED),
            Err(failure) => Err(failure),
        },
    };
    end("qubes-network", ended)
}
