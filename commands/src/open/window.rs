//! The window that tells of a failure whoever cannot see stderr.

use std::env;
use std::fs::File;
use std::io::{IsTerminal as _, stderr};
use std::os::unix::process::CommandExt as _;

use desktop::dialog::{Dialogs, Notice, has_display};
use program::failure::Failure;
use program::say::say;

use crate::ending::text_for_window;

/// Takes away the window of a command that was started without a terminal.
const WITHOUT: (&str, &str) = ("QFILE_DIALOGS", "none");

/// Shows a failure in a window, if the command was started where there is a desktop but no terminal,
/// as file managers do. Does not wait for it: whoever waits for the command, be it a script, learns
/// its status at once.
pub(super) fn show_if_unseen(failure: &Failure, command: &str) {
    if failure.status() > super::SIGNALLED || !is_unseen() {
        return;
    }
    let Some(text) = text_for_window(failure, "") else {
        return;
    };
    let Some(dialogs) = Dialogs::find() else {
        return;
    };
    let mut window = dialogs.notice(Notice::Error, command, &text);
    // What ends the command's process group must not close it.
    if let Err(error) = window.process_group(0).spawn() {
        say(format_args!("{command}: cannot show a window: {error}"));
    }
}

fn is_unseen() -> bool {
    let is_unwanted = env::var_os(WITHOUT.0).is_some_and(|wish| wish == WITHOUT.1);
    // Stderr may be a file though there is a terminal, whose user has asked for that.
    let has_terminal = || stderr().is_terminal() || File::open("/dev/tty").is_ok();
    !is_unwanted && has_display() && !has_terminal()
}
