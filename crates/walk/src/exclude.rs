//! `--exclude`: which entries of a walk are left out because the user does not want them.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use files::last_component;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use text::name;
use unicode_normalization::UnicodeNormalization as _;

/// What is left out.
///
/// A pattern without a slash is compared with the name of each entry, that of an argument included. A
/// pattern with a slash is compared with the path of each entry below its argument. A slash at the
/// end restricts a pattern to folders; one at the beginning only says that it is a path. `*` and `?`
/// match no slash, `**` does, and `[...]` and `{a,b}` are as in a shell.
///
/// Patterns and names are compared in the normal form C of Unicode: é is one character or two, and
/// nobody sees which.
#[derive(Clone, Debug)]
pub struct Exclude {
    typed: Vec<OsString>,
    names: Patterns,
    paths: Patterns,
    /// Which of the patterns have matched something.
    matched: Arc<[AtomicBool]>,
}

/// A pattern that cannot be understood.
#[derive(Debug)]
pub struct BadPattern {
    typed: OsString,
    why: String,
}

/// Patterns for any entry, and for folders only.
#[derive(Clone, Debug)]
struct Patterns {
    any: Set,
    folders: Set,
}

/// Patterns, each with its place among those that were typed.
#[derive(Clone, Debug)]
struct Set {
    globs: GlobSet,
    places: Vec<usize>,
}

impl Exclude {
    /// What one of `patterns` matches is left out.
    ///
    /// # Errors
    /// The first pattern that is not one.
    pub fn new(patterns: impl IntoIterator<Item = OsString>) -> Result<Self, BadPattern> {
        let typed: Vec<OsString> = patterns.into_iter().collect();
        // Names and paths; of each, those for any entry and those for folders.
        let mut sets = [0; 4].map(|_| (GlobSetBuilder::new(), Vec::new()));
        for (place, pattern) in typed.iter().enumerate() {
            let bad = |why: String| BadPattern {
                typed: pattern.clone(),
                why,
            };
            let text = pattern
                .to_str()
                .ok_or_else(|| bad("it is not valid UTF-8".to_owned()))?;
            let is_for_folders = text.ends_with('/');
            let body = text.strip_suffix('/').unwrap_or(text);
            let is_path = body.contains('/');
            let body = body.strip_prefix('/').unwrap_or(body);
            if body.is_empty() {
                return Err(bad("it matches nothing".to_owned()));
            }
            let body: String = body.nfc().collect();
            let glob = GlobBuilder::new(&body)
                .literal_separator(true)
                .build()
                .map_err(|error| bad(error.kind().to_string()))?;
            let set = &mut sets[2 * usize::from(is_path) + usize::from(is_for_folders)];
            set.0.add(glob);
            set.1.push(place);
        }
        let too_large = |error: globset::Error| BadPattern {
            typed: OsString::from("--exclude"),
            why: error.kind().to_string(),
        };
        let [names, name_folders, paths, path_folders] = sets;
        let set = |(globs, places): (GlobSetBuilder, Vec<usize>)| {
            let globs = globs.build().map_err(too_large)?;
            Ok(Set { globs, places })
        };
        let patterns = |any, folders| {
            Ok(Patterns {
                any: set(any)?,
                folders: set(folders)?,
            })
        };
        Ok(Self {
            names: patterns(names, name_folders)?,
            paths: patterns(paths, path_folders)?,
            matched: typed.iter().map(|_| AtomicBool::new(false)).collect(),
            typed,
        })
    }

    /// True if an entry is left out. `name` begins with the last component of its argument, as in a
    /// stream.
    #[must_use]
    pub fn matches(&self, name: &[u8], is_folder: bool) -> bool {
        let name = &*normal_form(name);
        let below = name.iter().position(|byte| *byte == b'/');
        let below = below.is_some_and(|at| self.note(&self.paths, &name[at + 1..], is_folder));
        // Each pattern that matches is noted.
        self.note(&self.names, last_component(name), is_folder) || below
    }

    fn note(&self, patterns: &Patterns, text: &[u8], is_folder: bool) -> bool {
        let path = Path::new(OsStr::from_bytes(text));
        let sets = [Some(&patterns.any), is_folder.then_some(&patterns.folders)];
        let mut is_matched = false;
        for set in sets.into_iter().flatten() {
            if set.globs.is_match(path) {
                is_matched = true;
                for index in set.globs.matches(path) {
                    self.matched[set.places[index]].store(true, Ordering::Relaxed);
                }
            }
        }
        is_matched
    }

    /// The patterns that have matched nothing so far, as they were typed.
    pub fn unmatched(&self) -> impl Iterator<Item = &OsStr> {
        let both = self.typed.iter().zip(&*self.matched);
        let unmatched = both.filter(|(_, matched)| !matched.load(Ordering::Relaxed));
        unmatched.map(|(typed, _)| &**typed)
    }

    /// The patterns, as they were typed.
    #[must_use]
    pub fn typed(&self) -> &[OsString] {
        &self.typed
    }
}

/// `name` in normal form C, unless it is not text.
fn normal_form(name: &[u8]) -> Cow<'_, [u8]> {
    if name.is_ascii() {
        return name.into();
    }
    match std::str::from_utf8(name) {
        Ok(text) => text.nfc().collect::<String>().into_bytes().into(),
        Err(_) => name.into(),
    }
}

impl PartialEq for Exclude {
    fn eq(&self, other: &Self) -> bool {
        self.typed == other.typed
    }
}

impl Eq for Exclude {}

impl BadPattern {
    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        "give a pattern such as '*.o', .git/ or 'src/*/build', in quotes so that the shell does not \
         expand it"
    }
}

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { typed, why } = self;
        write!(f, "{} is not a pattern: {why}", name(typed.as_bytes()))
    }
}

impl std::error::Error for BadPattern {}

#[cfg(test)]
mod tests {
    use super::*;

    fn excludes(pattern: &str, name: &str, is_folder: bool) -> bool {
        let exclude = Exclude::new([OsString::from(pattern)]).unwrap();
        exclude.matches(name.as_bytes(), is_folder)
    }

    #[test]
    fn a_pattern_is_for_names_or_for_paths_below_the_argument() {
        let table: [(&str, &str, bool); 24] = [
            ("*.o", "a.o", true),
            ("*.o", "src/a.o", true),
            ("*.o", "src/deep/.o", true),
            ("*.o", "src/a.c", false),
            ("*.o", "a.o/b", false),
            (".git", "src/.git", true),
            (".git", "src/.github", false),
            ("src", "src", true),
            ("build/*.log", "src/build/a.log", true),
            ("build/*.log", "build/a.log", false),
            ("build/*.log", "src/x/build/a.log", false),
            ("build/*.log", "src/build/x/a.log", false),
            ("**/build/*.log", "src/x/build/a.log", true),
            ("**/build/*.log", "src/build/a.log", true),
            ("/top", "src/top", true),
            ("/top", "src/x/top", false),
            ("/top", "top", false),
            ("?", "src/a", true),
            ("?", "src/ab", false),
            ("[a-c]*", "src/bcd", true),
            ("[!a-c]*", "src/bcd", false),
            ("*.{o,a}", "src/lib.a", true),
            ("\\*", "src/*", true),
            ("\\*", "src/x", false),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(excludes(pattern, name, false), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_slash_at_the_end_means_folders() {
        for (pattern, name) in [("target/", "x/target"), ("a/target/", "x/a/target")] {
            assert!(excludes(pattern, name, true), "{pattern}");
            assert!(!excludes(pattern, name, false), "{pattern}");
        }
    }

    #[test]
    fn one_character_and_two_that_look_like_it_are_the_same() {
        let (one, two) = ("\u{fc}", "u\u{308}");
        for (pattern, name) in [(one, two), (two, one), (two, two), (one, one)] {
            let (pattern, name) = (format!("*{pattern}.txt"), format!("a/gr{name}.txt"));
            assert!(excludes(&pattern, &name, false), "{pattern} {name}");
        }
        assert!(!excludes("u", &format!("a/{two}"), false));
    }

    #[test]
    fn it_is_known_which_patterns_have_matched_nothing() {
        let patterns = ["*.o", "a.*", "build/", "x/y"].map(OsString::from);
        let exclude = Exclude::new(patterns).unwrap();
        assert!(exclude.matches(b"top/a.o", false));
        assert!(!exclude.matches(b"top/build", false));
        assert!(exclude.unmatched().eq(["build/", "x/y"]));
        assert!(exclude.clone().matches(b"top/x/y", false));
        assert!(exclude.unmatched().eq(["build/"]));
    }

    #[test]
    fn any_bytes_may_be_in_a_name() {
        let exclude = Exclude::new([OsString::from("*.o")]).unwrap();
        assert!(exclude.matches(b"a/\xFF\n.o", false));
        assert!(!exclude.matches(b"a/\xFF\n.p", false));
    }

    #[test]
    fn what_is_no_pattern_is_refused_by_its_name() {
        for pattern in ["", "/", "[a", "{a", "a\\"] {
            let error = Exclude::new(["*.o", pattern].map(OsString::from)).unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains(&format!("{} is not", name(pattern.as_bytes()))),
                "{text}"
            );
        }
        let bytes = OsStr::from_bytes(b"\xFF").to_owned();
        assert!(Exclude::new([bytes]).is_err());
    }
}
