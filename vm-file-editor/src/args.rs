//! The command line, which takes nothing: the file comes on stdin.

use clap::Parser;

/// Open a file from another qube and send back the edit
///
/// This is the server of qubes.OpenInVM. It reads the name and the content of one file from
/// stdin, opens the file, and waits until the user has finished. If the content has changed, it
/// writes the new content to stdout. qrexec starts this program. Users run qvm-open-in-vm(1) in
/// the other qube.
#[derive(Debug, Parser)]
#[command(name = "vm-file-editor", version, after_help = AFTER_HELP)]
pub struct Args {}

const AFTER_HELP: &str = "\
Exit status:
      0  the user has finished; the edit was sent, or the file was not changed
      1  no file was opened, or the edit could not be sent
      2  the command line is wrong
  128+N  the program was ended by the signal N";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_definition_is_sound() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }
}
