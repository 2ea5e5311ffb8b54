//! Where a receiver is built without one of its defences, and where a test meets it.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

const RECEIVER: &str = "qfile-unpacker";

/// How an end-to-end test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Passed,
    Failed,
    /// It cannot run on this machine.
    Ignored,
}

/// The end-to-end tests and the programs that they run, as `make test` builds them.
#[derive(Debug)]
pub(super) struct EndToEnd {
    /// `target/debug`.
    folder: PathBuf,
    test: PathBuf,
}

/// A copy of the sources with a target folder of its own, where defences are taken out.
#[derive(Debug)]
pub(super) struct Workshop {
    source: PathBuf,
    target: PathBuf,
    /// The programs of [`EndToEnd`], with one of the receivers of `source` in place of theirs.
    programs: PathBuf,
    test: PathBuf,
    /// The receiver with every defence.
    whole: PathBuf,
}

impl EndToEnd {
    /// Builds them.
    pub(super) fn build(top: &Path) -> Result<Self> {
        cargo(top, &["build", "--quiet", "--locked", "--workspace"])?;
        let mut arguments = vec!["test", "--locked", "--workspace", "--test", "e2e"];
        arguments.push("--no-run");
        let output = cargo(top, &arguments)?;
        let test = top.join(executable(&output).with_context(|| output.clone())?);
        let folder = test.ancestors().nth(2);
        let folder = folder.context("a test stands in target/PROFILE/deps")?;
        Ok(Self {
            folder: folder.to_owned(),
            test,
        })
    }
}

impl Workshop {
    /// Copies the sources and builds the receiver with every defence. Two workshops have different
    /// numbers.
    pub(super) fn new(top: &Path, tests: &EndToEnd, number: usize) -> Result<Self> {
        let target = tests.folder.parent().context("it is in target/")?;
        let work = target.join("prove-defences").join(number.to_string());
        let workshop = Self {
            source: work.join("source"),
            target: work.join("target"),
            programs: work.join("programs"),
            test: work.join("programs/deps/e2e"),
            whole: work.join(RECEIVER),
        };
        for folder in [&workshop.source, &workshop.programs] {
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
        }
        fs::create_dir_all(&workshop.source)?;
        fs::create_dir_all(workshop.programs.join("deps"))?;
        copy_sources(top, &workshop.source)?;
        // A test finds the programs beside its own folder.
        fs::hard_link(&tests.test, &workshop.test)?;
        for entry in fs::read_dir(&tests.folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let is_program = metadata.is_file() && metadata.permissions().mode() & 0o111 != 0;
            if is_program && entry.file_name() != RECEIVER {
                fs::hard_link(entry.path(), workshop.programs.join(entry.file_name()))?;
            }
        }
        let receiver = workshop.build().context("the receiver does not compile")?;
        fs::copy(receiver, &workshop.whole)?;
        Ok(workshop)
    }

    /// Runs the end-to-end test of that name with every defence in place.
    pub(super) fn run(&self, test: &str) -> Result<Ended> {
        self.run_with(&self.whole, test)
    }

    /// Runs the test without the defence that `patch` takes out.
    pub(super) fn run_without(&self, patch: &Path, test: &str) -> Result<Ended> {
        self.patch(patch, &[])?;
        let built = self.build();
        let built = built.with_context(|| format!("no receiver with {}", patch.display()));
        let ended = self.run_with(&built?, test);
        self.patch(patch, &["--reverse"])?;
        ended
    }

    fn run_with(&self, receiver: &Path, test: &str) -> Result<Ended> {
        let place = self.programs.join(RECEIVER);
        if place.exists() {
            fs::remove_file(&place)?;
        }
        fs::copy(receiver, place)?;
        let output = Command::new(&self.test)
            .args(["--exact", test])
            .current_dir(self.source.join("tests"))
            .env("RUST_BACKTRACE", "0")
            .output()?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        ended(&stdout).with_context(|| {
            let stderr = String::from_utf8_lossy(&output.stderr);
            format!("{stdout}{stderr}\ntest {test} did not run")
        })
    }

    /// Builds the receiver, and returns its path. It runs for moments, so it is not optimised: that
    /// takes a quarter of the time.
    fn build(&self) -> Result<PathBuf> {
        let mut command = cargo_command(&self.source);
        command
            .args(["build", "--quiet", "--locked", "--package", RECEIVER])
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "0")
            .env("CARGO_PROFILE_DEV_DEBUG", "0");
        output_of(command)?;
        Ok(self.target.join("debug").join(RECEIVER))
    }

    fn patch(&self, patch: &Path, options: &[&str]) -> Result<()> {
        let status = Command::new("patch")
            .args(["--quiet", "--strip=1"])
            .args(options)
            .arg("--directory")
            .arg(&self.source)
            .stdin(File::open(patch)?)
            .status()?;
        ensure!(status.success(), "{}: patch failed", patch.display());
        Ok(())
    }
}

fn copy_sources(top: &Path, to: &Path) -> Result<()> {
    let mut packing = Command::new("tar")
        .args(["--exclude=./target", "--exclude=./.git", "--exclude=./fuzz"])
        .args(["--create", "--directory"])
        .args([top, Path::new(".")])
        .stdout(Stdio::piped())
        .spawn()?;
    let packed = packing.stdout.take().context("it is a pipe")?;
    // All with the time of now: a patch that an interrupted run left behind is then compiled away.
    let unpacked = Command::new("tar")
        .args(["--extract", "--touch", "--directory"])
        .arg(to)
        .stdin(packed)
        .status()?;
    let is_whole = packing.wait()?.success() && unpacked.success();
    ensure!(is_whole, "the sources cannot be copied");
    Ok(())
}

fn cargo_command(folder: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder);
    command
}

/// Runs cargo, and returns what it says on stderr.
fn cargo(folder: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = cargo_command(folder);
    command.args(arguments);
    output_of(command)
}

fn output_of(mut command: Command) -> Result<String> {
    let output = command.output()?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.success() {
        true => Ok(stderr),
        false => bail!(stderr),
    }
}

/// The path in the line `Executable tests/e2e/main.rs (target/debug/deps/e2e-…)` of cargo.
fn executable(output: &str) -> Option<&str> {
    let line = output
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("Executable "))?;
    line.split_once('(')?.1.strip_suffix(')')
}

/// How the one test ended that the output of `cargo test` tells of; `None` if none ran.
fn ended(output: &str) -> Option<Ended> {
    let result = output.lines().find_map(|line| {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        Some(counts)
    })?;
    match result {
        counts if counts.starts_with("1 passed; 0 failed; 0 ignored") => Some(Ended::Passed),
        counts if counts.starts_with("0 passed; 1 failed; 0 ignored") => Some(Ended::Failed),
        counts if counts.starts_with("0 passed; 0 failed; 1 ignored") => Some(Ended::Ignored),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_test_that_ran_proves_anything() {
        let line = |word: &str, counts: &str| {
            format!(
                "\nrunning 1 test\n\ntest result: {word}. {counts}; 0 measured; 99 filtered out\n"
            )
        };
        for (output, expected) in [
            (
                line("ok", "1 passed; 0 failed; 0 ignored"),
                Some(Ended::Passed),
            ),
            (
                line("FAILED", "0 passed; 1 failed; 0 ignored"),
                Some(Ended::Failed),
            ),
            (
                line("ok", "0 passed; 0 failed; 1 ignored"),
                Some(Ended::Ignored),
            ),
            (line("ok", "0 passed; 0 failed; 0 ignored"), None),
            (line("ok", "2 passed; 0 failed; 0 ignored"), None),
            (String::new(), None),
        ] {
            assert_eq!(ended(&output), expected, "{output}");
        }
    }

    #[test]
    fn the_test_is_where_cargo_says() {
        let line = "  Executable tests/e2e/main.rs (target/debug/deps/e2e-0123)";
        let output = format!("   Compiling x\n    Finished `dev`\n{line}\n");
        assert_eq!(executable(&output), Some("target/debug/deps/e2e-0123"));
        assert_eq!(executable("    Finished `dev`\n"), None);
    }
}
