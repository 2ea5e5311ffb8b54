//! One run of one or two programs, in a process of its own, and what it cost.
//!
//! What children have used is known to their parent as one sum, and their peak memory as one
//! maximum, over all children it ever had (`RUSAGE_CHILDREN`, getrusage(2)). So each run gets a
//! parent of its own: this program once more, with a [`Plan`] on its command line. The parent is
//! also kept small because a child's peak begins at its parent's size.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::fcntl::OFlag;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::time::TimeValLike;
use nix::unistd::pipe2;

use crate::interruption::let_through;

/// The first argument that turns this program into the parent of one run.
pub(crate) const FLAG: &str = "--measure";

/// What joins two programs, in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joint {
    /// Two pipes of the default size.
    Pipes,
    /// Two `AF_UNIX` stream socket pairs, as qrexec does it.
    Sockets,
}

/// What one run did cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// From the start of the first program to the end of the last.
    pub(crate) wall: Duration,
    /// User and system time of all programs.
    pub(crate) cpu: Duration,
    /// Peak resident memory of the largest program, in KiB.
    pub(crate) peak_kib: u64,
}

/// Programs to run, as words: `;` between those that run one after another, `|` between two that
/// are joined both ways, `< FILE` and `> FILE` for an end that is a file instead.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    joint: Joint,
    words: Vec<OsString>,
}

impl Plan {
    /// A plan of these words.
    pub(crate) fn new<W: AsRef<OsStr>>(joint: Joint, words: &[W]) -> Self {
        Self {
            joint,
            words: words.iter().map(|word| word.as_ref().to_owned()).collect(),
        }
    }

    /// Runs the plan as `uid` (`None`: as whoever runs this) with `environment` added.
    pub(crate) fn run(
        &self,
        program: &Path,
        uid: Option<u32>,
        environment: &[(&str, PathBuf)],
    ) -> Result<Cost> {
        let mut parent = Command::new(program);
        parent.arg(FLAG).arg(match self.joint {
            Joint::Pipes => "pipes",
            Joint::Sockets => "sockets",
        });
        parent.args(&self.words).current_dir("/");
        parent.envs(environment.iter().map(|(name, value)| (name, value)));
        parent.stdin(Stdio::null()).stderr(Stdio::inherit());
        if let Some(uid) = uid {
            parent.uid(uid).gid(uid);
        }
        // Progress is drawn for people, and costs.
        parent.env_remove("PROGRESS_TYPE");
        let output = parent.output().context("cannot start a measured run")?;
        ensure!(output.status.success(), "a measured run failed");
        let answer = String::from_utf8(output.stdout)?;
        let numbers = answer
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<Vec<u64>, _>>()?;
        match numbers[..] {
            [wall, cpu, peak_kib] => Ok(Cost {
                wall: Duration::from_micros(wall),
                cpu: Duration::from_micros(cpu),
                peak_kib,
            }),
            _ => bail!("a measured run answered {answer:?}"),
        }
    }
}

/// The parent's side: runs the plan on the command line and writes what it cost to stdout.
pub(crate) fn serve(arguments: &[OsString]) -> Result<()> {
    let_through()?;
    let (joint, words) = arguments.split_first().context("no plan")?;
    let joint = match joint.to_str() {
        Some("pipes") => Joint::Pipes,
        Some("sockets") => Joint::Sockets,
        _ => bail!("unknown joint"),
    };
    let started = Instant::now();
    for step in words.split(|word| word == ";") {
        run_step(joint, step)?;
    }
    let wall = started.elapsed().as_micros();
    let used = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = (used.user_time() + used.system_time()).num_microseconds();
    writeln!(std::io::stdout(), "{wall} {cpu} {}", used.max_rss())?;
    Ok(())
}

fn run_step(joint: Joint, step: &[OsString]) -> Result<()> {
    let mut commands = step.split(|word| word == "|").map(command);
    let mut first = commands.next().context("an empty step")??;
    let children = match commands.next().transpose()? {
        Some(mut second) => {
            let ((sends, receives), (answers, hears)) = (joint.make()?, joint.make()?);
            first.ends(Some(hears), Some(sends));
            second.ends(Some(receives), Some(answers));
            vec![second.start()?, first.start()?]
        }
        None => {
            first.ends(None, None);
            vec![first.start()?]
        }
    };
    let mut failed = None;
    for (name, mut child) in children {
        let status = child.wait()?;
        if !status.success() {
            failed = Some(anyhow!("{} ended with {status}", name.display()));
        }
    }
    failed.map_or(Ok(()), Err)
}

impl Joint {
    /// The end that is written to and the end that is read from.
    fn make(self) -> Result<(OwnedFd, OwnedFd)> {
        Ok(match self {
            Self::Pipes => {
                let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
                (write, read)
            }
            Self::Sockets => socketpair(
                AddressFamily::Unix,
                SockType::Stream,
                None,
                SockFlag::SOCK_CLOEXEC,
            )?,
        })
    }
}

/// A program to be started, and the files that are its stdin and stdout, if any are.
struct Planned {
    command: Command,
    input: Option<File>,
    output: Option<File>,
}

fn command(words: &[OsString]) -> Result<Planned> {
    let (program, rest) = words.split_first().context("an empty program")?;
    let mut planned = Planned {
        command: Command::new(program),
        input: None,
        output: None,
    };
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match word.to_str() {
            Some("<") => {
                let path = rest.next().context("no file after <")?;
                planned.input = Some(File::open(path).with_context(|| path_of(path))?);
            }
            Some(">") => {
                let path = rest.next().context("no file after >")?;
                planned.output = Some(File::create(path).with_context(|| path_of(path))?);
            }
            _ => {
                planned.command.arg(word);
            }
        }
    }
    Ok(planned)
}

fn path_of(path: &OsStr) -> String {
    format!("cannot open {}", Path::new(path).display())
}

impl Planned {
    /// What stdin and stdout are where no file was named; `None`: nothing.
    fn ends(&mut self, input: Option<OwnedFd>, output: Option<OwnedFd>) {
        let end = |file: Option<File>, joint: Option<OwnedFd>| {
            let chosen = file.map(OwnedFd::from).or(joint);
            chosen.map_or_else(Stdio::null, Stdio::from)
        };
        self.command.stdin(end(self.input.take(), input));
        self.command.stdout(end(self.output.take(), output));
    }

    /// Starts it. The copies of its ends that are open here go with the plan.
    fn start(mut self) -> Result<(PathBuf, Child)> {
        let name = PathBuf::from(self.command.get_program());
        let child = self.command.spawn();
        let child = child.with_context(|| format!("cannot start {}", name.display()))?;
        Ok((name, child))
    }
}

/// This very program.
pub(crate) fn this_program() -> Result<PathBuf> {
    env::current_exe().context("cannot find the running program")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn run(script: &str) -> Result<()> {
        let words: Vec<OsString> = script.split(' ').map(OsString::from).collect();
        run_step(Joint::Pipes, &words)
    }

    #[test]
    fn a_run_of_which_any_end_fails_is_none() {
        run("true | true").unwrap();
        for script in [
            "false",
            "false | true",
            "true | false",
            "/nonexistent | cat",
        ] {
            run(script).expect_err(script);
        }
    }

    #[test]
    fn what_the_first_writes_is_what_the_second_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name).display().to_string();
        let content = vec![7; 3 << 20];
        fs::write(path("source"), &content).unwrap();
        for joint in [Joint::Pipes, Joint::Sockets] {
            let script = format!("cat < {} | cat > {}", path("source"), path("copy"));
            let words: Vec<OsString> = script.split(' ').map(OsString::from).collect();
            run_step(joint, &words).unwrap();
            assert_eq!(fs::read(path("copy")).unwrap(), content, "{joint:?}");
        }
    }
}
