//! Measures copies between machines over one real sshd: `tar`, `scp`, `rsync` and ours, with the same
//! keys and the same cipher, in alternating runs. Both ends are in memory. Exit status 1: a target is
//! missed.
//!
//! `remote FOLDER`: the folder of the built programs. `BENCH_QUICK=1`: less material.

use std::env;
use std::fs::{self, File, Permissions};
use std::io::{BufWriter, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Uid, User};

const NONE: Option<&str> = None;

fn main() -> Result<ExitCode> {
    let programs = env::args_os().nth(1).context("usage: remote FOLDER")?;
    let programs = fs::canonicalize(programs)?;
    for program in ["ssh", "scp", "rsync", "tar", "ssh-keygen", "/usr/sbin/sshd"] {
        let found = Command::new("sh")
            .args(["-c", r#"command -v "$0" >/dev/null"#, program])
            .status()?;
        if !found.success() {
            say(format_args!(
                "copies between machines are not measured: there is no {program}"
            ));
            return Ok(ExitCode::SUCCESS);
        }
    }
    let place = tempfile::tempdir_in("/dev/shm").context("there is no /dev/shm")?;
    let place = Place::new(place.path(), &programs)?;
    let quick = env::var_os("BENCH_QUICK").is_some();
    let (mib, files, rounds) = if quick {
        (64, 2_000, 3)
    } else {
        (1024, 20_000, 5)
    };
    place.fill(mib, files)?;

    // Whatever the folder is in which a command starts there.
    let far = place.root.join("far/in");
    let far = far.display();
    let copy = |what: &str| {
        [
            (
                "tar | ssh tar",
                format!("tar -C near -c {what} | ./ssh plain tar -C {far} -x"),
            ),
            (
                "rsync -a",
                format!("rsync -a -e ./ssh near/{what} plain:{far}/"),
            ),
            (
                "scp -r",
                format!("scp -q -r -S ./ssh near/{what} plain:{far}/"),
            ),
            (
                "qvm-copy-to-vm",
                format!("./qvm-copy-to-vm server near/{what}"),
            ),
        ]
    };
    let mut missed = false;
    let mut judge = |what: &str, ours: f64, most: f64| {
        let is_missed = ours > most;
        missed |= is_missed;
        let mark = if is_missed { "MISSED" } else { "ok" };
        say(format_args!("    {what}: {ours:.2}, target {most}: {mark}"));
    };
    let big = place.contest(&format!("one file of {mib} MiB"), &copy("big"), rounds)?;
    judge("ours / tar", big[3] / big[0], 1.05);
    let small = place.contest(&format!("{files} small files"), &copy("small"), rounds)?;
    judge("ours / tar", small[3] / small[0], 1.1);
    judge("ours / scp", small[3] / small[2], 0.3);
    let one = [
        ("ssh true", "./ssh plain true".to_owned()),
        (
            "qvm-copy-to-vm",
            "./qvm-copy-to-vm server near/one".to_owned(),
        ),
    ];
    let one = place.contest("one byte", &one, 4 * rounds)?;
    judge("ours - ssh true, ms", (one[1] - one[0]) * 1e3, 30.0);
    Ok(if missed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// A machine in memory with two accounts' keys: one that opens a shell, and one that is bound to
/// `qrexec-ssh-serve`.
struct Place {
    root: PathBuf,
    programs: PathBuf,
    /// The one sshd of all runs, once it has been started.
    sshd: Option<Child>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(sshd) = &mut self.sshd {
            // It may have ended by itself.
            let _ended = sshd.kill();
            let _status = sshd.wait();
        }
    }
}

impl Place {
    fn new(root: &Path, programs: &Path) -> Result<Self> {
        let mut place = Self {
            root: root.to_owned(),
            programs: programs.to_owned(),
            sshd: None,
        };
        let policy = root.join("far/.config/qfile/policy.d");
        for folder in [&policy, &root.join("far/in"), &root.join("near")] {
            fs::create_dir_all(folder)?;
        }
        place.write(&policy.join("30.policy"), "* * * @default allow\n", 0o644)?;
        if Uid::effective().is_root() {
            place.own_passwd()?;
        }
        for key in ["host", "plain", "bound"] {
            place.sh(&format!("ssh-keygen -q -t ed25519 -N '' -C {key} -f {key}"))?;
        }
        let shown = root.display();
        let bin = programs.display();
        let rpc = fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/../../rpc"))?;
        place.sh(&format!(
            "{{ cat plain.pub; {bin}/qrexec-ssh-serve --as laptop --services {} --key-line bound.pub; }} \
             >authorized_keys; chmod go-w . far far/.config/qfile/policy.d",
            rpc.display()
        ))?;
        // Free by the time sshd asks for it, as far as anybody can know.
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {shown}/host\nAuthorizedKeysFile {shown}/authorized_keys\nStrictModes no\nUsePAM no\n\
             PidFile none\nSubsystem sftp internal-sftp\nPermitRootLogin yes\n\
             SetEnv HOME={shown}/far QFILE_LIBDIR={bin}\n"
        );
        place.write(&root.join("sshd_config"), &config, 0o644)?;
        let config = format!(
            "Host plain\n  IdentityFile {shown}/plain\nHost server\n  IdentityFile {shown}/bound\n\
             Host *\n  HostName 127.0.0.1\n  Port {port}\n  IdentitiesOnly yes\n  \
             UserKnownHostsFile {shown}/known_hosts\n  HostKeyAlias far\n"
        );
        place.write(&root.join("ssh_config"), &config, 0o644)?;
        let ssh = format!("#!/bin/sh\nexec ssh -F {shown}/ssh_config \"$@\"\n");
        place.write(&root.join("ssh"), &ssh, 0o755)?;
        place.sh("echo \"far $(cat host.pub)\" >known_hosts")?;
        place.sh(&format!("ln -s {bin}/qvm-copy qvm-copy-to-vm"))?;
        let mut sshd = Command::new("/usr/sbin/sshd");
        sshd.args(["-D", "-e", "-f"])
            .arg(root.join("sshd_config"))
            .stdin(Stdio::null())
            .stderr(File::create(root.join("sshd.log"))?);
        let sshd = place.sshd.insert(sshd.spawn()?);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || fs::read_to_string(root.join("sshd.log")).unwrap_or_default();
            ensure!(sshd.try_wait()?.is_none(), "sshd has ended: {}", log());
            thread::yield_now();
        }
        Ok(place)
    }

    /// The receiver believes the password database about the home of root, and sshd of root wants a
    /// folder in /run.
    fn own_passwd(&self) -> Result<()> {
        unshare(CloneFlags::CLONE_NEWNS).context("cannot have mounts of our own")?;
        let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
        mount(NONE, "/", NONE, private, NONE)?;
        let user = User::from_uid(Uid::effective())?.context("root has no password entry")?;
        let passwd = fs::read_to_string("/etc/passwd")?;
        let home = format!(":{}:", user.dir.display());
        let own = format!(":{}/far:", self.root.display());
        let lines = passwd.lines().map(|line| match line.starts_with("root:") {
            true => line.replacen(&home, &own, 1) + "\n",
            false => format!("{line}\n"),
        });
        let file = self.root.join("passwd");
        self.write(&file, &lines.collect::<String>(), 0o644)?;
        mount(Some(&file), "/etc/passwd", NONE, MsFlags::MS_BIND, NONE)?;
        mount(
            Some("tmpfs"),
            "/run",
            Some("tmpfs"),
            MsFlags::empty(),
            Some("mode=755"),
        )?;
        fs::create_dir("/run/sshd")?;
        Ok(())
    }

    fn write(&self, path: &Path, text: &str, mode: u32) -> Result<()> {
        fs::write(path, text)?;
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        Ok(())
    }

    fn fill(&self, mib: u64, files: u32) -> Result<()> {
        let near = self.root.join("near");
        let mut big = BufWriter::new(File::create(near.join("big"))?);
        let mut state: u64 = 1;
        for _ in 0..mib << 17 {
            // What compression finds nothing in: splitmix64.
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            big.write_all(&(mixed ^ (mixed >> 27)).to_le_bytes())?;
        }
        big.flush()?;
        for number in 0..files {
            let folder = near.join(format!("small/{}", number / 200));
            if number % 200 == 0 {
                fs::create_dir_all(&folder)?;
            }
            fs::write(
                folder.join(number.to_string()),
                format!("{number}\n").repeat(80),
            )?;
        }
        fs::write(near.join("one"), "1")?;
        Ok(())
    }

    /// The medians of alternating runs, in seconds.
    fn contest(&self, what: &str, lines: &[(&str, String)], rounds: usize) -> Result<Vec<f64>> {
        say(format_args!("{what}, medians of {rounds}"));
        let mut times = vec![Vec::new(); lines.len()];
        // The first one warms up.
        for round in 0..=rounds {
            for ((_, line), times) in lines.iter().zip(&mut times) {
                self.sh("rm -rf far/in far/QubesIncoming; mkdir far/in")?;
                let began = Instant::now();
                self.sh(line)?;
                if round > 0 {
                    times.push(began.elapsed());
                }
            }
        }
        let median = |times: &mut Vec<Duration>| {
            times.sort_unstable();
            times[times.len() / 2].as_secs_f64()
        };
        let medians: Vec<f64> = times.iter_mut().map(median).collect();
        for ((name, _), median) in lines.iter().zip(&medians) {
            say(format_args!("    {name:16} {median:8.3} s"));
        }
        Ok(medians)
    }

    fn sh(&self, line: &str) -> Result<()> {
        let done = Command::new("sh")
            .args(["-ec", line])
            .current_dir(&self.root)
            .env("HOME", self.root.join("near"))
            .env("PROGRESS_TYPE", "")
            .env("QFILE_LIBDIR", &self.programs)
            .env("QREXEC_CLIENT_VM", self.programs.join("qrexec-ssh"))
            .env("QREXEC_SSH", self.root.join("ssh"))
            .stdin(Stdio::null())
            .output()?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "{line}: {}: {said}", done.status);
        Ok(())
    }
}

#[expect(clippy::print_stdout, reason = "this is what the benchmark is for")]
fn say(line: std::fmt::Arguments<'_>) {
    println!("{line}");
}
