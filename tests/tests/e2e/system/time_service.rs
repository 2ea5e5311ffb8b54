//! qubes.SyncNtpClock, with a real chrony that asks another one in a network of the test's own. Neither
//! touches the clock (`chronyd -x`).
//!
//! systemd and ntpd do not run in a test, so scripts stand in for `systemctl` and `ntpq`.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::Command;

use qfile_tests::cannot_run::needs_program;
use qfile_tests::changes;
use qfile_tests::clock::{Guard, needs_guard};
use qfile_tests::interfaces::script;
use qfile_tests::network::{Namespace, needs_networks};
use qfile_tests::own_root::in_own_root;
use qfile_tests::process::{Finished, Running, run};
use qfile_tests::programs::program;
use qfile_tests::suite;
use qfile_tests::user::{mount_tmpfs, needs_private_mounts};

suite! {
    chrony_asks_its_servers [needs_networks, needs_private_mounts, needs_guard, needs_chrony],
    chrony_without_a_server_is_told [needs_networks, needs_private_mounts, needs_guard, needs_chrony],
    systemd_is_restarted_and_waited_for [needs_private_mounts],
    ntpd_is_waited_for [needs_private_mounts],
    what_is_missing_is_named [needs_private_mounts],
}

fn needs_chrony() -> Result<(), String> {
    let is_there = Path::new("/usr/sbin/chronyd").exists();
    is_there
        .then_some(())
        .ok_or_else(|| "needs chrony".to_owned())
        .and_then(|()| needs_program("chronyc"))
}

/// Runs `body` with a `/run` of its own.
fn in_qube(body: impl FnOnce() + Send) {
    in_own_root(|| {
        mount_tmpfs(Path::new("/run"), 8 << 20, "");
        body();
    });
}

/// A chronyd that never touches the clock. It ends with this.
struct Chrony {
    running: Option<Running>,
    /// The folder of its notes.
    _guard: Guard,
}

impl Chrony {
    fn start(folder: &str, settings: &str) -> Self {
        let folder = Path::new(folder);
        // chronyd wants that nobody else can reach its socket.
        DirBuilder::new().mode(0o750).create(folder).unwrap();
        let settings = format!("{settings}\ncmdport 0\npidfile {}/pid\n", folder.display());
        fs::write(folder.join("conf"), settings).unwrap();
        let mut command = Command::new("/usr/sbin/chronyd");
        command.args(["-x", "-d", "-u", "root", "-f"]);
        command.arg(folder.join("conf"));
        let guard = Guard::new();
        Self {
            running: Some(Running::start(guard.around(&command))),
            _guard: guard,
        }
    }
}

impl Drop for Chrony {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            // strace passes the signal on.
            let pid = rustix::process::Pid::from_child(&running.child);
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::TERM);
            let _ = running.child.wait();
        }
    }
}

fn synchronise(options: &[&str]) -> Finished {
    let mut command = Command::new(program("qubes-sync-ntp-clock"));
    command
        .args(options)
        .env("PATH", "/run/stand-ins:/usr/sbin:/usr/bin:/sbin:/bin");
    run(command)
}

fn with_chrony(settings: &str, body: impl FnOnce() + Send) {
    in_qube(|| {
        let network = Namespace::new();
        network.ip("link set lo up");
        network.run(|| {
            let _server = Chrony::start(
                "/run/server",
                "local stratum 8\nport 11123\nbindaddress 127.0.0.1\nallow\n\
                 bindcmdaddress /run/server/socket",
            );
            let _client = Chrony::start("/run/chrony", settings);
            changes::until(Path::new("/run/chrony"), || {
                Path::new("/run/chrony/chronyd.sock").exists()
            });
            body();
        });
    });
}

fn chrony_asks_its_servers() {
    with_chrony("server 127.0.0.1 port 11123 minpoll 4\nport 0", || {
        synchronise(&[]).assert_code(0);
        let tracking = tracking_now();
        assert!(tracking.starts_with("7F000001,"), "{tracking}");
        // What it measured for the first call is not enough for the second.
        let before = reference(&tracking);
        synchronise(&[]).assert_code(0);
        assert_ne!(reference(&tracking_now()), before);
    });
}

fn tracking_now() -> String {
    let tracking = Command::new("chronyc")
        .args(["-n", "-c", "tracking"])
        .output();
    String::from_utf8(tracking.unwrap().stdout).unwrap()
}

/// When chrony got the last answer of a server.
fn reference(tracking: &str) -> String {
    tracking.split(',').nth(3).unwrap_or_default().to_owned()
}

fn chrony_without_a_server_is_told() {
    with_chrony("port 0", || {
        let finished = synchronise(&["--timeout", "1ms"]);
        finished.assert_code(1);
    });
}

fn stand_in(name: &str, text: &str) {
    script(&Path::new("/run/stand-ins").join(name), text);
}

fn systemd_is_restarted_and_waited_for() {
    in_qube(|| {
        stand_in("chronyc", "echo '506 Cannot talk to daemon'; exit 1");
        stand_in(
            "systemctl",
            "echo \"$*\" >>/run/told\n\
             case $1 in is-active) echo active ;;\n\
             restart) mkdir -p /run/systemd/timesync; : >/run/systemd/timesync/synchronized ;;\n\
             esac",
        );
        synchronise(&[]).assert_code(0);
        assert_eq!(
            fs::read_to_string("/run/told").unwrap(),
            "is-active systemd-timesyncd.service\nrestart systemd-timesyncd.service\n"
        );
        // What it said before it was asked again does not count.
        stand_in("systemctl", "echo active");
        let finished = synchronise(&["--timeout", "300ms"]);
        finished.assert_code(1);
        finished.assert_says("systemd-timesyncd did not set the clock: it reached no server");
    });
}

fn ntpd_is_waited_for() {
    in_qube(|| {
        stand_in("chronyc", "exit 1");
        stand_in("systemctl", "echo inactive; exit 3");
        stand_in(
            "ntpq",
            "echo x >>/run/asked; n=$(wc -l </run/asked)\n\
             case $n in 1|2) echo leap=00, reftime=ecd0a1b2.0 Thu, Nov 26 ;;\n\
             3) echo leap=11, reftime=ecd0a1b3.0 ;; *) echo leap=00, reftime=ecd0a1b3.0 ;; esac",
        );
        synchronise(&[]).assert_code(0);
        assert_eq!(fs::read_to_string("/run/asked").unwrap(), "x\n".repeat(4));
    });
}

fn what_is_missing_is_named() {
    in_qube(|| {
        stand_in("chronyc", "echo '506 Cannot talk to daemon'; exit 1");
        stand_in("systemctl", "echo inactive; exit 3");
        stand_in("ntpq", "echo 'ntpq: read: Connection refused' >&2");
        let finished = synchronise(&[]);
        finished.assert_code(1);
        for said in [
            "qubes-sync-ntp-clock: cannot set the clock by the network: no time service runs in this qube",
            "chrony: 506 Cannot talk to daemon",
            "systemd-timesyncd: its unit is \"inactive\"",
            "ntpd: ntpq: read: Connection refused",
        ] {
            finished.assert_says(said);
        }
    });
}
