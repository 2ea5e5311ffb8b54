//! The command lines.

use std::ffi::OsString;

use clap::Parser;

/// Convert a tar archive into a qfile stream.
///
/// The program reads an archive in one of the formats v7, ustar, GNU and pax, and writes its
/// files as a qfile stream to stdout. The folders above a file are sent before the file. Then
/// the program reads the receiver's verdict from stdin. Links, devices and empty folders are
/// left out.
#[derive(Debug, Parser)]
#[command(name = "tar2qfile", version, after_help = TAR2QFILE)]
pub struct Tar2qfile {
    /// Also send files whose names contain characters that are not safe for display
    #[arg(long)]
    pub allow_all_names: bool,

    /// The archive. With -, it is read from stdin, and the receiver's verdict is not read
    #[arg(value_name = "ARCHIVE", default_value = "-")]
    pub archive: OsString,

    /// Send only members whose names begin with one of these prefixes. Reading stops when each
    /// prefix was found and a member without any of them follows
    #[arg(value_name = "PREFIX")]
    pub prefixes: Vec<OsString>,
}

/// Send a backup to another qube: the service qubes.Restore.
///
/// The program reads two lines from stdin. The first line is the path of an archive, or a
/// command that writes an archive to stdout. The second line lists prefixes of the wanted
/// names, separated by blanks; if it is empty, all files are wanted. Then the program works
/// like tar2qfile(8). A command is split into words like a shell command, but no shell runs it,
/// and nothing in it is expanded.
#[derive(Debug, Parser)]
#[command(name = "qubes-restore", version, after_help = RESTORE)]
pub struct Restore {}

/// Store a backup from another qube: the service qubes.Backup.
///
/// The program reads one line from stdin, which is a folder or a command, and then the backup,
/// which is a tar archive. In a folder, the backup becomes a file that is named after the time,
/// qubes-backup-YYYY-MM-DDTHHMMSS. Its name ends in .incomplete until it is complete and on
/// disk. A command reads the backup from stdin. The command is split into words like a shell
/// command, but no shell runs it, and nothing in it is expanded.
#[derive(Debug, Parser)]
#[command(name = "qubes-backup", version, after_help = BACKUP)]
pub struct Backup {}

/// Start the receiver of copies, and notify the user when a copy has arrived: a part of the service
/// qubes.Filecopy.
///
/// The program starts a process in the background, and then executes RECEIVER in its own place. The
/// receiver reports to the background process, which runs with the rights of the user. When a copy
/// has arrived, the process shows a notification. A click on it opens the incoming folder. At most
/// one notification for each calling qube is shown in 30 seconds. If a copy failed and left an empty
/// incoming folder that it had created, the process removes the folder.
///
/// Neither the status nor the verdict of the receiver depends on the background process. Without a
/// folder for its locks, a session bus or notify-send, the receiver works the same, and nothing is
/// shown.
#[derive(Debug, Parser)]
#[command(name = "qubes-filecopy", version, after_help = FILECOPY)]
#[command(override_usage = "qubes-filecopy RECEIVER [OPTIONS]")]
pub struct Filecopy {
    /// Be the background process. stdin is the report of the receiver, stdout the lock on the
    /// incoming folder
    #[arg(long, hide = true, conflicts_with = "receiver")]
    pub after_copy: bool,

    /// The absolute path of the receiver, and its options
    #[arg(
        value_name = "RECEIVER",
        trailing_var_arg = true,
        required_unless_present = "after_copy"
    )]
    pub receiver: Vec<OsString>,
}

/// Run a command for another qube: the services qubes.VMExec, qubes.VMExecGUI and qubes.VMRootExec.
///
/// Decodes the argument of the service, and executes the command. No shell is involved. Every signal is at its default then, whatever the caller has ignored or blocked. The
/// system log gets a line with the command.
#[derive(Debug, Parser)]
#[command(name = "qubes-vmexec", version, after_help = VMEXEC)]
#[command(override_usage = "qubes-vmexec -- ARG")]
pub struct VmExec {
    /// The program and its arguments, joined by +. In each of them A-Z, a-z, 0-9, the dot and _ mean
    /// themselves, -- is a dash, and -HH is the byte that the two digits 0-9A-F say
    #[arg(value_name = "ARG", default_value = "", hide_default_value = true)]
    pub argument: OsString,
}

/// Wait for the session of the user: the service qubes.WaitForSession.
///
/// Waits until the graphical session has been started, if QubesDB says that there will be one; then
/// until all services of the user have been started, if this is the user of the session and systemd runs
/// here.
#[derive(Debug, Parser)]
#[command(name = "qubes-wait-for-session", version, after_help = WAIT_FOR_SESSION)]
pub struct WaitForSession {}

/// Parses the argument of a service that has none. qrexec can give an empty one.
pub(crate) fn no_argument(typed: &str) -> Result<OsString, String> {
    match typed.is_empty() {
        true => Ok(OsString::new()),
        false => Err("the service has no argument".to_owned()),
    }
}

const FILECOPY: &str = "\
Exit status:
  1      the receiver cannot be started
  2      the command line is wrong
  other  the exit status of the receiver";

const TAR2QFILE: &str = "\
Exit status:
  0   everything was sent and confirmed, or the receiver reached its limit (EDQUOT)
  1   the program failed; the sent stream is incomplete
  2   the command line is wrong";

const RESTORE: &str = "\
Exit status:
  0   everything was sent and confirmed, or the receiver reached its limit (EDQUOT)
  1   the program failed; the sent stream is incomplete
  2   the command line is wrong";

const VMEXEC: &str = "\
Exit status:
    1  ARG is not a command
    2  the command line is wrong
  126  the program was found but could not be executed
  127  the program was not found
  other  the status of the command";

const WAIT_FOR_SESSION: &str = "\
Environment:
  QUBES_SESSION_TIMEOUT  the longest time to wait, in seconds; without it there is no limit

Exit status:
  0      the session is there, or there is none to wait for
  1      the time limit was reached, or the caller has gone; stderr says what is missing
  2      the command line is wrong
  other  the status of systemctl is-system-running: services of the user failed; stderr names them";

const BACKUP: &str = "\
Exit status:
  0   the backup is complete and on disk, or the command has read it and succeeded
  1   the program failed; there is no new backup
  2   the command line is wrong";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_lines_are_well_formed() {
        Tar2qfile::command().debug_assert();
        Restore::command().debug_assert();
        Backup::command().debug_assert();
        Filecopy::command().debug_assert();
        VmExec::command().debug_assert();
        WaitForSession::command().debug_assert();
    }

    #[test]
    fn what_follows_the_receiver_is_its_own() {
        let own = ["/r", "--after-copy", "-v", "--help", "", "--", "-V"];
        let line = [&["qubes-filecopy"], &own[..]].concat();
        let args = Filecopy::try_parse_from(line).unwrap();
        assert!(!args.after_copy);
        assert_eq!(args.receiver, own);
        let args = Filecopy::try_parse_from(["qubes-filecopy", "--after-copy"]).unwrap();
        assert!(args.after_copy && args.receiver.is_empty());
        assert!(Filecopy::try_parse_from(["qubes-filecopy"]).is_err());
    }

    #[test]
    fn an_archive_comes_before_prefixes_and_may_be_left_out() {
        let parsed = |line: &[&str]| {
            let args = Tar2qfile::try_parse_from([&["tar2qfile"], line].concat()).unwrap();
            (args.archive, args.prefixes)
        };
        assert_eq!(parsed(&[]), ("-".into(), vec![]));
        assert_eq!(parsed(&["-", "vm1"]), ("-".into(), vec!["vm1".into()]));
        assert_eq!(
            parsed(&["a.tar", "x", ""]),
            ("a.tar".into(), vec!["x".into(), "".into()])
        );
        assert_eq!(
            parsed(&["--", "--a", "-p"]),
            ("--a".into(), vec!["-p".into()])
        );
    }
}
