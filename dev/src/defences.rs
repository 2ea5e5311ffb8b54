//! The defences of the receiver: each is a patch in `tests/defences/` that takes it out, beginning
//! with the test that must fail then (`Test: TOPIC::NAME::FORM`) and with what happens without the
//! defence (`Without it: …`). From these two lines comes the table in `docs/defences.md`.
//!
//! [`prove`] takes out one defence after the other: a test that passes without its defence proves
//! nothing.

mod workshop;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};

use self::workshop::{EndToEnd, Ended, Workshop};

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

/// What came of a defence.
enum Outcome {
    Proved,
    /// The test cannot run on this machine.
    NotHere,
    Failed(&'static str),
}

/// Takes out one of `defences` after the other and says on stdout what came of it.
///
/// # Errors
/// Something does not compile or run, or a test passes without its defence.
#[expect(clippy::print_stdout, reason = "it is what the developer waits for")]
pub fn prove(top: &Path, defences: &[Defence]) -> Result<()> {
    let tests = EndToEnd::build(top)?;
    // Most of the work is done by one compiler after the other, so each processor has a workshop.
    let workers = thread::available_parallelism()?.get().min(defences.len());
    let next = AtomicUsize::new(0);
    let (sender, outcomes) = mpsc::channel();
    let (mut proved, mut not_here, mut failed) = (0, 0, 0);
    thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..workers)
            .map(|worker| {
                let (tests, next, sender) = (&tests, &next, sender.clone());
                scope.spawn(move || -> Result<()> {
                    let workshop = Workshop::new(top, tests, worker)?;
                    while let Some(defence) = defences.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let outcome = defence.prove(&workshop)?;
                        let sent = sender.send((defence, outcome));
                        sent.map_err(|_| anyhow!("nobody listens"))?;
                    }
                    Ok(())
                })
            })
            .collect();
        drop(sender);
        for (Defence { name, test, .. }, outcome) in outcomes {
            match outcome {
                Outcome::Proved => {
                    proved += 1;
                    println!("proved    {name}: {test} fails");
                }
                Outcome::NotHere => {
                    not_here += 1;
                    println!("not here  {name}: {test} cannot run");
                }
                Outcome::Failed(why) => {
                    failed += 1;
                    println!("FAILED    {name}: {test} {why}");
                }
            }
        }
        for worker in workers {
            let ended = worker.join();
            ended.map_err(|_| anyhow!("a thread panicked"))??;
        }
        Ok(())
    })?;
    let count = defences.len();
    println!("{proved} of {count} defences proved, {not_here} cannot be tried here");
    ensure!(failed == 0, "not every defence is proved");
    Ok(())
}

impl Defence {
    /// Runs the test with every defence in place, then without this one.
    fn prove(&self, workshop: &Workshop) -> Result<Outcome> {
        match workshop.run(&self.test)? {
            Ended::Passed => {}
            Ended::Failed => return Ok(Outcome::Failed("fails with every defence in place")),
            Ended::Ignored => return Ok(Outcome::NotHere),
        }
        Ok(match workshop.run_without(&self.patch, &self.test)? {
            Ended::Failed => Outcome::Proved,
            _ => Outcome::Failed("passes without the defence"),
        })
    }

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
}
