//! The list of tests of a topic, and what a test needs of the machine.
//!
//! A test that cannot run here is reported as *ignored*, with its reason; it never passes.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Trial};

use crate::{raw_device, receiver};

/// Something that a test needs: `Err` says why this machine does not have it.
pub type Need = fn() -> Result<(), String>;

/// The tests of a topic, or of several.
pub type Tests = Vec<Trial>;

/// What the name of a test begins with: the path of its module without the name of the binary, as
/// in the tests that rustc finds.
#[must_use]
pub fn topic(module_path: &str) -> &str {
    module_path.split_once("::").map_or("", |(_, topic)| topic)
}

/// A test of the topic `module_path!()`. `name` is a sentence about behaviour in words joined by
/// `_`.
#[must_use]
pub fn trial(module_path: &str, name: &str, needs: &'static [Need], body: fn()) -> Trial {
    let name = format!("{}::{name}", topic(module_path));
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

/// Runs all tests, with the command line that `cargo test` gives. Most of them wait for other
/// processes most of the time, so two are run for each processor.
#[must_use]
pub fn run(tests: Tests) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or_else(|| {
        let processors = std::thread::available_parallelism().ok()?;
        Some(2 * processors.get())
    });
    let code = libtest_mimic::run(&arguments, tests).exit_code();
    receiver::uninstall();
    raw_device::uninstall();
    code
}

/// The tests of a topic, for [`topics!`](crate::topics): functions without arguments, each with
/// its [`Need`]s in brackets if it has any. What is not listed is never run, and the compiler says
/// so (`dead_code`).
///
/// ```
/// # #![allow(dead_code)]
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
        pub(crate) fn tests() -> $crate::cannot_run::Tests {
            vec![$(
                $crate::cannot_run::trial(
                    module_path!(),
                    stringify!($test),
                    &[$($($need as $crate::cannot_run::Need),+)?],
                    $test,
                )
            ),+]
        }
    };
}

/// The tests of all these modules, each a topic or a group of them.
#[macro_export]
macro_rules! topics {
    ($($topic:ident),+ $(,)?) => {
        pub(crate) fn tests() -> $crate::cannot_run::Tests {
            [$($topic::tests()),+].into_iter().flatten().collect()
        }
    };
}
