//! Free races: an attacker changes the incoming folder back and forth as fast as it can while the
//! stream runs, at moments that nobody chose. A round counts as won when the receiver stumbled over
//! it, and each test demands a number of those.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use libc::{EACCES, EEXIST, ELOOP, ENOENT, ENOTDIR, EXDEV};
use qfile_tests::attack::Target;
use qfile_tests::attacks;
use qfile_tests::peer::Answer;
use qfile_tests::receiver::Form;
use qfile_tests::stream::Stream;
use qfile_tests::watched::Watched;
use rustix::fs::{CWD, RenameFlags, renameat_with};

attacks! {
    swapping_a_parent_for_a_link_and_back_gets_nothing_out;
    moving_a_parent_out_and_back_gets_nothing_else_out;
    creating_every_name_first_gets_nothing_overwritten;
    replacing_the_incoming_folder_and_putting_it_back_gets_nothing_out;
}

/// Rounds of a free race that the attacker has to win, and in how many at most.
const FREE_WINS: u32 = 20;

const MAX_FREE_ROUNDS: u32 = 400;

/// Runs rounds until the attacker has won [`FREE_WINS`] of them: `attack` runs over and over while
/// the stream arrives, and `won` tells from the answer and from how often the attack was done before
/// the answer was there.
#[track_caller]
fn free(
    form: Form,
    name: &str,
    prepare: impl Fn(&Path),
    attack: impl Fn(&Path, u32) + Sync,
    won: impl Fn(&Answer, u32) -> bool,
    check: impl Fn(&Target, &Answer),
) {
    let stream = (0..300).fold(Stream::new(), |stream, number| {
        stream.file(format!("d/f{number}"), "sent")
    });
    let stream = stream.end();
    let (mut wins, mut rounds) = (0, 0);
    while wins < FREE_WINS && rounds < MAX_FREE_ROUNDS {
        rounds += 1;
        let target = Target::new(form);
        let incoming = target.incoming();
        fs::create_dir(incoming.join("d")).expect("the folder is ours");
        if qfile_tests::user::am_root() {
            qfile_tests::user::give_to_ordinary(&incoming.join("d"));
        }
        prepare(&incoming);
        let mut receiver = Watched::start(target.command(&[]));
        // The jail is built and the first byte awaited before the attack begins.
        receiver.send_and_settle(&Stream::new().file("first", ""));
        let stop = AtomicBool::new(false);
        let turns = AtomicU32::new(0);
        let (answer, turns_taken) = thread::scope(|scope| {
            scope.spawn(|| {
                for turn in 0.. {
                    // Every attack comes in pairs, so that the last one puts everything back.
                    if turn % 2 == 0 && stop.load(Ordering::Relaxed) {
                        break;
                    }
                    attack(&incoming, turn);
                    turns.store(turn + 1, Ordering::Relaxed);
                }
            });
            let answer = receiver.finish(&stream);
            stop.store(true, Ordering::Relaxed);
            (answer, turns.load(Ordering::Relaxed))
        });
        wins += u32::from(won(&answer, turns_taken));
        check(&target, &answer);
        target.assert_sentinels();
    }
    let report = format!(
        "{name}::{}: the attacker won {wins} of {rounds} rounds\n",
        form.level()
    );
    let _ = io::stderr().write_all(report.as_bytes());
    assert_eq!(wins, FREE_WINS, "in {rounds} rounds");
}

fn exchange(one: &Path, other: &Path) {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).expect("both are there");
}

fn stumbled(answer: &Answer, _: u32) -> bool {
    refused(answer)
}

fn refused(answer: &Answer) -> bool {
    answer.finished.code() != 0
}

fn swapping_a_parent_for_a_link_and_back_gets_nothing_out(form: Form) {
    free(
        form,
        "swapping_a_parent_for_a_link_and_back",
        |incoming| symlink("../../outside/folder", incoming.join("link")).expect("it is free"),
        |incoming, _| exchange(&incoming.join("d"), &incoming.join("link")),
        stumbled,
        |target, answer| {
            if refused(answer) {
                let code = answer.finished.code();
                assert!([ELOOP, ENOTDIR].contains(&code), "{answer:?}");
            }
            assert!(target.landed().get("link").is_some());
        },
    );
}

fn moving_a_parent_out_and_back_gets_nothing_else_out(form: Form) {
    free(
        form,
        "moving_a_parent_out_and_back",
        |_| (),
        |incoming, turn| {
            let (inside, outside) = (incoming.join("d"), incoming.join("../moved"));
            let (from, to) = match turn % 2 {
                0 => (inside, outside),
                _ => (outside, inside),
            };
            fs::rename(from, to).expect("nobody else moves it");
        },
        stumbled,
        |target, answer| {
            if refused(answer) {
                // EACCES and EXDEV are Landlock's, for a folder that was opened and then moved out.
                assert!(
                    [ENOENT, EACCES, EXDEV].contains(&answer.finished.code()),
                    "{answer:?}"
                );
            }
            let mut home = fs::read_dir(target.home()).expect("it can be read");
            assert!(home.all(|entry| entry.is_ok_and(|entry| entry.file_name() == "incoming")));
        },
    );
}

fn creating_every_name_first_gets_nothing_overwritten(form: Form) {
    free(
        form,
        "creating_every_name_first",
        |_| (),
        |incoming, turn| {
            // From the far end towards the receiver: they meet.
            let Some(number) = 299_u32.checked_sub(turn) else {
                return;
            };
            let create = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(incoming.join(format!("d/f{number}")));
            if let Ok(mut file) = create {
                file.write_all(b"the user's own")
                    .expect("it can be written");
            }
        },
        stumbled,
        |target, answer| {
            if refused(answer) {
                assert_eq!(answer.finished.code(), EEXIST, "{answer:?}");
            }
            // Every file is whole and one or the other's.
            for entry in fs::read_dir(target.incoming().join("d")).expect("it can be read") {
                let content = fs::read(entry.expect("it is listed").path()).expect("it is there");
                assert!(content == b"sent" || content == b"the user's own");
            }
        },
    );
}

fn replacing_the_incoming_folder_and_putting_it_back_gets_nothing_out(form: Form) {
    free(
        form,
        "replacing_the_incoming_folder",
        |incoming| symlink("../outside", incoming.with_extension("link")).expect("it is free"),
        |incoming, _| exchange(incoming, &incoming.with_extension("link")),
        // Nothing to stumble over: the folder was opened before, and all of it lands there. It has
        // to have been away at least twice while that happened.
        |answer, turns| !refused(answer) && turns >= 4,
        |target, answer| {
            answer.finished.assert_code(0);
            assert_eq!(target.landed().len(), 302);
        },
    );
}
