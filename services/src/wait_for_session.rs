//! The service qubes.WaitForSession: waits until the graphical session of the user is there, then until
//! the services of the user have been started.
//!
//! Nothing is read from stdin, to which some callers write the name of a user.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::{Uid, User};
use program::failure::Failure;
use program::new_names::NewNames;
use program::programs::find_in_path;
use program::say::say;
use qrexec::status;
use qubesdb::{Address, Client};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, getuid, pidfd_open};
use rustix::stdio::stdout;
use text::{foreign, line, own};

/// The name of the program.
pub const NAME: &str = "qubes-wait-for-session";

/// The variable with the longest time to wait, in seconds. Without it there is no limit.
const LIMIT_VARIABLE: &str = "QUBES_SESSION_TIMEOUT";
/// The user of the session, where QubesDB does not say.
const DEFAULT_USER: &str = "user";

/// Waits.
///
/// # Errors
/// What is still missing when the time is over or the caller is gone. With the status of `systemctl`:
/// not all services of the user run.
pub fn serve() -> Result<(), Failure> {
    let deadline = limit(env::var_os(LIMIT_VARIABLE))?.map(|limit| Instant::now() + limit);
    let waiting = Waiting { deadline };
    let (is_wanted, user) = asked_of_qubesdb(&qubesdb::folder());
    // Programs of dom0 have this one.
    if is_wanted && find_in_path("qrexec-client").is_none() {
        waiting.for_file(&qubesdb::folder(), &format!("qrexec-server.{user}.sock"))?;
    }
    let is_own_session = User::from_name(&user)
        .ok()
        .flatten()
        .is_some_and(|user| user.uid == Uid::from_raw(getuid().as_raw()));
    match find_in_path("systemctl") {
        Some(systemctl) if is_own_session => waiting.for_services(&systemctl),
        _ => Ok(()),
    }
}

/// The time that a variable allows.
fn limit(value: Option<OsString>) -> Result<Option<Duration>, Failure> {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let seconds: Option<u32> = value.to_str().and_then(|value| value.parse().ok());
    match seconds {
        Some(seconds) => Ok(Some(Duration::from_secs(u64::from(seconds)))),
        None => Err(Failure::new(format_args!(
            "{LIMIT_VARIABLE} is \"{}\", which is not a number of seconds",
            own(value.as_encoded_bytes())
        ))),
    }
}

/// Whether there will be a session at all, and whose. Without a daemon there is nothing to wait for.
fn asked_of_qubesdb(folder: &Path) -> (bool, String) {
    let default = || DEFAULT_USER.to_owned();
    let Ok(mut client) = Client::open(Address::of_this_qube(folder).for_reading()) else {
        return (false, default());
    };
    let mut read = |path: &'static [u8]| {
        let value = client.read(&qubesdb::Path::key(path).ok()?).ok()?;
        String::from_utf8(value.as_bytes().to_vec()).ok()
    };
    let is_wanted = read(b"/qubes-gui-enabled").is_none_or(|value| value == "True");
    let user = read(b"/default-user").filter(|user| !user.is_empty() && !user.contains('/'));
    (is_wanted, user.unwrap_or_else(default))
}

/// How long it may take.
struct Waiting {
    deadline: Option<Instant>,
}

impl Waiting {
    /// Waits until there is `name` in `folder`.
    fn for_file(&self, folder: &Path, name: &str) -> Result<(), Failure> {
        let attempted = || format!("cannot watch {}", text::file(folder));
        let path = folder.join(name);
        let missing = || {
            format!(
                "the graphical session has not been started: there is no {}",
                foreign(path.as_os_str().as_encoded_bytes())
            )
        };
        let failed = |error: Errno| Failure::of(attempted())(error);
        let new_names = NewNames::of(folder).map_err(failed)?;
        while fs::symlink_metadata(&path).is_err() {
            self.until_ready(new_names.as_fd(), missing)?;
            new_names.forget();
        }
        Ok(())
    }

    /// Waits until the manager of the user's services has started all of them.
    fn for_services(&self, systemctl: &Path) -> Result<(), Failure> {
        let missing = || "not all services of the user have been started".to_owned();
        let mut waiting = of_the_user(systemctl, &["--wait", "is-system-running"])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Failure::of("cannot start systemctl"))?;
        let ended = self.until_ended(&waiting, missing);
        if ended.is_err() {
            let _has_ended = waiting.kill();
        }
        let output = waiting
            .wait_with_output()
            .map_err(Failure::of("cannot wait for systemctl"))?;
        ended?;
        let state = output.stdout.trim_ascii();
        // Systemd has not started this system.
        if output.status.success() || state == b"offline" {
            return Ok(());
        }
        let mut failed = of_the_user(systemctl, &["--failed", "--plain", "--no-legend"]);
        let failed = failed.arg("--no-pager").stderr(Stdio::null()).output();
        let units = failed.map(|failed| failed.stdout).unwrap_or_default();
        for unit in units
            .split(|byte| *byte == b'\n')
            .filter(|unit| !unit.is_empty())
        {
            say(format_args!("{NAME}: {}", line(unit)));
        }
        Err(Failure::new("services of the user failed, or do not run")
            .because(format_args!("systemctl says \"{}\"", foreign(state)))
            .with_status(status::of_process(output.status)))
    }

    fn until_ended(&self, child: &Child, missing: impl Fn() -> String) -> Result<(), Failure> {
        let end = pidfd_open(Pid::from_child(child), PidfdFlags::empty())
            .map_err(Failure::of("cannot wait for systemctl"))?;
        self.until_ready(end.as_fd(), missing)
    }

    /// Waits until `descriptor` can be read, the caller is gone, or the time is over.
    fn until_ready(
        &self,
        descriptor: BorrowedFd<'_>,
        missing: impl Fn() -> String,
    ) -> Result<(), Failure> {
        loop {
            let left = self
                .deadline
                .map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let timeout = left.and_then(|left| Timespec::try_from(left).ok());
            let mut polled = [
                PollFd::from_borrowed_fd(descriptor, PollFlags::IN),
                // Only whether nobody can read it any more.
                PollFd::from_borrowed_fd(stdout(), PollFlags::empty()),
            ];
            match poll(&mut polled, timeout.as_ref()) {
                Ok(0) => {
                    return Err(Failure::new(missing()).because(format_args!(
                        "the time limit that {LIMIT_VARIABLE} sets was reached"
                    )));
                }
                Ok(_) if !polled[0].revents().is_empty() => return Ok(()),
                Ok(_) => return Err(Failure::new(missing()).because("the caller has gone")),
                Err(Errno::INTR) => {}
                Err(error) => return Err(Failure::of("cannot wait")(error)),
            }
        }
    }
}

/// `systemctl --user`, which finds the manager of the own user also where nothing but the uid is known.
fn of_the_user(systemctl: &Path, arguments: &[&str]) -> Command {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    let folder = set("XDG_RUNTIME_DIR").map_or_else(
        || PathBuf::from(format!("/run/user/{}", getuid().as_raw())),
        PathBuf::from,
    );
    let mut bus = OsString::from("unix:path=");
    bus.push(folder.join("bus"));
    let mut command = Command::new(systemctl);
    command
        .arg("--user")
        .args(arguments)
        .env(
            "DBUS_SESSION_BUS_ADDRESS",
            set("DBUS_SESSION_BUS_ADDRESS").unwrap_or(bus),
        )
        .env("XDG_RUNTIME_DIR", folder)
        .stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another process writes it: were it open for writing here, a program that another test starts at
    /// that moment would inherit the descriptor, and it could not be executed (`ETXTBSY`).
    fn systemctl(folder: &Path, script: &str) -> PathBuf {
        let path = folder.join("systemctl");
        let made = Command::new("sh")
            .args([
                "-c",
                "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$0\" && chmod 755 \"$0\"",
            ])
            .arg(&path)
            .arg(script)
            .status();
        assert!(made.unwrap().success());
        path
    }

    #[test]
    fn the_status_of_systemctl_is_passed_on_and_the_failed_units_are_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let told = folder.path().join("told");
        let script = format!(
            "echo \"$*\" >>'{}'; case $* in *--wait*) echo degraded; exit 3;; esac",
            told.display()
        );
        let systemctl = systemctl(folder.path(), &script);
        let waiting = Waiting { deadline: None };
        let failure = waiting.for_services(&systemctl).unwrap_err();
        assert_eq!(failure.status(), 3);
        assert!(failure.reason().contains("\"degraded\""), "{failure}");
        assert_eq!(
            fs::read_to_string(&told).unwrap(),
            "--user --wait is-system-running\n--user --failed --plain --no-legend --no-pager\n"
        );
    }

    #[test]
    fn all_is_well_when_systemctl_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let script = "[ -n \"$XDG_RUNTIME_DIR\" ] && [ -n \"$DBUS_SESSION_BUS_ADDRESS\" ]";
        let systemctl = systemctl(folder.path(), script);
        Waiting { deadline: None }.for_services(&systemctl).unwrap();
    }

    #[test]
    fn where_systemd_does_not_run_there_is_nothing_to_wait_for() {
        let folder = tempfile::tempdir().unwrap();
        let systemctl = systemctl(folder.path(), "echo offline; exit 1");
        Waiting { deadline: None }.for_services(&systemctl).unwrap();
    }

    #[test]
    fn systemctl_is_not_waited_for_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let systemctl = systemctl(folder.path(), "exec tail -f /dev/null");
        let waiting = Waiting {
            deadline: Some(Instant::now()),
        };
        let failure = waiting.for_services(&systemctl).unwrap_err();
        assert!(failure.reason().contains(LIMIT_VARIABLE), "{failure}");
    }

    #[test]
    fn a_limit_is_a_number_of_seconds_or_none() {
        let of = |value: &str| limit(Some(value.into())).ok();
        assert_eq!(limit(None).unwrap(), None);
        assert_eq!(of(""), Some(None));
        assert_eq!(of("90"), Some(Some(Duration::from_secs(90))));
        for wrong in ["-1", "1.5", "1m", "x", "99999999999999999999"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
