//! Stands in for qrexec-client-vm between folders of one machine: the same arguments, environment,
//! descriptors and exit statuses, and no isolation at all.
//!
//! One call passes through the files in this order: `args` → `policy` → `decide` → `call`, which
//! joins `local_side` and `called_side` by `relay`. The called side is this program again, in
//! another `role`: `serve` becomes the service that `lookup` finds; before that `disposable` makes
//! a `fresh_qube` if need be. `status` says how it all ended.

mod args;
mod call;
mod called_side;
mod decide;
mod disposable;
mod fresh_qube;
mod local_qubes;
mod local_side;
mod lookup;
mod password_entry;
mod policy;
mod relay;
mod role;
mod serve;
mod status;

use std::env;
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::status::Failure;

fn main() -> ExitCode {
    log_to_stderr();
    let mut arguments = env::args_os();
    let _own_name = arguments.next();
    let ended = match role::Role::parse(arguments) {
        Some(Ok(role)) => role.play(),
        Some(Err(failure)) => Err(failure),
        None => args::parse().and_then(|request| call::make(&request)),
    };
    match ended {
        Ok(status) => ExitCode::from(status),
        Err(Failure { status, message }) => {
            if let Some(message) = message {
                qvm_common::say::say(message);
            }
            ExitCode::from(status)
        }
    }
}

/// Quiet unless `RUST_LOG` asks for more.
fn log_to_stderr() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .with_ansi(false)
        .init();
}
