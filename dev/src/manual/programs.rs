//! The programs that have a page, with the definitions of their command lines.
//!
//! Some programs are no library; their definitions are compiled in here.

use clap::{Arg, ArgAction, Command, CommandFactory as _};
use commands::args::Form;
use commands::{device, features_request, open, run, tree_check};
use qfile_unpacker::usage;
use qubesdb_cmd::args::Action;
use services::app_menus::AppMenus;
use services::args::{Backup, Filecopy, Restore, Tar2qfile, VmExec, WaitForSession};
use services::clock::args::{AskForTime, SyncClock, SyncNtpClock};
use services::disk::args::ResizeDisk;
use services::image_rgba::args::ImageRgba;
use services::monitor_layout::args::SetMonitorLayout;
use services::select_file::args::SelectFile;
use services::sleep::args::{DetachPciDevice, Suspend};
use services::start_app::{DesktopRun, StartApp};

use super::words::{self, Words};

/// A program with a manual page.
#[derive(Clone, Debug)]
pub struct Program {
    /// The definition of its command line.
    pub command: Command,
    /// The section of the manual: 1 for what people type, 8 for what other programs start.
    pub section: u8,
    /// What the definition does not say.
    pub words: Words,
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Program> {
    let [in_vm, in_dvm] = open::Command::ALL.map(open::Command::definition);
    let [to_device, from_device, device_status] = device::args::definitions();
    let of_qubesdb = Action::ALL.map(|action| (action.definition(), 1, words::QUBESDB));
    let others = [
        (Form::all_as_one(), 1, words::QVM_COPY),
        (in_vm, 1, words::QVM_OPEN_IN_VM),
        (in_dvm, 1, words::QVM_OPEN_IN_DVM),
        (to_device, 1, words::QVM_COPY_TO_DEVICE),
        (from_device, 1, words::QVM_COPY_FROM_DEVICE),
        (device_status, 1, words::QVM_DEVICE_STATUS),
        (run::definition(), 1, words::QVM_RUN_VM),
        (qfile_agent::Args::command(), 8, words::QFILE_AGENT),
        (receiver(), 8, words::QFILE_UNPACKER),
        (qopen_in_vm::Args::command(), 8, words::QOPEN_IN_VM),
        (vm_file_editor::Args::command(), 8, words::VM_FILE_EDITOR),
        (tree_check::definition(), 8, words::QUBES_FS_TREE_CHECK),
        (Tar2qfile::command(), 8, words::TAR2QFILE),
        (Restore::command(), 8, words::QUBES_RESTORE),
        (Backup::command(), 8, words::QUBES_BACKUP),
        (Filecopy::command(), 8, words::QUBES_FILECOPY),
        (VmExec::command(), 8, words::QUBES_VMEXEC),
        (WaitForSession::command(), 8, words::QUBES_WAIT_FOR_SESSION),
        (
            features_request::definition(),
            8,
            words::QVM_FEATURES_REQUEST,
        ),
        (SyncClock::command(), 8, words::QUBES_SYNC_CLOCK),
        (AskForTime::command(), 1, words::QVM_SYNC_CLOCK),
        (SyncNtpClock::command(), 8, words::QUBES_SYNC_NTP_CLOCK),
        (ResizeDisk::command(), 8, words::QUBES_RESIZE_DISK),
        (Suspend::command(), 8, words::QUBES_SUSPEND),
        (
            DetachPciDevice::command(),
            8,
            words::QUBES_DETACH_PCI_DEVICE,
        ),
        (SelectFile::command(), 8, words::QUBES_SELECT_FILE),
        (
            SetMonitorLayout::command(),
            8,
            words::QUBES_SET_MONITOR_LAYOUT,
        ),
        (icon_sender::args::Args::command(), 8, words::ICON_SENDER),
        (StartApp::command(), 8, words::QUBES_START_APP),
        (DesktopRun::command(), 1, words::QUBES_DESKTOP_RUN),
        (AppMenus::command(), 8, words::QUBES_APP_MENUS),
        (ImageRgba::command(), 8, words::QUBES_IMAGE_RGBA),
        (qubesdb_cmd::args::definition(), 8, words::QUBESDB),
        (
            qubesdb_daemon::args::Args::command(),
            8,
            words::QUBESDB_DAEMON,
        ),
        (qrexec_ssh::args::Client::command(), 8, words::QREXEC_SSH),
        (
            qrexec_ssh::args::Serve::command(),
            8,
            words::QREXEC_SSH_SERVE,
        ),
        (
            qubes_firewall::args::Args::command(),
            8,
            words::QUBES_FIREWALL,
        ),
        (
            qubes_network::args::Args::command(),
            8,
            words::QUBES_NETWORK,
        ),
        (qubes_config::args::Args::command(), 8, words::QUBES_CONFIG),
        (
            qubes_devices::args::Block::command(),
            8,
            words::QUBES_BLOCK_DEVICES,
        ),
        (
            qubes_devices::args::Usb::command(),
            8,
            words::QUBES_USB_DEVICES,
        ),
        (
            meminfo_writer::args::Args::command(),
            8,
            words::MEMINFO_WRITER,
        ),
        (qubes_keymap::args::Args::command(), 8, words::QUBES_KEYMAP),
    ];
    let all = others.into_iter().chain(of_qubesdb);
    all.map(|(command, section, words)| Program {
        command,
        section,
        words,
    })
    .collect()
}

/// The other names of `qvm-copy`. They share its page.
#[must_use]
pub fn other_names_of_qvm_copy() -> [Command; 3] {
    [Form::CopyToQube, Form::Move, Form::MoveToQube].map(Form::command)
}

/// The receiver parses by hand; its table becomes a definition here.
fn receiver() -> Command {
    let statuses = usage::STATUSES.map(|(status, meaning)| format!("  {status:5}  {meaning}"));
    let positional = usage::ARGUMENTS.map(|(name, help)| Arg::new(name).help(help));
    let flags = usage::FLAGS.map(|flag| {
        let action = match flag.value {
            Some(_) => ArgAction::Set,
            None => ArgAction::SetTrue,
        };
        let arg = Arg::new(flag.long).long(flag.long).help(flag.help);
        let arg = arg.short(flag.short).action(action);
        match flag.value {
            Some(value) => arg.value_name(value),
            None => arg,
        }
    });
    Command::new("qfile-unpacker")
        .version(env!("CARGO_PKG_VERSION"))
        .about(usage::ABOUT)
        .override_usage(usage::FORMS.join("\n       "))
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(positional)
        .args(flags)
        .after_help(format!("Exit status:\n{}", statuses.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_says_how_it_ends() {
        for program in all() {
            program.command.clone().debug_assert();
            let help = program.command.clone().render_help().to_string();
            assert!(help.contains("\nExit status:\n"), "{help}");
        }
    }
}
