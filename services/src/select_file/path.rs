//! Which paths dom0 takes: what Qubes Manager strips and checks of the answer of the services
//! (`8-services.md`, "qubes.SelectFile, qubes.SelectDirectory").

use std::fmt::{self, Display};
use std::fs;
use std::io;
use std::path::Path;

use desktop::dialog::Choice;

/// Most bytes that dom0 reads. It cuts what is longer, and so would use another path.
pub const MAX_LEN: usize = 512;

/// How many characters a refusal names.
const MAX_NAMED: usize = 8;

/// A path that dom0 takes as it is, of something that existed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged(String);

impl Judged {
    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder in which the next choice begins.
    pub(crate) fn begin(&self, choice: Choice) -> &Path {
        let path = Path::new(&self.0);
        match choice {
            Choice::File => path.parent().unwrap_or(path),
            Choice::Folder => path,
        }
    }
}

/// Why a path is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// dom0 does not take these characters, each once; a byte that is no character of UTF-8 is one.
    Characters(Vec<String>),
    /// It has this many bytes.
    Long(usize),
    /// dom0 strips white space from its end.
    BlankAtEnd,
    /// It goes up.
    GoesUp,
    /// It does not begin with `/`.
    NotAbsolute,
    /// The system says why it cannot be looked at.
    NotThere(String),
    /// A folder, where a file was to be chosen.
    Folder,
    /// A file, where a folder was to be chosen.
    NoFolder,
}

impl Refusal {
    /// What the user can do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Characters(_) | Self::BlankAtEnd => "Rename it, or choose another one.",
            Self::Long(_) => "Move it to a folder with a shorter path, or choose another one.",
            Self::NotAbsolute
            | Self::GoesUp
            | Self::NotThere(_)
            | Self::Folder
            | Self::NoFolder => "Choose another one.",
        }
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Characters(characters) => {
                let named = characters.len().min(MAX_NAMED);
                write!(
                    f,
                    "dom0 takes only paths of the letters A-Z and a-z, digits, blanks and \
                     - / : . , _ + = ( ) ?, but this one has {}",
                    characters[..named].join(", ")
                )?;
                match characters.len() - named {
                    0 => f.write_str("."),
                    more => write!(f, " and {more} more characters."),
                }
            }
            Self::Long(len) => write!(
                f,
                "dom0 takes only paths of at most {MAX_LEN} bytes, but this one has {len}."
            ),
            Self::BlankAtEnd => f.write_str("dom0 removes the blank at the end of the path."),
            Self::GoesUp => f.write_str("dom0 takes no path with ../ in it."),
            Self::NotAbsolute => f.write_str("The path does not begin with /."),
            Self::NotThere(why) => write!(f, "It cannot be used: {why}."),
            Self::Folder => f.write_str("It is a folder, and dom0 wants a file."),
            Self::NoFolder => f.write_str("It is no folder, and dom0 wants one."),
        }
    }
}

/// Does dom0 take the path, and is it there?
///
/// # Errors
/// Why not.
pub fn judge(untrusted_path: &[u8], choice: Choice) -> Result<Judged, Refusal> {
    let path = form(untrusted_path)?;
    let metadata = fs::metadata(path).map_err(|error| Refusal::NotThere(why(&error)))?;
    match (choice, metadata.is_dir()) {
        (Choice::File, true) => Err(Refusal::Folder),
        (Choice::Folder, false) => Err(Refusal::NoFolder),
        _ => Ok(Judged(path.to_owned())),
    }
}

/// Without `(os error 2)`: this is read by whoever sits before the qube.
fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "you may not look at it".to_owned(),
        _ => error.to_string(),
    }
}

/// The rule of dom0 alone.
///
/// # Errors
/// What dom0 would refuse, or change.
pub fn form(untrusted_path: &[u8]) -> Result<&str, Refusal> {
    let refused = refused_characters(untrusted_path);
    if !refused.is_empty() {
        return Err(Refusal::Characters(refused));
    }
    let Ok(path) = std::str::from_utf8(untrusted_path) else {
        return Err(Refusal::Characters(Vec::new()));
    };
    if !path.starts_with('/') {
        return Err(Refusal::NotAbsolute);
    }
    if path.contains("../") || path.ends_with("/..") {
        return Err(Refusal::GoesUp);
    }
    if path.ends_with(' ') {
        return Err(Refusal::BlankAtEnd);
    }
    match path.len() > MAX_LEN {
        true => Err(Refusal::Long(path.len())),
        false => Ok(path),
    }
}

fn is_taken(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/:.,_+=() ?-".contains(c)
}

/// Each character that dom0 does not take, once, as a name that the user reads.
fn refused_characters(untrusted_path: &[u8]) -> Vec<String> {
    let mut refused = Vec::new();
    let mut add = |shown: String| {
        if !refused.contains(&shown) {
            refused.push(shown);
        }
    };
    let mut buffer = [0; 4];
    for chunk in untrusted_path.utf8_chunks() {
        for c in chunk.valid().chars().filter(|c| !is_taken(*c)) {
            add(text::name(c.encode_utf8(&mut buffer).as_bytes()));
        }
        for byte in chunk.invalid() {
            add(text::name(&[*byte]));
        }
    }
    refused
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;

    /// What Qubes Manager does, written a second time: strip, ASCII, 512, the pattern, `../`.
    fn dom0_takes(answer: &[u8]) -> Option<String> {
        if !answer.is_ascii() {
            return None;
        }
        let answer = String::from_utf8(answer.to_vec()).ok()?;
        let stripped = answer.trim();
        let cut = &stripped[..stripped.len().min(512)];
        let allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/:.,_+=() ?-";
        (cut.chars().all(|c| allowed.contains(c)) && !cut.contains("../")).then(|| cut.to_owned())
    }

    #[test]
    fn every_kind_of_path_that_dom0_refuses_is_refused_here() {
        let characters = |shown: &[&str]| {
            Err(Refusal::Characters(
                shown.iter().map(|one| (*one).to_owned()).collect(),
            ))
        };
        assert_eq!(
            form(b"/home/user/a (1).tar,_+=?:"),
            Ok("/home/user/a (1).tar,_+=?:")
        );
        assert_eq!(form("/é&é".as_bytes()), characters(&["\"é\"", "\"&\""]));
        assert_eq!(form(b"/a\nb"), characters(&["$'\\n'"]));
        assert_eq!(form(b"/\xff"), characters(&["$'\\xff'"]));
        assert_eq!(form(b"/a "), Err(Refusal::BlankAtEnd));
        assert_eq!(form(b"/a/../b"), Err(Refusal::GoesUp));
        assert_eq!(form(b"/a/.."), Err(Refusal::GoesUp));
        assert_eq!(form(b"/a../b"), Err(Refusal::GoesUp));
        assert_eq!(form(b"a"), Err(Refusal::NotAbsolute));
        assert_eq!(form(b""), Err(Refusal::NotAbsolute));
        let long = format!("/{}", "x".repeat(511));
        assert_eq!(form(long.as_bytes()), Ok(&*long));
        assert_eq!(form(format!("{long}x").as_bytes()), Err(Refusal::Long(513)));
    }

    #[test]
    fn a_refusal_does_not_become_long() {
        let shown = |path: &str| form(path.as_bytes()).unwrap_err().to_string();
        assert!(shown("/äöüßéèêë").ends_with("\"ê\", \"ë\"."));
        assert!(shown("/äöüßéèêëïî").ends_with("\"ê\", \"ë\" and 2 more characters."));
    }

    #[test]
    fn only_what_is_there_and_of_its_kind_is_chosen() {
        let folder = tempfile::Builder::new().prefix("q").tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "").unwrap();
        symlink("file", path("link")).unwrap();
        symlink("nowhere", path("dangling")).unwrap();
        let judged = |name: &str, choice| {
            judge(path(name).as_os_str().as_bytes(), choice).map(|judged| judged.0)
        };
        let shown = |name: &str| Ok(path(name).to_str().unwrap().to_owned());
        assert_eq!(judged("file", Choice::File), shown("file"));
        assert_eq!(judged("link", Choice::File), shown("link"));
        assert_eq!(judged("file", Choice::Folder), Err(Refusal::NoFolder));
        assert_eq!(judged("", Choice::Folder), shown(""));
        assert_eq!(judged("", Choice::File), Err(Refusal::Folder));
        for missing in ["none", "dangling"] {
            let why = "it does not exist".to_owned();
            assert_eq!(judged(missing, Choice::File), Err(Refusal::NotThere(why)));
        }
    }

    proptest! {
        #[test]
        fn what_is_sent_is_what_dom0_uses(path in "/[a-zA-Z0-9/:.,_+=() ?é\n\t&-]{0,600}") {
            if let Ok(path) = form(path.as_bytes()) {
                let answer = format!("{path}\n");
                let used = dom0_takes(answer.as_bytes());
                prop_assert_eq!(used.as_deref(), Some(path));
            }
        }

        #[test]
        fn what_dom0_takes_unchanged_is_not_refused(path in "/[a-zA-Z0-9/:.,_+=() ?-]{0,520}") {
            let answer = format!("{path}\n");
            if dom0_takes(answer.as_bytes()).as_deref() == Some(&*path) && !path.ends_with("/..") {
                prop_assert!(form(path.as_bytes()).is_ok());
            }
        }

        #[test]
        fn no_bytes_end_the_program(path in prop::collection::vec(any::<u8>(), 0..700)) {
            if let Err(refusal) = form(&path) {
                let shown = refusal.to_string();
                prop_assert!(!shown.contains(char::is_control), "{}", shown);
                prop_assert!(shown.len() < 300, "{}", shown);
            }
        }
    }
}
