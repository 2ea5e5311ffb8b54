//! The called side in a qube that exists: this process becomes the service.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{AccessFlags, Uid, access, close, setsid};
use program::failure::Failure;
use program::say::say;
use qfile_proto::QubeName;

use crate::local_qubes::LocalQubes;
use crate::lookup;
use crate::password_entry;
use crate::qubes_db;
use crate::role::Call;
use qrexec::build_tree::BuildTree;
use qrexec::status::{NO_SERVICE, NOT_EXECUTED};

/// What of the caller's environment the service sees too, because here both qubes share one
/// machine: its programs, its desktop, and the settings of this project.
const SHARED_VARIABLES: [&str; 16] = [
    "PATH",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "TZ",
    "TMPDIR",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "XDG_DATA_DIRS",
    "DBUS_SESSION_BUS_ADDRESS",
    "QREXEC_CLIENT_VM",
    "RUST_LOG",
    "RUST_BACKTRACE",
];
const SHARED_PREFIXES: [&str; 4] = ["LC_", "QFILE_", "QREXEC_LOOPBACK_", "VM_FILE_EDITOR_"];

/// Becomes the service. The streams are 0, 1 and 2 already.
///
/// Returns only if that fails: why, with the status that the called side ends with.
pub(crate) fn become_service(call: &Call) -> Failure {
    close_what_the_caller_left_open(None);
    // Keys pressed on the caller's terminal do not reach another qube. A process that has just been
    // started leads no group, so that this does not fail.
    let _own_session = setsid();
    prepare(call).map_or_else(
        |failure| failure,
        |mut service| {
            let error = service.exec();
            Failure::of("cannot execute a shell")(error).with_status(NOT_EXECUTED)
        },
    )
}

/// The login shell that executes the service. Its start-up files may print, as in a qube.
fn prepare(call: &Call) -> Result<Command, Failure> {
    let qubes = LocalQubes::from_env()?;
    let tree = BuildTree::around_this_program();
    let file = service_file(call, &qubes, tree.as_ref())?;
    let home = qubes.home(&call.qube);
    enter(&home, &call.qube)?;
    let argument = Some(call.service.argument()).filter(|argument| !argument.is_empty());
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-lc", r#"exec "$0" "$@""#])
        .arg(file)
        .args(argument)
        .env_clear();
    let folders = lookup::folders(&qubes.folder(&call.qube), tree.as_ref());
    if let Ok(folders) = env::join_paths(folders) {
        shell.env("QREXEC_SERVICE_PATH", folders);
    }
    if let Some(tree) = tree {
        // The service files of a build tree start the programs of that tree, unless told otherwise.
        shell.env("QFILE_LIBDIR", tree.programs);
    }
    shell
        .envs(env::vars_os().filter(|(name, _)| is_shared(name)))
        .env("HOME", home)
        .env(
            qubesdb::FOLDER_VARIABLE,
            qubes_db::folder(&qubes, &call.qube),
        )
        .env("QREXEC_LOOPBACK_ROOT", qubes.root())
        .env("QREXEC_LOOPBACK_QUBE", call.qube.as_str())
        .env("QREXEC_REMOTE_DOMAIN", call.source.as_str())
        .env("QREXEC_SERVICE_FULL_NAME", call.service.to_string())
        .env("QREXEC_SERVICE_ARGUMENT", call.service.argument())
        .env("QREXEC_REQUESTED_TARGET_TYPE", "");
    Ok(shell)
}

fn service_file(
    call: &Call,
    qubes: &LocalQubes,
    tree: Option<&BuildTree>,
) -> Result<PathBuf, Failure> {
    let Call { qube, service, .. } = call;
    let file = lookup::find(service, &qubes.folder(qube), tree).ok_or_else(|| {
        Failure::new(format_args!("no service {service} in {qube}")).with_status(NO_SERVICE)
    })?;
    access(&file, AccessFlags::X_OK).map_err(|error| {
        let file = text::file(&file);
        Failure::new(format_args!("cannot execute {file}"))
            .because(error)
            .with_status(NOT_EXECUTED)
    })?;
    Ok(file)
}

fn enter(home: &Path, qube: &QubeName) -> Result<(), Failure> {
    env::set_current_dir(home).map_err(|error| {
        Failure::new(format_args!("{qube} has no home folder"))
            .because(error)
            .with_status(NOT_EXECUTED)
    })?;
    if Uid::effective().is_root() {
        if let Err(failure) = password_entry::set_home(home) {
            // No reason to fail: what goes by HOME still works.
            say(format_args!(
                "qrexec-loopback: for programs that go by the password database, root's home \
                 folder in {qube} is root's own: {}",
                failure.reason()
            ));
        }
    }
    Ok(())
}

fn is_shared(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    let starts_as = |prefix: &&str| bytes.starts_with(prefix.as_bytes());
    SHARED_VARIABLES.iter().any(|shared| name == *shared) || SHARED_PREFIXES.iter().any(starts_as)
}

/// Closes all descriptors but the three streams and `but`: nothing of the caller's gets into
/// another qube, where a copy would also keep the caller's pipes from ending.
pub(crate) fn close_what_the_caller_left_open(but: Option<RawFd>) {
    let number = |name: OsString| name.to_str()?.parse::<RawFd>().ok();
    let open = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    let open: Vec<_> = open.filter_map(|entry| number(entry.file_name())).collect();
    for descriptor in open {
        if descriptor > 2 && Some(descriptor) != but {
            // The descriptor of the listing itself is among them, and closed by now.
            let _gone = close(descriptor);
        }
    }
}
