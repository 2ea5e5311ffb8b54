//! Every exit status that a manual page tabulates is one that the program really ends with, and no row
//! of these tables is missing here.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod archives;
mod copying;
mod opening;

use std::collections::BTreeSet;
use std::fs;
use std::process::ExitCode;

use libtest_mimic::Trial;
use qfile_tests::cannot_run;
use qfile_tests::process::run;
use qfile_tests::programs::source;
use qfile_tests::qubes::{Qubes, SOURCE};

use archives::*;
use copying::*;
use opening::*;

/// Brings the program of that name to its end, and fails the test unless that is the one meant.
type Provoke = fn(&str);

/// Each status as the pages name it.
type Ends = &'static [(&'static str, Provoke)];

/// Programs that end in the same ways.
const ENDS: [(&[&str], Ends); 10] = [
    (
        &["qvm-copy", "qvm-copy-to-vm", "qvm-move", "qvm-move-to-vm"],
        &[
            ("0", a_file_arrives),
            ("1", a_name_is_taken),
            ("2", no_file_is_named),
            ("3", a_named_pipe_is_left_out),
            ("32", the_user_presses_ctrl_c),
            ("126", the_copy_is_denied),
        ],
    ),
    (
        &["qvm-open-in-vm", "qvm-open-in-dvm"],
        &[
            ("0", an_edit_comes_back),
            ("1", nothing_opens_the_file),
            ("2", no_file_is_named_to_open),
            ("126", opening_is_denied),
            ("128+N", a_signal_comes_before_the_edit),
        ],
    ),
    (
        &["qopen-in-vm"],
        &[
            ("0", an_answer_comes),
            ("1", the_file_changes_meanwhile),
            ("2", an_option_is_unknown),
            ("128+N", a_signal_comes_before_the_answer),
        ],
    ),
    (
        &["vm-file-editor"],
        &[
            ("0", the_change_is_sent),
            ("1", the_opener_fails),
            ("2", an_option_is_unknown),
            ("128+N", a_signal_comes_while_the_file_is_open),
        ],
    ),
    (
        &["qfile-agent"],
        &[
            ("0", all_is_confirmed),
            ("1", the_receiver_refuses),
            ("2", an_option_is_unknown),
            ("3", something_is_left_out),
            ("32", nobody_reads_the_progress),
        ],
    ),
    (
        &["qfile-unpacker"],
        &[
            ("0", everything_lands),
            ("1", a_command_line_is_not_understood),
            ("other", a_stream_is_refused),
        ],
    ),
    (
        &["qubes-fs-tree-check"],
        &[
            ("0", all_can_be_copied),
            ("1", a_folder_is_not_allowed),
            ("2", a_name_is_not_safe),
        ],
    ),
    (
        &["tar2qfile"],
        &[
            ("0", an_archive_is_confirmed),
            ("1", an_archive_is_cut),
            ("2", an_option_is_unknown),
        ],
    ),
    (
        &["qubes-restore"],
        &[
            ("0", a_backup_is_restored),
            ("1", there_is_no_backup),
            ("2", an_option_is_unknown),
        ],
    ),
    (
        &["qubes-backup"],
        &[
            ("0", a_backup_is_whole),
            ("1", a_backup_is_cut),
            ("2", an_option_is_unknown),
        ],
    ),
];

fn main() -> ExitCode {
    let mut trials = vec![Trial::test("the_pages_have_the_same_rows", || {
        the_pages_have_the_same_rows();
        Ok(())
    })];
    trials.extend(rows().map(|(program, status, provoke)| {
        Trial::test(format!("{program}_ends_with_{status}"), move || {
            provoke(program);
            Ok(())
        })
    }));
    cannot_run::run(trials)
}

fn rows() -> impl Iterator<Item = (&'static str, &'static str, Provoke)> {
    ENDS.into_iter().flat_map(|(programs, ends)| {
        let of = move |program: &&'static str| {
            let program = *program;
            ends.iter()
                .map(move |(status, provoke)| (program, *status, *provoke))
        };
        programs.iter().flat_map(of)
    })
}

fn the_pages_have_the_same_rows() {
    let mut tabulated = BTreeSet::new();
    for page in fs::read_dir(source("docs/man")).unwrap() {
        let page = page.unwrap().path();
        let program = page.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&page).unwrap();
        let statuses = statuses(&text);
        tabulated.extend(statuses.map(|status| (program.clone(), status.to_owned())));
    }
    let tried: BTreeSet<_> = rows()
        .map(|(program, status, _)| (program.to_owned(), status.to_owned()))
        .collect();
    let differ: Vec<_> = tabulated.symmetric_difference(&tried).collect();
    assert!(differ.is_empty(), "only in one of both: {differ:?}");
}

/// The first column of a page's table of exit statuses.
fn statuses(page: &str) -> impl Iterator<Item = &str> {
    let (_, rest) = page.split_once(".SH \"EXIT STATUS\"\n").unwrap();
    let section = rest.split("\n.SH").next().unwrap();
    section.split(".TP\n").skip(1).map(|row| {
        let name = row.strip_prefix("\\fB").unwrap();
        name.split_once("\\fR\n").unwrap().0
    })
}

fn an_option_is_unknown(program: &str) {
    let qubes = Qubes::new();
    let mut command = qubes.command(SOURCE, program);
    command.arg("--no-such-option");
    let finished = run(command);
    finished.assert_code(2);
    assert_eq!(finished.stdout, b"");
}
