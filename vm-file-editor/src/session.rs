//! One call, from the request to the answer.

use qvm_common::channel::{Sink, Source};
use tokio::time::Instant;

use crate::answer::send_if_changed;
use crate::failure::Failure;
use crate::intake::Document;
use crate::notice;
use crate::opener::Opener;
use crate::reaper::Reaper;
use crate::scratch::Scratch;
use crate::settings::Settings;
use crate::wait::{self, Waited};

/// Receives a file, has it edited and sends it back. Without an error everything that the other
/// qube has to get was sent.
pub(crate) async fn serve(settings: &Settings) -> Result<(), Failure> {
    let from = Source::stdin().map_err(Failure::system("use stdin"))?;
    let mut to = Sink::stdout().map_err(Failure::system("use stdout"))?;
    let mut reaper = Reaper::new().map_err(Failure::system("wait for programs"))?;
    let scratch = Scratch::create(&settings.caller)
        .map_err(Failure::system("make a temporary folder in /tmp"))?;
    let document = Document::receive(from, scratch.path()).await?;
    let result = edit_and_answer(settings, &document, &scratch, &mut reaper, &mut to).await;
    if let Err(failure) = &result {
        notice::failed(&mut reaper, failure).await;
    }
    result
}

async fn edit_and_answer(
    settings: &Settings,
    document: &Document,
    scratch: &Scratch,
    reaper: &mut Reaper,
    to: &mut Sink,
) -> Result<(), Failure> {
    let opened = open_and_wait(settings, document, scratch, reaper).await;
    if document.view_only {
        return opened;
    }
    match opened {
        // What was saved before a program failed is sent too: the other qube keeps it aside.
        Err(failure @ Failure::OpenerFailed(..)) => {
            if document.looks_changed() {
                send_if_changed(document, scratch, to).await?;
            }
            Err(failure)
        }
        Err(failure) => Err(failure),
        Ok(()) => send_if_changed(document, scratch, to).await,
    }
}

/// Returns when the user is done with the file.
async fn open_and_wait(
    settings: &Settings,
    document: &Document,
    scratch: &Scratch,
    reaper: &mut Reaper,
) -> Result<(), Failure> {
    let opener = Opener::find(settings.opener.as_deref())?;
    let start = Instant::now();
    let not_started = |error| Failure::NotStarted(opener.shown(), error);
    let (mut command, words) = opener.command(&document.path).map_err(not_started)?;
    let pid = reaper.start(&mut command).map_err(not_started)?;
    // It holds the pipe of its words.
    drop(command);
    let opened = wait::for_opener(reaper, pid).await;
    let failed = opened.is_err();
    let patience = &settings.patience;
    match wait::until_done(document, scratch, reaper, start, failed, patience).await? {
        Waited::Done => {}
        Waited::Unsure { seen } => {
            if !seen && !notice::can_be_asked() {
                return Err(Failure::NobodyToAsk(document.name.clone()));
            }
            notice::until_ok(reaper, &document.name, &settings.caller).await;
        }
    }
    match opened {
        Ok(()) => Ok(()),
        Err(how) => Err(Failure::OpenerFailed(how, words.last().await)),
    }
}
