//! Tests of attacks on the receiver: each is a function of the [`Form`], listed once and run for
//! every form ([`attacks!`](crate::attacks)). A form that this machine does not have is reported
//! ignored.

use libtest_mimic::{Completion, Trial};

use crate::cannot_run::{Need, Tests, topic};
use crate::inbox::Inbox;
use crate::peer::Answer;
use crate::receiver::Form;
use crate::stream::Stream;

/// A test of an attack topic: its name, the forms it is for, what it needs, what it does.
pub type Attack = (&'static str, &'static [Form], &'static [Need], fn(Form));

/// The tests of the attack topic `module_path!()`: each once for every form it is for, named
/// `TOPIC::TEST::FORM`.
#[must_use]
pub fn trials(module_path: &str, attacks: Vec<Attack>) -> Tests {
    let topic = topic(module_path);
    let trials = attacks.into_iter().flat_map(|(name, forms, needs, body)| {
        forms.iter().map(move |form| {
            let name = format!("{topic}::{name}::{}", form.level());
            Trial::ignorable_test(name, move || {
                let hindrance = form
                    .can_run()
                    .and_then(|()| needs.iter().try_for_each(|need| need()));
                if let Err(reason) = hindrance {
                    return Ok(Completion::ignored_with(reason));
                }
                body(*form);
                Ok(Completion::Completed)
            })
        })
    });
    trials.collect()
}

/// The tests of an attack topic, for [`topics!`](crate::topics): functions of a [`Form`], each with
/// its [`Need`]s in brackets if it has any, and with the forms it is for behind `of` if they are
/// not [all](Form::ALL).
#[macro_export]
macro_rules! attacks {
    ($($test:ident $(of $forms:expr)? $(, [$($need:expr),+ $(,)?])?);+ $(;)?) => {
        pub(crate) fn tests() -> $crate::cannot_run::Tests {
            $crate::attack::trials(module_path!(), vec![$(
                (
                    stringify!($test),
                    $crate::attacks!(@forms $($forms)?),
                    &[$($($need as $crate::cannot_run::Need),+)?],
                    $test,
                )
            ),+])
        }
    };
    (@forms) => { &$crate::receiver::Form::ALL };
    (@forms $forms:expr) => { &$forms };
}

/// An incoming folder under attack.
pub type Target = Inbox;

/// Fails the test unless the receiver refused with one of `codes` (which of them may depend on how
/// it got there) and named `last_name`.
#[track_caller]
pub fn assert_refused_with(answer: &Answer, codes: &[i32], last_name: &str) {
    let code = answer.verdict.as_ref().map_or(0, |verdict| verdict.code);
    assert!(
        codes.iter().any(|expected| expected.unsigned_abs() == code),
        "{answer:?}"
    );
    answer.assert_refused(code);
    assert_eq!(answer.last_name(), Some(last_name.as_bytes()));
}

/// A stream of three files, and what they hold.
#[must_use]
pub fn three_files() -> (Stream, [(&'static str, Vec<u8>); 3]) {
    let files = [
        ("small", b"small".to_vec()),
        ("empty", Vec::new()),
        ("large", vec![b'x'; 300_000]),
    ];
    let stream = files.iter().fold(Stream::new(), |stream, (name, content)| {
        stream.file(name, content)
    });
    (stream.end(), files)
}
