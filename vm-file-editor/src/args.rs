//! The command line, which takes nothing: the file comes on stdin.

use clap::Parser;

/// Open a file from another qube and send back what the user has made of it
///
/// The server of qubes.OpenInVM. It reads the name and the content of one file from stdin, opens it,
/// waits until the user has finished with it, and writes its new content to stdout if it has
/// changed. It is started by qrexec; people use qvm-open-in-vm in the other qube.
#[derive(Debug, Parser)]
#[command(name = "vm-file-editor", version, after_help = AFTER_HELP)]
pub(crate) struct Args {}

const AFTER_HELP: &str = "\
Exit status:
      0  the user has finished, and all of the change was sent, or there was none
      1  no file was opened, or its change could not be sent
      2  the command line is wrong
  128+N  ended by the signal N";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_definition_is_sound() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }
}
