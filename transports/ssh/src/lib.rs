//! The services of this suite between machines, with OpenSSH as the engine.
//!
//! `qrexec-ssh` has the contract of `qrexec-client-vm`. A call passes through these files: [`args`] →
//! `resolve`, which asks `remotes` where TARGET is (or `transport`, for a RemoteVM) → [`wire`], the
//! line that the other machine gets → `call`, which starts `engine`, waits for the `go_ahead`, and
//! joins the local program.
//!
//! `qrexec-ssh-serve` is the forced command of a key on the other machine. Its files are in `serve/`.

pub mod args;
mod call;
mod engine;
mod go_ahead;
mod remotes;
mod resolve;
mod serve;
mod transport;
pub mod wire;

use std::process::ExitCode;

use clap::Parser as _;
use program::command_line;
use program::failure::Failure;
use program::say::say;

use crate::args::{Client, Serve};

/// Runs `qrexec-ssh`.
#[must_use]
pub fn client() -> ExitCode {
    program::log::to_stderr(args::CLIENT);
    let line: Client = match command_line::parse() {
        Ok(line) => line,
        Err(status) => return status,
    };
    end(
        args::CLIENT,
        resolve::resolve(line).and_then(|call| call::make(&call)),
    )
}

/// Runs `qrexec-ssh-serve`.
#[must_use]
pub fn serve() -> ExitCode {
    program::log::to_stderr(args::SERVE);
    match Serve::try_parse() {
        Ok(line) => end(args::SERVE, serve::run(&line)),
        Err(error) => serve::without_a_command_line(error),
    }
}

/// As [`program::failure::end`], for what may also end with the status of a service.
fn end(program: &str, result: Result<u8, Failure>) -> ExitCode {
    ExitCode::from(result.unwrap_or_else(|failure| {
        if !failure.is_said() {
            say(failure.lines(program));
        }
        failure.status()
    }))
}
