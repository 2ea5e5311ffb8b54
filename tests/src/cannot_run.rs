//! The list of tests of a topic, and what a test needs of the machine.
//!
//! A test that cannot run here is reported as *ignored*, with its reason; it never passes.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Trial};

/// Something that a test needs: `Err` says why this machine does not have it.
pub type Need = fn() -> Result<(), String>;

/// A test of a topic. `name` is a sentence about behaviour in words joined by `_`.
#[must_use]
pub fn trial(name: &str, needs: &'static [Need], body: fn()) -> Trial {
    Trial::ignorable_test(name, move || {
        for need in needs {
            if let Err(reason) = need() {
                return Ok(Completion::ignored_with(reason));
            }
        }
        body();
        Ok(Completion::Completed)
    })
}

/// The test needs the program `name`, in `PATH`.
///
/// # Errors
/// Says that it is missing.
pub fn needs_program(name: &str) -> Result<(), String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    found.then_some(()).ok_or_else(|| format!("needs {name}"))
}

/// Runs the tests of a topic, with the command line that `cargo test` gives. Most of them wait for
/// other processes most of the time, so two are run for each processor.
#[must_use]
pub fn run(trials: Vec<Trial>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or_else(|| {
        let processors = std::thread::available_parallelism().ok()?;
        Some(2 * processors.get())
    });
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The `main` of a topic: functions without arguments, each with its [`Need`]s in brackets if it
/// has any. What is not listed is never run, and the compiler says so (`dead_code`).
///
/// ```
/// # use qfile_tests::{suite, user};
/// fn one_and_one_is_two() {
///     assert_eq!(1 + 1, 2);
/// }
/// fn root_may_mount() {}
///
/// suite! {
///     one_and_one_is_two,
///     root_may_mount [user::needs_private_mounts],
/// }
/// ```
#[macro_export]
macro_rules! suite {
    ($($test:ident $([$($need:expr),+ $(,)?])?),+ $(,)?) => {
        fn main() -> std::process::ExitCode {
            $crate::cannot_run::run(vec![$(
                $crate::cannot_run::trial(
                    stringify!($test),
                    &[$($($need as $crate::cannot_run::Need),+)?],
                    $test,
                )
            ),+])
        }
    };
}
