//! The command lines.

use std::ffi::OsString;

use clap::Parser;

/// Turn a tar archive into a qfile stream.
///
/// Reads an archive in one of the formats v7, ustar, GNU and pax, writes its files as a qfile stream
/// to stdout, each after the folders above it, and reads the receiver's verdict from stdin. Links,
/// devices and empty folders are left out.
#[derive(Debug, Parser)]
#[command(name = "tar2qfile", version, after_help = TAR2QFILE)]
pub struct Tar2qfile {
    /// Send files whose names have characters that are not safe for display, too
    #[arg(long)]
    pub allow_all_names: bool,

    /// The archive; with - it is read from stdin, and the receiver's verdict is not heard
    #[arg(value_name = "ARCHIVE", default_value = "-")]
    pub archive: OsString,

    /// Send only what begins with one of these. The archive is read no further once each of them was
    /// found and a member with another name follows
    #[arg(value_name = "PREFIX")]
    pub prefixes: Vec<OsString>,
}

/// Give a backup to another qube: the service qubes.Restore.
///
/// Reads two lines from stdin: the path of an archive, or a command that writes one to its stdout;
/// then the beginnings of the names that are wanted, separated by blanks, or nothing for all. Then
/// it does what tar2qfile does. A command is split into words as a shell does it, but no shell runs
/// it: nothing in it is expanded.
#[derive(Debug, Parser)]
#[command(name = "qubes-restore", version, after_help = RESTORE)]
pub struct Restore {}

/// Store a backup from another qube: the service qubes.Backup.
///
/// Reads one line from stdin: a folder, or a command; then the backup, a tar archive. In a folder it
/// becomes a file named after the time, qubes-backup-YYYY-MM-DDTHHMMSS, when all of it is there and
/// on disk, and is called *.incomplete until then. A command gets it on stdin. It is split into words
/// as a shell does it, but no shell runs it: nothing in it is expanded.
#[derive(Debug, Parser)]
#[command(name = "qubes-backup", version, after_help = BACKUP)]
pub struct Backup {}

const TAR2QFILE: &str = "\
Exit status:
  0   everything was sent and confirmed, or the receiver had as much as it wanted (EDQUOT)
  1   it failed; what was sent is not whole
  2   the command line is wrong";

const RESTORE: &str = "\
Exit status:
  0   everything was sent and confirmed, or the receiver had as much as it wanted (EDQUOT)
  1   it failed; what was sent is not whole
  2   the command line is wrong";

const BACKUP: &str = "\
Exit status:
  0   the backup is whole, and on disk, or the command has taken it
  1   it failed; there is no new backup
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
