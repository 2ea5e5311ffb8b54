//! Stands in for qrexec-client-vm between folders of one machine: the same arguments, environment,
//! descriptors and exit statuses, and no isolation at all.
//!
//! One call passes through the files in this order: `args` → the crate `policy` → `decide` → `call`,
//! which joins the local side and `called_side`, both by the crate `qrexec`. The called side is this program again, in
//! another `role`: `serve` becomes the service that `lookup` finds; before that `disposable` makes
//! a `fresh_qube` if need be. `status` says how it all ended.

mod args;
mod call;
mod called_side;
mod decide;
mod disposable;
mod fresh_qube;
mod local_qubes;
mod lookup;
mod password_entry;
mod qubes_db;
mod role;
mod serve;

use std::env;
use std::process::ExitCode;

use crate::role::Role;
use program::failure::{Failure, end, pass_on};

fn main() -> ExitCode {
    program::log::to_stderr("qrexec-loopback");
    let mut arguments = env::args_os();
    let _own_name = arguments.next();
    let ended = match Role::parse(arguments) {
        Some(Ok(role)) => play(role),
        Some(Err(failure)) => Err(failure),
        None => args::parse().and_then(|request| call::make(&request)),
    };
    end("qrexec-loopback", ended.and_then(pass_on))
}

/// Does what the called side was started for; its status.
fn play(role: Role) -> Result<u8, Failure> {
    match role {
        Role::Serve(call) => Err(serve::become_service(&call)),
        Role::Disposable {
            source,
            template,
            service,
            control,
        } => disposable::serve(&source, template.as_ref(), &service, control),
    }
}
