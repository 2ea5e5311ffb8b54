//! qubes.SuspendPreAll and qubes.SuspendPostAll: the scripts of the administrator.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::Run;
use program::bounded;

/// The longest time for one script.
const LIMIT: Duration = Duration::from_secs(20);

/// Runs every executable script of a folder in `/etc/qubes`, in the order of the names, one after the
/// other. One that fails keeps none of the others from being run, and is named.
pub(super) fn run_all(run: &mut Run, folder: &str) {
    let path = format!("etc/qubes/{folder}");
    let names = match run.root.names(&path) {
        Ok(names) => names,
        Err(error) => return run.failed(format_args!("look into /{path}"), error),
    };
    for name in names {
        let script = run.root.path(&path).join(&name);
        if !name.ends_with(".sh") || name.starts_with('.') || !is_executable(&script) {
            continue;
        }
        let step = format!("run {}", text::file(&script));
        if !run.has_time(&step) {
            return;
        }
        let deadline = run.deadline.min(Instant::now() + LIMIT);
        let ended = match bounded::run(&mut Command::new(&script), deadline) {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("it ended: {status}")),
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                Err("it took too long and was killed".to_owned())
            }
            Err(error) => Err(error.to_string()),
        };
        run.note(step, ended);
    }
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
