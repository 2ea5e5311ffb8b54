//! The folder of a disposable: `dispNNNN`, made as a copy of its template, and removed.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::{self, Command, Stdio};

use program::failure::Failure;
use qfile_proto::QubeName;

use crate::local_qubes::{DEFAULT_TEMPLATE, LocalQubes};

/// Makes a fresh qube: what its template holds, else an empty home.
///
/// # Errors
/// The step that failed; nothing is left behind.
pub(crate) fn make(qubes: &LocalQubes, template: Option<&QubeName>) -> Result<QubeName, Failure> {
    let qube = claim_name(qubes)?;
    let template = match template {
        Some(template) => qubes.folder(template),
        None => qubes.root().join(DEFAULT_TEMPLATE),
    };
    let folder = qubes.folder(&qube);
    let filled = if template.join("home").is_dir() {
        let contents = template.join(".");
        run(Command::new("cp")
            .arg("-a")
            .arg("--")
            .args([&contents, &folder]))
    } else {
        DirBuilder::new()
            .mode(0o700)
            .create(qubes.home(&qube))
            .map_err(Failure::of("cannot make its home"))
    };
    if let Err(error) = filled {
        remove(&folder)?;
        return Err(error);
    }
    Ok(qube)
}

/// Makes the folder of a qube whose name is not in use.
fn claim_name(qubes: &LocalQubes) -> Result<QubeName, Failure> {
    const NUMBERS: u32 = 9999;
    // Starting at the process id keeps two disposables that follow each other apart.
    for attempt in 0..NUMBERS {
        let number = (process::id() % NUMBERS + attempt) % NUMBERS + 1;
        let Some(qube) = QubeName::parse(format!("disp{number}").as_bytes()) else {
            continue;
        };
        match DirBuilder::new().mode(0o700).create(qubes.folder(&qube)) {
            Ok(()) => return Ok(qube),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).map_err(Failure::of("cannot make its folder")),
        }
    }
    Err(Failure::new("all names of disposables are in use"))
}

/// Removes a qube. By `rm`, which does not run out of descriptors in deep folders.
///
/// # Errors
/// What `rm` says.
pub(crate) fn remove(folder: &Path) -> Result<(), Failure> {
    let rm = || run(Command::new("rm").arg("-rf").arg("--").arg(folder));
    rm().or_else(|_| {
        // A copied folder may be read-only.
        run(Command::new("chmod")
            .args(["-R", "u+rwX", "--"])
            .arg(folder))?;
        rm()
    })
    .map_err(Failure::of(format_args!(
        "cannot remove {}",
        text::file(folder)
    )))
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let ended = command
        .stdin(Stdio::null())
        .output()
        .map_err(Failure::of(format_args!("cannot start {program}")))?;
    match ended.status.success() {
        true => Ok(()),
        false => {
            Err(Failure::new(format_args!("{program} failed")).because(text::own(&ended.stderr)))
        }
    }
}
