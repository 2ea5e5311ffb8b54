//! The receiver on a system that lacks something, or where something fails: `strace` answers a call
//! in the kernel's place.

use std::process::Command;

use crate::attack::Target;
use crate::peer::{Answer, Joint, feed};
use crate::stream::Stream;

/// The receiver for the target, with `injections`, each the `inject=` of strace.
#[must_use]
pub fn command(target: &Target, injections: &[&str], options: &[&str]) -> Command {
    let calls: Vec<&str> = injections
        .iter()
        .filter_map(|injection| injection.split(':').next())
        .collect();
    let log = target.users_folder("log").join("trace");
    let trace = format!("trace={}", calls.join(","));
    let injections: Vec<String> = injections
        .iter()
        .map(|one| format!("inject={one}"))
        .collect();
    let mut arguments = vec!["-o", log.to_str().expect("a plain path"), "-e", &trace];
    for injection in &injections {
        arguments.extend(["-e", injection]);
    }
    let mut command = target.form.traced(&arguments);
    command
        .arg("-v")
        .args(options)
        .arg("")
        .arg(target.incoming());
    command
}

/// Has `stream` received at the level of the form, with `injections`.
pub fn receive(target: &Target, injections: &[&str], stream: &Stream) -> Answer {
    let level = format!("--require-isolation={}", target.form.level());
    let command = command(target, injections, &[&level]);
    feed(command, Joint::Pipes, stream.as_bytes())
}

/// A folder with everything in it, and a large file; what is to land.
#[must_use]
pub fn everything() -> (Stream, [&'static str; 6]) {
    let stream = Stream::new()
        .folder("d")
        .folder("d/e")
        .file("d/e/f", "x")
        .link("d/e/l", "f")
        .folder("d/e")
        .folder("d")
        .file("empty", "")
        .file("large", vec![b'x'; 500_000]);
    (
        stream.end(),
        ["d", "d/e", "d/e/f", "d/e/l", "empty", "large"],
    )
}

/// Fails the test unless all of [`everything`] lands, with mode and times, and stderr has `notes`.
#[track_caller]
pub fn assert_everything_lands(target: &Target, injections: &[&str], notes: &[&str]) {
    let (stream, landed) = everything();
    let answer = receive(target, injections, &stream);
    answer.assert_confirmed(stream.checksum());
    for note in notes {
        answer.finished.assert_says(note);
    }
    target.assert_landed(&landed);
    let found = target.landed();
    let large = found.get("large").expect("it has landed");
    assert_eq!(
        (large.len, large.mode, large.mtime),
        (500_000, 0o644, (1_600_000_002, 222_222_222))
    );
    let folder = found.get("d").expect("it has landed");
    assert_eq!(
        (folder.mode, folder.mtime),
        (0o755, (1_600_000_002, 222_222_222))
    );
}
