//! `--legacy`: the rules of Qubes OS 3.x, which dom0 wrote for a qube of that time: texts for
//! iptables. Nothing of them is understood here; each is tried by `iptables-restore --test` before
//! it is used.

use std::io::Write as _;
use std::process::{Command, Stdio};

use program::failure::Failure;
use program::programs::find_in_path;
use qubesdb::{Address, Client, Error, Event, Path, Value, folder};

use crate::systemd::Systemd;

/// Written to by dom0 when the rules are there.
const TRIGGER: &str = "/qubes-iptables";

/// What is applied first.
const HEADER: &str = "/qubes-iptables-header";

/// The rules of each qube.
const RULES: &str = "/qubes-iptables-domainrules/";

/// What went wrong, for dom0.
const ERROR: &str = "/qubes-iptables-error";

/// What dom0 writes to the trigger.
const RELOAD: &[u8] = b"reload";

/// Applies the rules whenever dom0 says so.
pub(crate) fn run() -> Result<(), Failure> {
    let cannot = |error: Error| Failure::new("cannot ask QubesDB").because(error);
    let mut db = Client::open(Address::of_this_qube(&folder())).map_err(cannot)?;
    let trigger = path(TRIGGER);
    db.watch(&trigger).map_err(cannot)?;
    apply_all(&mut db)?;
    Systemd::from_environment().ready();
    loop {
        let is_wanted = match db.next_event(None).map_err(cannot)? {
            Event::Reconnected => true,
            Event::Changed(_) => db
                .read(&trigger)
                .is_ok_and(|value| value.as_bytes() == RELOAD),
        };
        if is_wanted {
            apply_all(&mut db)?;
        }
    }
}

fn path(text: &str) -> Path {
    text.parse().unwrap_or(Path::EMPTY)
}

/// Applies the header, then the rules of each qube. The first error ends it, and is written down:
/// what comes later is not applied, and the header's policy drops it.
fn apply_all(db: &mut Client) -> Result<(), Failure> {
    let said = match apply(db) {
        Ok(()) => String::new(),
        Err(why) => {
            program::say::say(format_args!("qubes-firewall: {why}"));
            why
        }
    };
    let said = Value::parse(said.as_bytes()).unwrap_or_default();
    db.write(&path(ERROR), &said)
        .map_err(|error| Failure::new("cannot write to QubesDB").because(error))
}

fn apply(db: &mut Client) -> Result<(), String> {
    let not_read = |what: &str, error: Error| format!("cannot read \"{what}\": {error}");
    let header = db
        .read(&path(HEADER))
        .map_err(|error| not_read(HEADER, error))?;
    let rules = db
        .multiread(&path(RULES))
        .map_err(|error| not_read(RULES, error))?;
    let header = [(path(HEADER), header)];
    for (key, text) in header.iter().chain(&rules) {
        // The header replaces what there was.
        let is_header = key.as_str() == HEADER;
        restore(text, is_header, true)
            .and_then(|()| restore(text, is_header, false))
            .map_err(|why| format!("\"{key}\" was not applied: {why}"))?;
    }
    Ok(())
}

/// Gives a text to iptables-restore; on a test nothing is changed.
fn restore(untrusted_text: &Value, flushes: bool, is_test: bool) -> Result<(), String> {
    let program = find_in_path("iptables-restore").ok_or("there is no iptables-restore")?;
    let mut command = Command::new(program);
    if !flushes {
        command.arg("--noflush");
    }
    if is_test {
        command.arg("--test");
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start iptables-restore: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // Who has read enough says so by its status.
        let _unread = stdin.write_all(untrusted_text.as_bytes());
        let _unread = stdin.write_all(b"\n");
    }
    let output = child
        .wait_with_output()
        .map_err(|error| format!("cannot hear from iptables-restore: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(text::foreign(&output.stderr)),
    }
}
