//! The defences of the receiver: each is a patch in `tests/defences/` that takes it out, beginning
//! with the test that must fail then (`Test: TOPIC::NAME::FORM`) and with what happens without the
//! defence (`Without it: …`). From these two lines comes the table in `docs/defences.md`.
//!
//! [`prove`] takes out one defence after the other: a test that passes without its defence proves
//! nothing.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

const HEAD: &str = "\
# The defences of the receiver and their tests

Each row is a patch in `tests/defences/` that removes one defence of the receiver. Without the
defence, the test in the same row fails. The test is a module of `tests/tests/e2e/` and a name
that describes the attack. `make prove-defences` checks that each test fails. `make defence-table`
generates this file.

| defence | test | what happens without the defence |
|---|---|---|
";

/// A defence, as its patch describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defence {
    /// The name of the patch, without its ending.
    pub name: String,
    patch: PathBuf,
    test: String,
    without: String,
}

/// How an end-to-end test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Passed,
    Failed,
    /// It cannot run on this machine.
    Ignored,
}

/// A copy of the sources with a target folder of its own, where defences are taken out.
#[derive(Debug)]
struct Workshop {
    source: PathBuf,
    target: PathBuf,
}

/// All of them, by name. `top` is the top of the repository.
///
/// # Errors
/// A patch cannot be read, or does not say what it should.
pub fn all(top: &Path) -> Result<Vec<Defence>> {
    let mut patches = Vec::new();
    for entry in fs::read_dir(top.join("tests/defences"))? {
        patches.push(entry?.path());
    }
    patches.sort();
    patches.into_iter().map(Defence::read).collect()
}

/// The text of `docs/defences.md`.
#[must_use]
pub fn table(defences: &[Defence]) -> String {
    let rows = defences.iter().map(|defence| {
        let Defence {
            name,
            test,
            without,
            ..
        } = defence;
        format!("| {name} | `{test}` | {without} |\n")
    });
    HEAD.to_owned() + &rows.collect::<String>()
}

/// Takes out one of `defences` after the other and says on stdout what came of it.
///
/// # Errors
/// Something does not compile or run, or a test passes without its defence.
#[expect(clippy::print_stdout, reason = "it is what the developer waits for")]
pub fn prove(top: &Path, defences: &[Defence]) -> Result<()> {
    let workshop = Workshop::new(top)?;
    let (mut failures, mut here, mut proved) = (Vec::new(), Vec::new(), 0);
    println!("with every defence in place:");
    workshop.build().context("the receiver does not compile")?;
    for defence in defences {
        match workshop.run(&defence.test)? {
            Ended::Passed => here.push(defence),
            Ended::Failed => failures.push((defence, "fails with every defence in place")),
            Ended::Ignored => println!("not here  {}: {} cannot run", defence.name, defence.test),
        }
    }
    let not_here = defences.len() - here.len() - failures.len();
    println!("without one of them:");
    for defence in here {
        workshop.patch(defence, &[])?;
        let without = format!("the receiver without {} does not compile", defence.name);
        workshop.build().context(without)?;
        let ended = workshop.run(&defence.test)?;
        workshop.patch(defence, &["--reverse"])?;
        match ended {
            Ended::Failed => {
                proved += 1;
                println!("proved    {}: {} fails", defence.name, defence.test);
            }
            _ => failures.push((defence, "passes without the defence")),
        }
    }
    for (defence, why) in &failures {
        println!("FAILED    {}: {} {why}", defence.name, defence.test);
    }
    let count = defences.len();
    println!("{proved} of {count} defences proved, {not_here} cannot be tried here");
    ensure!(failures.is_empty(), "not every defence is proved");
    Ok(())
}

impl Defence {
    fn read(patch: PathBuf) -> Result<Self> {
        let text = fs::read_to_string(&patch)?;
        let name = patch.file_stem().unwrap_or_default().to_string_lossy();
        Self::parse(name.into_owned(), patch.clone(), &text)
            .with_context(|| patch.display().to_string())
    }

    fn parse(name: String, patch: PathBuf, text: &str) -> Result<Self> {
        let mut lines = text.lines();
        let mut line = |begin| lines.next().and_then(|line| line.strip_prefix(begin));
        let test = line("Test: ").filter(|test| test.matches("::").count() >= 2);
        let test = test.context("it names no test")?.to_owned();
        let without = line("Without it: ").filter(|without| !without.is_empty());
        let without = without.context("it does not say what happens without it")?;
        Ok(Self {
            name,
            patch,
            test,
            without: without.to_owned(),
        })
    }
}

impl Workshop {
    fn new(top: &Path) -> Result<Self> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let work = target
            .unwrap_or_else(|| top.join("target"))
            .join("prove-defences");
        let source = work.join("source");
        if source.exists() {
            fs::remove_dir_all(&source)?;
        }
        fs::create_dir_all(&source)?;
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
            .arg(&source)
            .stdin(packed)
            .status()?;
        let is_whole = packing.wait()?.success() && unpacked.success();
        ensure!(is_whole, "the sources cannot be copied");
        Ok(Self {
            source,
            target: work.join("target"),
        })
    }

    /// Cargo there. The receiver is compiled once for each defence and runs for moments: not
    /// optimised, that takes a quarter of the time.
    fn cargo(&self, arguments: &[&str]) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .args(arguments)
            .current_dir(&self.source)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "0")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("RUST_BACKTRACE", "0");
        command
    }

    fn build(&self) -> Result<()> {
        let arguments = [
            "build",
            "--quiet",
            "--locked",
            "--package",
            "qfile-unpacker",
        ];
        let output = self.cargo(&arguments).output()?;
        match output.status.success() {
            true => Ok(()),
            false => bail!("{}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// Runs the end-to-end test of that name.
    fn run(&self, test: &str) -> Result<Ended> {
        let mut arguments = vec!["test", "--quiet", "--locked", "--package", "qfile-tests"];
        arguments.extend(["--test", "e2e", "--", "--exact", test]);
        let output = self.cargo(&arguments).output()?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        ended(&stdout).with_context(|| {
            let stderr = String::from_utf8_lossy(&output.stderr);
            format!("{stdout}{stderr}\ntest {test} did not run")
        })
    }

    fn patch(&self, defence: &Defence, options: &[&str]) -> Result<()> {
        let status = Command::new("patch")
            .args(["--quiet", "--strip=1"])
            .args(options)
            .arg("--directory")
            .arg(&self.source)
            .stdin(File::open(&defence.patch)?)
            .status()?;
        ensure!(status.success(), "{}: patch failed", defence.name);
        Ok(())
    }
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
    fn the_table_is_current() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let written = fs::read_to_string(top.join("docs/defences.md")).unwrap();
        let table = table(&all(top).unwrap());
        assert!(table == written, "docs/defences.md: make defence-table");
    }

    #[test]
    fn a_patch_says_which_test_fails_and_what_happens() {
        let parse = |text: &str| Defence::parse("name".into(), "name.patch".into(), text);
        let defence = parse("Test: a::b::c\nWithout it: all is lost.\n\n--- a\n").unwrap();
        let row = "| name | `a::b::c` | all is lost. |\n";
        assert!(table(&[defence]).ends_with(row));
        for text in [
            "",
            "Test: a::b\nWithout it: x\n",
            "Test: a::b::c\n",
            "Test: a::b::c\nWithout it: \n",
            "Without it: x\nTest: a::b::c\n",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

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
}
