//! What the user of this qube is told, in windows.

use qfile_proto::{QubeName, display};
use qvm_common::dialog::{Dialogs, Notice, has_display};
use qvm_common::say::say;

use crate::failure::Failure;
use crate::reaper::Reaper;

/// False on a desktop that has nothing to ask its user with. Where there is no desktop there is no user
/// whose work could be lost.
pub(crate) fn can_be_asked() -> bool {
    Dialogs::find().is_some() || !has_display()
}

/// Holds the file open until the user presses OK.
pub(crate) async fn until_ok(reaper: &mut Reaper, name: &str, caller: &QubeName) {
    let name = display::own(name.as_bytes());
    let text = format!(
        "Press OK when you have finished with {name} from {caller}.\n\n\
         Its window may be closed then, and changes that were saved are sent back."
    );
    show(reaper, Notice::Info, &text).await;
}

/// Tells what went wrong while the file is still there: it can be saved elsewhere before OK.
pub(crate) async fn failed(reaper: &mut Reaper, failure: &Failure) {
    show(reaper, Notice::Error, &failure.to_string()).await;
}

async fn show(reaper: &mut Reaper, notice: Notice, text: &str) {
    let Some(dialogs) = Dialogs::find() else {
        tracing::info!("no window can be shown: {text}");
        return;
    };
    let mut window = dialogs.notice(notice, "Open in another qube", text);
    if let Err(error) = reaper.run(&mut window).await {
        say(format_args!(
            "vm-file-editor: cannot show a window: {error}"
        ));
    }
}
