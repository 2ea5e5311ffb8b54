//! One call, from the request to the answer.

use program::failure::{FAILED, Failure};
use program::interrupt::{Interrupt, exit_status};
use qrexec::channel::{Sink, Source};

use crate::answer::Answer;
use crate::ending::Ending;
use crate::error::Error;
use crate::intake::Document;
use crate::notice;
use crate::opener::{Opener, Words};
use crate::scratch::Scratch;
use crate::settings::Settings;
use crate::wait::{self, End};
use program::reaper::Reaper;

/// Receives a file, has it edited and sends it back.
///
/// # Errors
/// Why there was no answer. From the moment that a program was started, it is told here, as what
/// stays in this qube is told with it.
pub(crate) async fn serve(settings: &Settings, interrupt: &mut Interrupt) -> Result<(), Failure> {
    let from = Source::stdin().map_err(Error::system("use stdin"))?;
    let mut to = Sink::stdout().map_err(Error::system("use stdout"))?;
    let reaper = Reaper::new().map_err(Error::system("wait for programs"))?;
    let scratch = Scratch::create(&settings.caller)
        .map_err(Error::system("make a temporary folder in /tmp"))?;
    let document = tokio::select! {
        received = Document::receive(from, scratch.path()) => received?,
        signal = interrupt.caught() => return Err(ended_by(signal)),
    };
    // The end of the connection looks like the end of the file.
    if to.is_given_up() {
        return Err(Error::CallerGone.into());
    }
    let mut session = Session {
        settings,
        document,
        scratch,
        reaper,
        words: None,
        is_in_use: false,
    };
    let result = tokio::select! {
        result = session.edit_and_answer(&mut to) => result,
        signal = interrupt.caught() => {
            session.ending().after_signal();
            return Err(ended_by(signal));
        }
    };
    tokio::select! {
        () = session.end(&result) => {}
        signal = interrupt.caught() => return Err(ended_by(signal)),
    }
    result.map_err(|_| Failure::said(FAILED))
}

fn ended_by(signal: u8) -> Failure {
    Failure::said(exit_status(signal))
}

struct Session<'a> {
    settings: &'a Settings,
    document: Document,
    scratch: Scratch,
    reaper: Reaper,
    /// What the opener writes, once it has been started.
    words: Option<Words>,
    /// The user may work on the file, whether that can be seen or not.
    is_in_use: bool,
}

impl Session<'_> {
    async fn edit_and_answer(&mut self, to: &mut Sink) -> Result<(), Error> {
        let opened = self.open_and_wait().await;
        let answer = Answer {
            document: &self.document,
            scratch: &self.scratch,
            to,
        };
        match opened {
            Ok(()) => answer.of_finished().await,
            Err(failure) => match answer.of_failed(&failure).await {
                // What failed here is why nobody waits any more, or at least more telling.
                Ok(()) | Err(Error::NobodyListens(..)) => Err(failure),
                Err(not_sent) => Err(not_sent),
            },
        }
    }

    /// Returns when the user is done with the file.
    async fn open_and_wait(&mut self) -> Result<(), Error> {
        let opener = Opener::find(self.settings.opener.as_deref())?;
        let not_started = |error| Error::NotStarted(opener.shown(), error);
        let (mut command, words) = opener.command(&self.document.path).map_err(not_started)?;
        let pid = self.reaper.start(&mut command).map_err(not_started)?;
        // It holds the pipes of its words.
        drop(command);
        let words = self.words.insert(words);
        self.is_in_use = true;
        let waited = wait::until_done(
            &self.document,
            &self.scratch,
            &mut self.reaper,
            (opener.program(), pid),
            &self.settings.patience,
        )
        .await?;
        if let End::Unsure { seen } = waited.end {
            if !seen && !notice::can_be_asked() {
                return Err(Error::NobodyToAsk(self.document.name.clone()));
            }
            notice::until_ok(&mut self.reaper, &self.document.name, &self.settings.caller).await;
        }
        self.is_in_use = false;
        waited.opened.map_err(|how| {
            let last = words.end().line().to_owned();
            Error::OpenerFailed(how, last)
        })
    }

    fn ending(&self) -> Ending<'_> {
        Ending {
            settings: self.settings,
            document: &self.document,
            scratch: &self.scratch,
            words: self.words.as_ref(),
            is_in_use: self.is_in_use,
        }
    }

    /// Tells everybody how it went, and waits until the user has read what there is to read.
    async fn end(&mut self, result: &Result<(), Error>) {
        if let Some((notice, text)) = self.ending().after_answer(result) {
            let before = self.document.state_now();
            notice::show(&mut self.reaper, notice, &text).await;
            self.ending().after_window(result, before);
        }
    }
}
