//! Notifications of copies from one qube: few of them, however many copies the qube sends.
//!
//! Every process adds what it has to tell to a file. One process, the holder of the lock, shows it:
//! at once the first time, then at most once in [`QUIET`]. What comes meanwhile is added up, and
//! replaces a notification that can still be seen.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use desktop::notifier::{self, Answer, Notifier, Shown};
use qfile_proto::QubeName;
use rustix::fs::{FlockOperation, flock, ftruncate};

use super::state::State;

/// The shortest time between two notifications about one qube.
const QUIET: Duration = Duration::from_secs(30);

/// How many times [`QUIET`] a click is waited for after the last news: ten minutes.
const PATIENCE: u32 = 20;

/// The most bytes of the file of news: three numbers.
const MAX_LEN: usize = 64;

/// What there is to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Files and links that arrived.
    files: u64,
    /// Folders that arrived.
    folders: u64,
    /// Copies that were received, even if there was nothing in them.
    copies: u64,
    /// Copies that were refused because the settings cannot be used.
    refused: u64,
}

impl News {
    /// A copy arrived.
    pub(super) fn received(files: u64, folders: u64) -> Self {
        Self {
            files,
            folders,
            copies: 1,
            refused: 0,
        }
    }

    /// A copy was refused because of the settings.
    pub(super) fn refused() -> Self {
        Self {
            refused: 1,
            ..Self::default()
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            files: self.files.saturating_add(other.files),
            folders: self.folders.saturating_add(other.folders),
            copies: self.copies.saturating_add(other.copies),
            refused: self.refused.saturating_add(other.refused),
        }
    }

    fn is_nothing(self) -> bool {
        self == Self::default()
    }

    fn title(self, source: &QubeName) -> String {
        match self.copies {
            0 => format!("A copy from {source} was refused"),
            _ => format!("Files from {source}"),
        }
    }

    fn text(self) -> String {
        let arrived = match (self.files, self.folders) {
            (0, 0) => "An empty copy has arrived.".to_owned(),
            (files, 0) => format!("{} arrived.", counted(files, "file has", "files have")),
            (0, folders) => format!(
                "{} arrived.",
                counted(folders, "folder has", "folders have")
            ),
            (files, folders) => format!(
                "{} and {} have arrived.",
                counted(files, "file", "files"),
                counted(folders, "folder", "folders")
            ),
        };
        let refused = "The settings of this qube cannot be used, so copies are refused until they \
                       are corrected. The system log gives the reason; see filecopy.conf(5).";
        match (self.copies, self.refused) {
            (_, 0) => arrived,
            (0, _) => refused.to_owned(),
            _ => format!("{arrived} {refused}"),
        }
    }

    fn encode(self) -> String {
        let Self {
            files,
            folders,
            copies,
            refused,
        } = self;
        format!("{files} {folders} {copies} {refused}")
    }

    /// What is in no known form is no news: the file belongs to the user.
    fn parse(text: &[u8]) -> Self {
        let numbers = || {
            let text = std::str::from_utf8(text).ok()?;
            let numbers: Result<Vec<u64>, _> = text.split(' ').map(str::parse).collect();
            let [files, folders, copies, refused] = numbers.ok()?.try_into().ok()?;
            Some(Self {
                files,
                folders,
                copies,
                refused,
            })
        };
        numbers().unwrap_or_default()
    }
}

fn counted(number: u64, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}

/// What shows notifications.
pub(super) trait Desktop {
    /// A notification that is being shown.
    type Shown;

    /// Shows one in the place of `before`. `None` if that is not possible.
    fn show(&self, title: &str, text: &str, before: Option<Self::Shown>) -> Option<Self::Shown>;

    /// Waits for the user.
    fn wait(&self, shown: &mut Self::Shown, time: Duration) -> Answer;

    /// Opens the incoming folder.
    fn open(&self);

    /// Lets `time` pass.
    fn pause(&self, time: Duration);
}

/// The notifications about one qube.
#[derive(Debug)]
pub(super) struct Notices<'a, D = Real<'a>> {
    source: &'a QubeName,
    desktop: D,
    turn: File,
    news: File,
}

impl<'a> Notices<'a> {
    /// `None` if nothing can be shown here.
    pub(super) fn new(
        state: &State,
        source: &'a QubeName,
        folder: Option<&'a Path>,
    ) -> Option<Self> {
        let notifier = Notifier::find()?;
        Notices::on(Real { notifier, folder }, state, source)
    }
}

impl<'a, D: Desktop> Notices<'a, D> {
    fn on(desktop: D, state: &State, source: &'a QubeName) -> Option<Self> {
        Some(Self {
            source,
            desktop,
            turn: state.file(source, "notices")?,
            news: state.file(source, "news")?,
        })
    }

    /// Tells the user, or has the process tell them whose turn it is.
    pub(super) fn tell(&self, news: &News) {
        if self.change_news(|old| old.plus(*news)).is_err() {
            return;
        }
        // A process that adds news while the lock is being given back does not get the lock, so the
        // one that gives it back looks once more.
        while !self.peek().is_nothing() {
            if flock(&self.turn, FlockOperation::NonBlockingLockExclusive).is_err() {
                return;
            }
            self.show_until_quiet();
            let _unlocked_at_the_end = flock(&self.turn, FlockOperation::Unlock);
        }
    }

    fn show_until_quiet(&self) {
        let mut shown = None;
        let mut told = News::default();
        let mut idle = 0;
        loop {
            let news = self.take();
            if !news.is_nothing() {
                // What can still be seen is replaced, so it is told again.
                told = if shown.is_some() {
                    told.plus(news)
                } else {
                    news
                };
                shown = self
                    .desktop
                    .show(&told.title(self.source), &told.text(), shown);
                idle = 0;
            } else if shown.is_none() || idle == PATIENCE {
                return;
            }
            idle += 1;
            shown = self.wait(shown);
        }
    }

    /// Lets [`QUIET`] pass. What can still be seen after it.
    fn wait(&self, shown: Option<D::Shown>) -> Option<D::Shown> {
        let end = Instant::now() + QUIET;
        if let Some(mut shown) = shown {
            match self.desktop.wait(&mut shown, QUIET) {
                Answer::None => return Some(shown),
                Answer::Clicked => self.desktop.open(),
                Answer::Closed => {}
            }
        }
        let left = end.saturating_duration_since(Instant::now());
        self.desktop.pause(left);
        None
    }

    fn take(&self) -> News {
        self.change_news(|_| News::default()).unwrap_or_default()
    }

    fn peek(&self) -> News {
        self.change_news(|news| news).unwrap_or_default()
    }

    /// Changes the file of news; what was in it before.
    fn change_news(&self, change: impl FnOnce(News) -> News) -> io::Result<News> {
        flock(&self.news, FlockOperation::LockExclusive)?;
        let result = (|| {
            let mut bytes = [0; 4 * MAX_LEN];
            let len = self.news.read_at(&mut bytes, 0)?;
            let before = News::parse(&bytes[..len]);
            let after = change(before);
            if after != before {
                ftruncate(&self.news, 0)?;
                self.news.write_all_at(after.encode().as_bytes(), 0)?;
            }
            Ok(before)
        })();
        flock(&self.news, FlockOperation::Unlock)?;
        result
    }
}

/// The desktop of the user.
#[derive(Debug)]
pub(super) struct Real<'a> {
    notifier: Notifier,
    folder: Option<&'a Path>,
}

impl Desktop for Real<'_> {
    type Shown = Shown;

    fn show(&self, title: &str, text: &str, before: Option<Shown>) -> Option<Shown> {
        let action = self.folder.map(|_| "Open the folder");
        let replaces = before.as_ref().and_then(Shown::id);
        // Nobody must wait for a click on the old one: both would open the folder.
        drop(before);
        self.notifier.show(title, text, action, replaces).ok()
    }

    fn wait(&self, shown: &mut Shown, time: Duration) -> Answer {
        shown.wait(time)
    }

    fn open(&self) {
        if let Some(folder) = self.folder {
            let _it_can_be_opened_by_hand = notifier::open_folder(folder);
        }
    }

    fn pause(&self, time: Duration) {
        thread::sleep(time);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn numbers_and_words_agree() {
        for (files, folders, text) in [
            (0, 0, "An empty copy has arrived."),
            (1, 0, "1 file has arrived."),
            (2, 0, "2 files have arrived."),
            (0, 1, "1 folder has arrived."),
            (0, 3, "3 folders have arrived."),
            (1, 1, "1 file and 1 folder have arrived."),
            (2, 2, "2 files and 2 folders have arrived."),
        ] {
            assert_eq!(News::received(files, folders).text(), text);
        }
    }

    #[test]
    fn news_are_stored_and_added_up() {
        let news = News::received(u64::MAX, 1).plus(News::received(1, 1));
        assert_eq!(news.copies, 2);
        assert_eq!((news.files, news.folders), (u64::MAX, 2));
        assert_eq!(News::parse(news.encode().as_bytes()), news);
        for odd in ["", "1", "1 2 3", "1 2 3 4 5", "a b c d", "1 2 3 -4"] {
            assert_eq!(News::parse(odd.as_bytes()), News::default());
        }
    }

    /// What happens while a notification is shown: another process has news, or the user acts.
    enum Event {
        More(News),
        Nothing,
        Click,
        Close,
    }

    /// Says what it is asked to do.
    struct Fake<'a> {
        state: &'a State,
        source: &'a QubeName,
        events: RefCell<Vec<Event>>,
        done: &'a RefCell<Vec<String>>,
    }

    impl Fake<'_> {
        fn note(&self, text: String) {
            self.done.borrow_mut().push(text);
        }
    }

    impl Desktop for Fake<'_> {
        type Shown = ();

        fn show(&self, title: &str, text: &str, before: Option<()>) -> Option<()> {
            let how = before.map_or("show", |()| "replace");
            self.note(format!("{how}: {title}: {text}"));
            Some(())
        }

        fn wait(&self, (): &mut (), time: Duration) -> Answer {
            assert_eq!(time, QUIET);
            match self.events.borrow_mut().pop() {
                Some(Event::More(news)) => {
                    // Another process: it adds its news and goes.
                    let done = RefCell::default();
                    let desktop = Fake {
                        events: RefCell::default(),
                        done: &done,
                        ..*self
                    };
                    let other = Notices::on(desktop, self.state, self.source).unwrap();
                    other.tell(&news);
                    assert!(done.borrow().is_empty(), "another process showed it");
                    Answer::None
                }
                Some(Event::Click) => Answer::Clicked,
                Some(Event::Close) => Answer::Closed,
                Some(Event::Nothing) | None => Answer::None,
            }
        }

        fn open(&self) {
            self.note("open".to_owned());
        }

        fn pause(&self, _: Duration) {
            self.note("pause".to_owned());
        }
    }

    fn told(news: News, events: impl IntoIterator<Item = Event>) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open_in(folder.path().to_owned()).unwrap();
        let source = QubeName::parse(b"work").unwrap();
        let done = RefCell::default();
        let mut events: Vec<Event> = events.into_iter().collect();
        events.reverse();
        let desktop = Fake {
            state: &state,
            source: &source,
            events: RefCell::new(events),
            done: &done,
        };
        Notices::on(desktop, &state, &source).unwrap().tell(&news);
        done.take()
    }

    #[test]
    fn a_click_opens_the_folder() {
        let done = told(News::received(2, 0), [Event::Nothing, Event::Click]);
        assert_eq!(
            done,
            [
                "show: Files from work: 2 files have arrived.",
                "open",
                "pause"
            ]
        );
    }

    #[test]
    fn what_comes_meanwhile_is_added_up_and_replaces_what_can_be_seen() {
        let more = || Event::More(News::received(1, 0));
        let done = told(
            News::received(1, 0),
            [more(), Event::Nothing, more(), Event::Close],
        );
        assert_eq!(
            done,
            [
                "show: Files from work: 1 file has arrived.",
                "replace: Files from work: 2 files have arrived.",
                "replace: Files from work: 3 files have arrived.",
                "pause"
            ]
        );
    }

    #[test]
    fn a_refusal_is_told_without_any_detail() {
        let done = told(News::refused(), []);
        let [shown] = &done[..] else {
            panic!("{done:?}")
        };
        assert!(shown.starts_with("show: A copy from work was refused: The settings"));
    }

    #[test]
    fn nobody_waits_for_ever() {
        let done = told(News::received(1, 0), []);
        assert_eq!(done.len(), 1);
    }
}
