//! Copies between machines over one real sshd: `tar`, `scp`, `rsync` and ours, with the same keys and
//! the same cipher, in alternating runs. Both ends are in memory.

use std::fs::{self, File, Permissions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::Uid;

use super::{left_out, ratio};
use crate::figures::Figures;
use crate::table::{Finding, Row, Unit};
use crate::workplace::{Workplace, mount_passwd, remove};

const NONE: Option<&str> = None;
const OURS: &str = "qvm-copy-to-vm";

pub(crate) fn rows(place: &Workplace) -> Result<Vec<Row>> {
    for program in ["ssh", "scp", "rsync", "tar", "ssh-keygen", "/usr/sbin/sshd"] {
        let script = r#"command -v "$0" >/dev/null"#;
        if !Command::new("sh")
            .args(["-c", script, program])
            .status()?
            .success()
        {
            let work = "a copy to another machine";
            return Ok(left_out(work, "scp", format!("there is no {program}")));
        }
    }
    // A thread can have mounts of its own, so the other topics keep theirs.
    let measured = thread::scope(|scope| scope.spawn(|| measure(place)).join());
    measured.map_err(|_| anyhow!("the measurement panicked"))?
}

fn measure(place: &Workplace) -> Result<Vec<Row>> {
    let root = place.path("remote");
    fs::create_dir_all(&root)?;
    let programs = place.program("qvm-copy");
    let programs = programs.parent().context("a program is in a folder")?;
    let machine = Machine::new(&root, programs)?;
    let (mib, files, rounds) = place.either((1024, 20_000, 5), (64, 2_000, 3));
    machine.fill(mib, files)?;
    let far = root.join("far/in");
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
            (OURS, format!("./{OURS} server near/{what}")),
        ]
    };
    let mut rows = Vec::new();
    let big = machine.contest(&copy("big"), rounds)?;
    let [tar, rsync, scp, ours] = &big.times;
    let work = format!("one file of {mib} MiB over ssh");
    let row = |work: &str, against: &str, target, theirs: &Vec<f64>, ours: &Vec<f64>| {
        ratio(
            work,
            against,
            target,
            [ours.clone(), theirs.clone()],
            String::new(),
        )
    };
    rows.push(Row {
        detail: big.medians(),
        ..row(&work, "tar | ssh tar", Some(1.05), tar, ours)
    });
    rows.push(row(&work, "rsync -a", None, rsync, ours));
    rows.push(row(&work, "scp -r", None, scp, ours));
    let small = machine.contest(&copy("small"), rounds)?;
    let [tar, rsync, scp, ours] = &small.times;
    let work = format!("{files} small files over ssh");
    rows.push(Row {
        detail: small.medians(),
        ..row(&work, "tar | ssh tar", Some(1.1), tar, ours)
    });
    rows.push(row(&work, "rsync -a", None, rsync, ours));
    rows.push(row(&work, "scp -r", Some(0.3), scp, ours));
    let one = [
        ("ssh true", "./ssh plain true".to_owned()),
        (OURS, format!("./{OURS} server near/one")),
    ];
    let one = machine.contest(&one, 4 * rounds)?;
    let [nothing, ours] = &one.times;
    let more = ours
        .iter()
        .zip(nothing)
        .map(|(ours, nothing)| (ours - nothing) * 1e3);
    rows.push(Row {
        work: "one byte over ssh".to_owned(),
        against: "ssh true, what it takes more".to_owned(),
        finding: Finding::Measured {
            figures: Figures::new(more),
            unit: Unit::Milliseconds,
            target: Some(30.0),
        },
        detail: one.medians(),
    });
    remove(&root)?;
    Ok(rows)
}

/// What each command took, in seconds, round by round.
struct Contest<const N: usize> {
    names: [&'static str; N],
    times: [Vec<f64>; N],
}

impl<const N: usize> Contest<N> {
    fn medians(&self) -> String {
        let medians = self.names.iter().zip(&self.times).map(|(name, times)| {
            let median = Figures::new(times.iter().copied()).median();
            format!("{name} {median:.3} s")
        });
        medians.collect::<Vec<_>>().join(", ")
    }
}

/// A machine in memory with two accounts' keys: one that opens a shell, and one that is bound to
/// `qrexec-ssh-serve`.
struct Machine {
    root: PathBuf,
    programs: PathBuf,
}

impl Machine {
    fn new(root: &Path, programs: &Path) -> Result<Self> {
        let place = Self {
            root: root.to_owned(),
            programs: programs.to_owned(),
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
             >authorized_keys; chmod -R go-w . far/.config",
            rpc.display()
        ))?;
        let config = format!(
            "HostKey {shown}/host\nAuthorizedKeysFile {shown}/authorized_keys\nStrictModes no\nUsePAM no\n\
             PidFile none\nSubsystem sftp internal-sftp\nPermitRootLogin yes\n\
             SetEnv HOME={shown}/far QFILE_LIBDIR={bin}\n"
        );
        place.write(&root.join("sshd_config"), &config, 0o644)?;
        let config = format!(
            "Host plain\n  IdentityFile {shown}/plain\nHost server\n  IdentityFile {shown}/bound\n\
             Host *\n  ProxyCommand /usr/sbin/sshd -i -f {shown}/sshd_config\n  IdentitiesOnly yes\n  \
             UserKnownHostsFile {shown}/known_hosts\n  HostKeyAlias far\n"
        );
        place.write(&root.join("ssh_config"), &config, 0o644)?;
        let ssh = format!("#!/bin/sh\nexec ssh -F {shown}/ssh_config \"$@\"\n");
        place.write(&root.join("ssh"), &ssh, 0o755)?;
        place.sh("echo \"far $(cat host.pub)\" >known_hosts")?;
        place.sh(&format!("ln -s {bin}/qvm-copy {OURS}"))?;
        Ok(place)
    }

    /// The receiver believes the password database about the home of root, and sshd of root wants a
    /// folder in /run.
    fn own_passwd(&self) -> Result<()> {
        unshare(CloneFlags::CLONE_NEWNS).context("cannot have mounts of our own")?;
        let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
        mount(NONE, "/", NONE, private, NONE)?;
        let root = Uid::effective().as_raw();
        mount_passwd(&self.root.join("passwd"), root, &self.root.join("far"))?;
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

    /// Alternating runs.
    fn contest<const N: usize>(
        &self,
        lines: &[(&'static str, String); N],
        rounds: usize,
    ) -> Result<Contest<N>> {
        let mut times = [const { Vec::new() }; N];
        // The first one warms up.
        for round in 0..=rounds {
            for ((_, line), times) in lines.iter().zip(&mut times) {
                self.sh("rm -rf far/in far/QubesIncoming; mkdir far/in")?;
                let began = Instant::now();
                self.sh(line)?;
                if round > 0 {
                    times.push(began.elapsed().as_secs_f64());
                }
            }
        }
        Ok(Contest {
            names: lines.each_ref().map(|(name, _)| *name),
            times,
        })
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
