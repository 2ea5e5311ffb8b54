//! From the command line to the end.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use program::command_line;
use program::failure::{Failure, end};
use qubesdb::folder;
use rustix::process::setsid;
use vchan_socket::{Link, Name, QUBESDB_PORT, SocketLink, environment};

use crate::args::Args;
use crate::confine;
use crate::core::Core;
use crate::files::{self, Plan};
use crate::limits::Limits;
use crate::peer::Role;
use crate::ready::{self, Listener};
use crate::server::{self, Server};

/// Runs the daemon; its exit status.
#[must_use]
pub fn main() -> ExitCode {
    let args = match command_line::parse::<Args>() {
        Ok(args) => args,
        Err(status) => return status,
    };
    let ended = match Listener::of(&args) {
        Some(listener) => serve(&args, &listener),
        None => ready::start_in_background(&args),
    };
    end("qubesdb-daemon", ended)
}

fn serve(args: &Args, listener: &Listener) -> Result<(), Failure> {
    // A process that leads a group already, such as one that systemd has started, stays what it is.
    let _own_session = setsid();
    // From here on a signal is heard by the event loop.
    let signals = server::signals()?;
    let (role, link) = other_side(args)?;
    let mut limits = Limits::default();
    limits.clients = limits.clients.min(confine::descriptors_for_clients());
    let folder = folder();
    let plan = Plan {
        folder: &folder,
        name: args.name.as_ref(),
        read_write_mode: args.rw_socket_perms,
    };
    let (files, listeners) = files::make(&plan)?;
    confine::confine(&folder)?;
    let server = Server {
        core: Core::new(role, limits),
        limits,
        listeners,
        link,
        signals,
        ends_with_stdin: args.end_with_stdin,
        first_sync: Duration::from_secs(args.first_sync),
    };
    let ended = server.run(|| {
        let told = listener.tell();
        told.map_err(Failure::of("cannot tell that clients are served"))
    });
    drop(files);
    ended
}

type OtherSide = (Role, Option<Box<dyn Link>>);

fn other_side(args: &Args) -> Result<OtherSide, Failure> {
    let (folder, own) = environment();
    let name = |server, client| Name {
        folder: folder.clone(),
        server,
        client,
        port: QUBESDB_PORT,
    };
    let (role, name, link): (_, _, fn(&Name) -> io::Result<SocketLink>) = match &args.name {
        name if args.alone || (name.is_some() && args.domid == 0) => {
            return Ok((Role::Alone, None));
        }
        Some(_) => (Role::Dom0, name(own, args.domid), SocketLink::listen),
        None => {
            let role = Role::Qube {
                drop_missing: args.drop_missing,
            };
            (role, name(args.domid, own), SocketLink::connect)
        }
    };
    let link = link(&name).map_err(|error| {
        let path = name.path();
        Failure::new(format_args!("cannot make the link {}", text::file(&path)))
            .because(error)
            .advise("VCHAN_SOCKET_DIR names the folder of these sockets")
    })?;
    Ok((role, Some(Box::new(link))))
}
