//! The services qubes.SelectFile and qubes.SelectDirectory: the user chooses a file or a folder, and
//! its path goes to dom0.
//!
//! dom0 refuses many paths, and says so in dom0, where nobody can rename a file of this qube. `path`
//! has its rule. What it would refuse is told here, and the user chooses again. `choose` shows the
//! chooser of the desktop: `portal` that of xdg-desktop-portal, else zenity or kdialog. `start`
//! remembers where to begin. `caller` notices that nobody waits for the answer any more.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use desktop::dialog::{Choice, Dialogs, Notice, has_display};
use desktop::notification;
use program::failure::{FAILED, Failure};
use program::interrupt::{self, Interrupt};
use program::say::say;

use self::args::SelectFile;
use self::choose::Chooser;
use self::path::{Judged, Refusal};

pub mod args;
mod caller;
mod choose;
pub mod path;
mod portal;
mod start;
pub mod uri;

/// The name of the program.
pub const NAME: &str = "qubes-select-file";

/// Has the user choose, and writes the path to stdout.
///
/// # Errors
/// Nothing was chosen, which is not said: the user knows. There is no display, or nothing that shows
/// a chooser. The caller has gone.
pub fn serve(args: &SelectFile) -> Result<(), Failure> {
    let choice = args.choice();
    if !has_display() {
        return Err(cannot(choice)
            .because("there is no display: neither DISPLAY nor WAYLAND_DISPLAY is set")
            .advise("start the call in the session of the user"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| cannot(choice).because(error))?;
    let ended = runtime.block_on(async {
        let mut signals = Interrupt::catch().map_err(|error| cannot(choice).because(error))?;
        tokio::select! {
            chosen = choose_until_accepted(choice) => chosen,
            () = caller::gone() => Err(cannot(choice).because("the caller has gone")),
            signal = signals.caught() => Err(Failure::said(interrupt::exit_status(signal))),
        }
    });
    // Its threads may still wait for the caller or for a window.
    runtime.shutdown_background();
    ended
}

fn cannot(choice: Choice) -> Failure {
    Failure::new(match choice {
        Choice::File => "cannot have a file chosen",
        Choice::Folder => "cannot have a folder chosen",
    })
}

fn title(choice: Choice) -> &'static str {
    match choice {
        Choice::File => "Choose a file for dom0",
        Choice::Folder => "Choose a folder for dom0",
    }
}

async fn choose_until_accepted(choice: Choice) -> Result<(), Failure> {
    let mut chooser = Chooser::find(choice).await?;
    let mut start = start::folder();
    loop {
        let Some(untrusted_path) = chooser.choose(choice, title(choice), &start).await? else {
            return Err(Failure::said(FAILED));
        };
        match path::judge(&untrusted_path, choice) {
            Ok(judged) => {
                answer(&judged).map_err(|error| cannot(choice).because(error))?;
                let begin = judged.begin(choice);
                if let Err(error) = start::remember(begin) {
                    let begin = text::file(begin);
                    say(format_args!(
                        "{NAME}: cannot remember the folder {begin}: {error}"
                    ));
                }
                return Ok(());
            }
            Err(refusal) => {
                tell(choice, &untrusted_path, &refusal).await;
                if let Some(folder) = start::near(Path::new(OsStr::from_bytes(&untrusted_path))) {
                    start = folder;
                }
            }
        }
    }
}

/// The path and a newline.
fn answer(judged: &Judged) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(judged.as_str().as_bytes())?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

/// Tells the user, in a window that is closed before the chooser opens again.
async fn tell(choice: Choice, untrusted_path: &[u8], refusal: &Refusal) {
    let shown = text::name(untrusted_path);
    say(format_args!("{NAME}: {shown}: {refusal}"));
    let title = match choice {
        Choice::File => "This file cannot be used",
        Choice::Folder => "This folder cannot be used",
    };
    let text = format!(
        "{}\n\n{refusal}\n\n{}",
        text::for_window(&shown),
        refusal.advice()
    );
    let Some(dialogs) = Dialogs::find() else {
        // The portal has no window for a message.
        let shown = notification::Shown {
            title,
            text: &text,
            to_read: None,
        };
        return notification::error(shown).await;
    };
    let window = tokio::process::Command::from(dialogs.notice(Notice::Error, title, &text))
        .kill_on_drop(true)
        .status();
    let _was_said_on_stderr = window.await;
}
