//! What `qvm-copy` believes: the agent's result line and nothing else. However the service of a
//! hostile qube ends, whatever it answered, the status is 0 only for a copy that was confirmed.

use qfile_tests::hostile::{Hostile, Sender};
use qfile_tests::process::run;
use qfile_tests::stream::Verdict;
use qfile_tests::suite;

suite! {
    without_an_answer_no_ending_is_a_success,
    a_confirmed_copy_is_complete_however_the_service_ends,
    a_confirmation_before_the_end_is_none,
    a_confirmation_of_something_else_is_none,
    a_refusal_is_one_even_where_the_service_ends_well,
    a_confirmation_that_is_cut_is_none,
    a_result_line_in_the_answer_is_text,
    a_result_line_on_stderr_is_not_read,
}

/// How a service may end: its status hides the agent's, unless it is 0.
const ENDINGS: [&str; 12] = [
    "exit 0",
    "exit 1",
    "exit 2",
    "exit 3",
    "exit 32",
    "exit 125",
    "exit 126",
    "exit 127",
    "exit 130",
    "exit 255",
    "kill -TERM $$",
    "kill -KILL $$",
];

/// Copies to the receiver that `plays`, once with every ending.
#[track_caller]
fn assert_each(plays: fn() -> Hostile, code: i32, says: &str) {
    for ending in ENDINGS {
        let hostile = plays().runs(ending);
        let copied = run(hostile.command(Sender::Command));
        let told = copied.stderr();
        assert_eq!(copied.code(), code, "{ending}: {told}");
        assert!(told.contains(says), "{ending}: {says:?} is not in {told}");
        assert_eq!(copied.stdout, b"", "{ending}");
        let failures = usize::from(code != 0);
        assert_eq!(
            told.matches("Fatal error").count(),
            failures,
            "{ending}: {told}"
        );
    }
}

const NO_ANSWER: &str = "the receiver in the target qube ended without an answer";

fn without_an_answer_no_ending_is_a_success() {
    assert_each(|| Hostile::new(1000).takes_all(), 1, NO_ANSWER);
    // More than all the pipes on the way hold.
    assert_each(|| Hostile::new(4 << 20), 1, NO_ANSWER);
}

fn a_confirmed_copy_is_complete_however_the_service_ends() {
    let confirms = || {
        let hostile = Hostile::new(1000).takes_all();
        let verdict = Verdict::new(0, hostile.checksum());
        hostile.says(&verdict.to_bytes())
    };
    assert_each(confirms, 0, "1 file copied");
}

fn a_confirmation_before_the_end_is_none() {
    let early = || {
        let hostile = Hostile::new(4 << 20);
        // It knows what will come; it has not got it.
        let verdict = Verdict::new(0, hostile.checksum());
        hostile.says(&verdict.to_bytes())
    };
    assert_each(early, 1, "confirmed the copy before it was complete");
}

fn a_confirmation_of_something_else_is_none() {
    let wrong = || {
        let hostile = Hostile::new(1000).takes_all();
        let verdict = Verdict::new(0, hostile.checksum() ^ 1);
        hostile.says(&verdict.to_bytes())
    };
    assert_each(wrong, 1, "the checksum of what arrived is wrong");
}

fn a_refusal_is_one_even_where_the_service_ends_well() {
    let refuses = || {
        let hostile = Hostile::new(1000).takes_all();
        let verdict = Verdict::new(28, hostile.checksum()).naming("file");
        hostile.says(&verdict.to_bytes())
    };
    assert_each(refuses, 1, r#"No space left on device"; Last file: "file""#);
}

fn a_confirmation_that_is_cut_is_none() {
    let cut = || {
        let hostile = Hostile::new(1000).takes_all();
        let verdict = Verdict::new(0, hostile.checksum()).to_bytes();
        hostile.says(&verdict[..15])
    };
    assert_each(cut, 1, "the receiver's answer was cut off");
}

fn a_result_line_in_the_answer_is_text() {
    let line = || Hostile::new(1000).takes_all().says(b"0 \n");
    assert_each(line, 1, "the receiver's answer was cut off");
    let lines = || {
        Hostile::new(1000)
            .takes_all()
            .says(b"0 \n0 \n0 \n0 \n0 \n0 \n")
    };
    assert_each(lines, 1, "the target qube sent text instead of a verdict");
}

fn a_result_line_on_stderr_is_not_read() {
    let line = || Hostile::new(1000).takes_all().runs("echo '0 ' >&2");
    assert_each(line, 1, NO_ANSWER);
}
