//! The command line of qubes-select-file.

use std::ffi::OsString;

use clap::Parser;
use desktop::dialog::Choice;

/// Let the user choose a file or a folder for dom0: the services qubes.SelectFile and
/// qubes.SelectDirectory.
///
/// The program shows a file chooser and writes the absolute path and a newline to stdout. If dom0
/// would refuse the path, or if the file does not exist, a window says why, and the user chooses
/// again. The chooser begins in the folder of the last choice.
#[derive(Debug, Parser)]
#[command(name = "qubes-select-file", version, after_help = STATUS)]
#[command(override_usage = "qubes-select-file [OPTIONS]")]
pub struct SelectFile {
    /// Let the user choose a folder
    #[arg(long)]
    pub directory: bool,

    /// Must be empty: the service takes no argument
    #[arg(hide = true, value_parser = crate::args::no_argument)]
    pub argument: Option<OsString>,
}

impl SelectFile {
    pub(crate) fn choice(&self) -> Choice {
        match self.directory {
            true => Choice::Folder,
            false => Choice::File,
        }
    }
}

const STATUS: &str = "\
Exit status:
  0      the path was written to stdout
  1      nothing was chosen, or there is no display; only the latter is said
  2      the command line is wrong
  127    none of xdg-desktop-portal, zenity and kdialog is installed
  128+N  signal N ended the program";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        SelectFile::command().debug_assert();
        let parse = |line: &[&str]| SelectFile::try_parse_from(line).map(|args| args.choice());
        assert_eq!(parse(&["x", "--"]).unwrap(), Choice::File);
        assert_eq!(
            parse(&["x", "--directory", "--", ""]).unwrap(),
            Choice::Folder
        );
        for wrong in [&["x", "--", "--directory"], &["x", "--", "a"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
