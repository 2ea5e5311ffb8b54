//! What the user of this qube is told, in windows.

use std::os::unix::process::CommandExt as _;

use desktop::dialog::{Dialogs, Notice, has_display};
use qfile_proto::QubeName;

use crate::telling::tell;
use program::reaper::Reaper;

const TITLE: &str = "Open in another qube";

/// False on a desktop that has nothing to ask its user with. Where there is no desktop there is no user
/// whose work could be lost.
pub(crate) fn can_be_asked() -> bool {
    Dialogs::find().is_some() || !has_display()
}

/// Holds the file open until the user presses OK.
pub(crate) async fn until_ok(reaper: &mut Reaper, name: &str, caller: &QubeName) {
    let name = text::for_window(&text::name(name.as_bytes()));
    let text = format!(
        "Press OK when you have finished with {name} from {caller}.\n\n\
         Its window may be closed then, and changes that were saved are sent back."
    );
    show(reaper, Notice::Info, &text).await;
}

/// Shows `text` until the user closes the window.
pub(crate) async fn show(reaper: &mut Reaper, notice: Notice, text: &str) {
    let Some(dialogs) = Dialogs::find() else {
        tracing::info!("no window can be shown: {text}");
        return;
    };
    let mut window = dialogs.notice(notice, TITLE, text);
    if let Err(error) = reaper.run(&mut window).await {
        cannot_show(&error);
    }
}

/// Leaves a window with `text` behind, since we have to end now.
pub(crate) fn leave(text: &str) {
    if let Some(dialogs) = Dialogs::find() {
        let mut window = dialogs.notice(Notice::Error, TITLE, text);
        // What ends the group that we are in is not to end the window.
        if let Err(error) = window.process_group(0).spawn() {
            cannot_show(&error);
        }
    }
}

fn cannot_show(error: &std::io::Error) {
    tell(format_args!(
        "vm-file-editor: cannot show a window: {error}"
    ));
}
