//! The programs that have a page, with the definitions of their command lines.
//!
//! Some programs are no library; their definitions are compiled in here.

use clap::{Arg, ArgAction, Command, CommandFactory as _};
use qfile_unpacker::usage;
use qvm_tools::args::Form;
use qvm_tools::{open, tree_check};
use tar2qfile::args::{Backup, Restore, Tar2qfile};

use crate::words::{self, Words};

#[expect(dead_code, reason = "only the definition is wanted, not the parsing")]
#[path = "../../qfile-agent/src/args.rs"]
mod qfile_agent;
#[expect(dead_code, reason = "only the definition is wanted, not the parsing")]
#[path = "../../qopen-in-vm/src/args.rs"]
mod qopen_in_vm;
#[path = "../../vm-file-editor/src/args.rs"]
mod vm_file_editor;

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
    [
        (Form::Copy.command(), 1, words::QVM_COPY),
        (Form::CopyToQube.command(), 1, words::QVM_COPY_TO_VM),
        (Form::Move.command(), 1, words::QVM_MOVE),
        (Form::MoveToQube.command(), 1, words::QVM_MOVE_TO_VM),
        (in_vm, 1, words::QVM_OPEN_IN_VM),
        (in_dvm, 1, words::QVM_OPEN_IN_DVM),
        (qfile_agent::Args::command(), 8, words::QFILE_AGENT),
        (receiver(), 8, words::QFILE_UNPACKER),
        (qopen_in_vm::Args::command(), 8, words::QOPEN_IN_VM),
        (vm_file_editor::Args::command(), 8, words::VM_FILE_EDITOR),
        (tree_check::definition(), 8, words::QUBES_FS_TREE_CHECK),
        (Tar2qfile::command(), 8, words::TAR2QFILE),
        (Restore::command(), 8, words::QUBES_RESTORE),
        (Backup::command(), 8, words::QUBES_BACKUP),
    ]
    .map(|(command, section, words)| Program {
        command,
        section,
        words,
    })
    .into()
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
