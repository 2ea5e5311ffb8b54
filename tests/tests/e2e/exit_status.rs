//! Every exit status that a manual page tabulates is one that the program really ends with, and no row
//! of these tables is missing here.

mod agents;
mod applications;
mod archives;
mod copying;
mod desktop;
mod devices;
mod firewall;
mod network;
mod opening;
mod pictures;
mod qubesdb;
mod remote;
mod running;
mod system;

use std::collections::BTreeSet;
use std::fs;

use libtest_mimic::{Completion, Trial};
use qfile_tests::cannot_run::{Tests, topic};
use qfile_tests::network::needs_networks;
use qfile_tests::process::run;
use qfile_tests::programs::manual;
use qfile_tests::qubes::{Qubes, SOURCE};
use qfile_tests::user::needs_private_mounts;
use qfile_tests::x_server::has_xorg;

use agents::*;
use applications::*;
use archives::*;
use copying::*;
use desktop::*;
use devices::*;
use firewall::*;
use network::*;
use opening::*;
use pictures::*;
use qubesdb::*;
use remote::*;
use running::*;
use system::*;

/// Brings the program of that name to its end, and fails the test unless that is the one meant.
type Provoke = fn(&str);

/// Each status as the pages name it.
type Ends = &'static [(&'static str, Provoke)];

/// Programs that end in the same ways.
const ENDS: [(&[&str], Ends); 44] = [
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
        &["qubes-filecopy"],
        &[
            ("1", the_receiver_is_not_there),
            ("2", no_receiver_is_named),
            ("other", the_receiver_has_a_status_of_its_own),
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
    (
        &["qvm-run-vm"],
        &[
            ("other", a_command_chooses_its_status),
            ("1", there_is_no_qrexec),
            ("2", an_option_is_unknown),
            ("126", a_command_is_denied),
            ("127", a_command_is_not_found),
            ("128+N", a_command_is_killed),
        ],
    ),
    (
        &["qvm-features-request"],
        &[
            ("0", a_feature_is_written),
            ("1", there_is_no_qubesdb),
            ("2", an_option_is_unknown),
        ],
    ),
    (
        &["qubes-firewall"],
        &[
            ("0", rules_are_in_order),
            ("1", a_rule_is_none),
            ("2", an_option_is_unknown),
        ],
    ),
    (
        &["qubes-network"],
        &[
            ("0", an_interface_that_is_gone_is_removed),
            ("1", an_interface_is_not_there),
            ("2", an_option_is_unknown),
            ("100", requests_go_nowhere_already),
        ],
    ),
    (
        &["qubes-config"],
        &[
            ("0", all_keys_are_applied),
            ("1", the_type_of_the_qube_is_none),
            ("2", an_option_is_unknown),
        ],
    ),
    (
        &["qubes-block-devices", "qubes-usb-devices"],
        &[
            ("0", a_device_is_withdrawn),
            ("1", there_is_no_device),
            ("2", an_option_is_unknown),
        ],
    ),
    (
        &["meminfo-writer"],
        &[("0", the_writer_is_in_the_background), ("1", a_delay_is_0)],
    ),
    (
        &["qrexec-ssh"],
        &[
            ("0", a_remote_call_ends_well),
            ("2", an_option_is_unknown),
            ("125", a_remote_service_cannot_be_executed),
            ("126", a_remote_call_is_refused),
            ("127", there_is_no_remote_service),
            ("255", there_is_no_ssh),
            ("128+N", a_remote_service_is_killed),
        ],
    ),
    (
        &["qrexec-ssh-serve"],
        &[
            ("other", a_served_service_chooses_its_status),
            ("1", a_key_is_none),
            ("2", an_option_is_unknown),
            ("125", a_served_service_cannot_be_executed),
            ("126", a_served_call_is_refused),
            ("127", there_is_no_served_service),
        ],
    ),
    (
        &["qvm-copy-to-device"],
        &[
            ("0", files_are_written_to_a_device),
            ("1", a_device_is_too_small),
            ("2", an_option_is_unknown),
            ("3", a_pipe_is_not_written_to_a_device),
            ("32", writing_to_a_device_is_cancelled),
        ],
    ),
    (
        &["qvm-copy-from-device"],
        &[
            ("0", files_are_read_from_a_device),
            ("1", a_device_has_no_files),
            ("2", an_option_is_unknown),
        ],
    ),
    (
        &["qvm-device-status"],
        &[
            ("0", a_device_has_a_transfer),
            ("1", a_device_has_none),
            ("2", an_option_is_unknown),
        ],
    ),
    (
        &["qubes-start-app", "qubes-desktop-run"],
        &[
            ("0", an_application_ends),
            ("1", an_application_is_not_there),
            ("2", an_option_is_unknown),
            ("126", an_application_cannot_be_executed),
            ("127", an_application_is_not_found),
        ],
    ),
    (
        &["qubes-app-menus"],
        &[
            ("0", applications_are_listed),
            ("1", the_list_cannot_be_written),
            ("2", an_option_is_unknown),
        ],
    ),
    (
        &["qubes-vmexec"],
        &[
            ("1", an_argument_is_no_command),
            ("2", an_option_is_unknown),
            ("126", a_folder_is_executed),
            ("127", a_program_is_not_found),
            ("other", a_program_chooses_its_status),
        ],
    ),
    (
        &["qubes-image-rgba"],
        &[
            ("0", a_picture_is_given),
            ("1", a_picture_is_not_there),
            ("2", an_option_is_unknown),
        ],
    ),
    (
        &["qubes-wait-for-session"],
        &[
            ("0", there_is_no_session_to_wait_for),
            ("1", there_is_no_session_in_time),
            ("2", an_option_is_unknown),
            ("other", a_service_of_the_user_failed),
        ],
    ),
    (
        &["qubes-keymap"],
        &[
            ("0", a_keyboard_layout_is_set),
            ("1", a_keyboard_layout_is_none),
            ("2", an_option_is_unknown),
        ],
    ),
    (
        &["qubes-select-file"],
        &[
            ("0", a_file_is_chosen),
            ("1", the_user_chooses_nothing),
            ("2", an_option_is_unknown),
            ("127", there_is_no_chooser),
            ("128+N", a_signal_comes_before_the_choice),
        ],
    ),
    (
        &["qubes-set-monitor-layout"],
        &[
            ("0", monitors_are_set),
            ("1", there_is_no_monitor),
            ("2", an_option_is_unknown),
        ],
    ),
    (
        &["icon-sender"],
        &[
            ("0", icons_are_not_wanted),
            ("1", there_is_no_x_server),
            ("2", an_option_is_unknown),
        ],
    ),
    (
        &["qubes-sync-clock"],
        &[
            ("0", a_time_would_be_set),
            ("1", a_word_is_no_time),
            ("2", an_option_is_unknown),
        ],
    ),
    (
        &["qvm-sync-clock"],
        &[
            ("0", dom0_tells_the_time),
            ("1", dom0_tells_no_time),
            ("2", an_option_is_unknown),
            ("126", dom0_is_not_to_be_asked),
            ("other", dom0_fails),
        ],
    ),
    (
        &["qubes-sync-ntp-clock"],
        &[
            ("0", a_time_service_is_ready),
            ("1", there_is_no_time_service),
            ("2", an_option_is_unknown),
        ],
    ),
    (
        &["qubes-resize-disk"],
        &[
            ("0", a_file_system_is_large_enough),
            ("1", a_volume_is_unknown),
            ("2", an_option_is_unknown),
            ("other", a_step_of_a_resize_fails),
        ],
    ),
    (
        &["qubes-suspend"],
        &[
            ("0", nothing_has_to_sleep),
            ("1", there_is_no_time_to_sleep),
            ("2", an_option_is_unknown),
        ],
    ),
    (
        &["qubes-detach-pci-device"],
        &[
            ("0", a_device_has_no_driver),
            ("1", a_device_is_not_there),
            ("2", an_option_is_unknown),
        ],
    ),
    (
        &["qubesdb-read"],
        &[
            ("0", a_key_is_used),
            ("1", no_daemon_is_there),
            ("2", a_key_is_missing),
        ],
    ),
    (
        &["qubesdb-multiread", "qubesdb-list", "qubesdb-rm"],
        &[("0", a_key_is_used), ("1", no_daemon_is_there)],
    ),
    (
        &["qubesdb-write", "qubesdb-watch"],
        &[("0", a_key_is_changed), ("1", no_daemon_is_there)],
    ),
    (
        &["qubesdb-read-bool"],
        &[
            ("0", a_key_is_used),
            ("1", a_value_is_empty),
            ("STATUS", a_status_is_chosen),
            ("3", no_key_is_named),
        ],
    ),
    (
        &["qubesdb-cmd"],
        &[("0", nothing_is_asked), ("1", a_command_fails)],
    ),
    (
        &["qubesdb-daemon"],
        &[
            ("0", the_daemon_is_told_to_end),
            ("1", the_daemon_has_no_folder),
            ("2", the_daemon_has_no_domain),
        ],
    ),
];

pub(crate) fn tests() -> Tests {
    let topic = topic(module_path!());
    let same_rows = format!("{topic}::the_pages_have_the_same_rows");
    let mut tests = vec![Trial::test(same_rows, || {
        the_pages_have_the_same_rows();
        Ok(())
    })];
    tests.extend(rows().map(|(program, status, provoke)| {
        Trial::ignorable_test(
            format!("{topic}::{program}_ends_with_{status}"),
            move || {
                if let Err(reason) = needed(program) {
                    return Ok(Completion::ignored_with(reason));
                }
                provoke(program);
                Ok(Completion::Completed)
            },
        )
    }));
    tests
}

/// What a program needs to come to any end.
fn needed(program: &str) -> Result<(), String> {
    match program {
        "qubes-network" => needs_networks().and_then(|()| needs_private_mounts()),
        "qubes-config" | "qubes-block-devices" | "qubes-usb-devices" | "icon-sender" => {
            needs_private_mounts()
        }
        "qubes-resize-disk" => needs_loops(),
        "qubes-set-monitor-layout" => has_xorg(),
        _ => Ok(()),
    }
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
    let manual = manual();
    let man = manual.path().join("man");
    let sections = ["man1", "man8"].map(|section| fs::read_dir(man.join(section)).unwrap());
    for page in sections.into_iter().flatten() {
        let page = page.unwrap().path();
        let program = page.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut text = fs::read_to_string(&page).unwrap();
        // The page of another name.
        if let Some(other) = text.strip_prefix(".so ") {
            text = fs::read_to_string(man.join(other.trim_end())).unwrap();
        }
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
    // A forced command of sshd that is wrong is a call that is refused.
    command.arg("--no-such-option").env_remove("SSH_CONNECTION");
    let finished = run(command);
    finished.assert_code(2);
    assert_eq!(finished.stdout, b"");
}
