//! What of a desktop file dom0 takes, as the lines that it reads.
//!
//! dom0 takes lines `NAME:KEY=VALUE` of seven keys, each with a set of ASCII characters of its own,
//! and drops an entry that has no `Name` left. A line that is longer than its buffer of 1,024 bytes
//! reaches it in pieces.

use std::str;

use desktop_entries::Entry;
use desktop_entries::entry::unescaped;
use memchr::memchr;
use text::own;

/// Most bytes of a line, its newline among them.
const MAX_LINE_LEN: usize = 1023;

/// Whose `Categories` are this is never shown.
const SCREENSAVER: &[u8] = b"Screensaver;";

/// Keys beside `Name` and `Exec`.
const OTHER_KEYS: [&str; 5] = [
    "GenericName",
    "Comment",
    "Icon",
    "Categories",
    "StartupWMClass",
];

/// An entry of dom0's menu.
#[derive(Debug, Default)]
pub(crate) struct MenuEntry {
    /// What every language has.
    pub(crate) lines: Vec<Vec<u8>>,
    /// Translations that dom0 takes.
    pub(crate) translations: Vec<Vec<u8>>,
    /// What dom0 would not take, for a person.
    pub(crate) lost: Vec<String>,
}

/// What becomes of a desktop file.
#[derive(Debug)]
pub(crate) enum Judged {
    Shown(MenuEntry),
    /// It says itself that no menu shows it.
    NotShown,
    /// dom0 would not take it, or could not start it, for this reason.
    Refused(String),
}

/// Judges the desktop file with this ID.
pub(crate) fn judge(id: &[u8], entry: &Entry) -> Judged {
    let is_hidden = entry.is_true("Hidden") || entry.is_true("NoDisplay");
    if is_hidden || entry.raw(b"Categories") == Some(SCREENSAVER) {
        return Judged::NotShown;
    }
    if !entry.is_application() {
        return match entry.raw(b"Type") {
            Some(b"Link" | b"Directory") => Judged::NotShown,
            Some(_) => Judged::Refused("its key Type is not \"Application\"".to_owned()),
            None => Judged::Refused("it has no key Type".to_owned()),
        };
    }
    if entry.string("Exec").is_none() && !entry.is_true("DBusActivatable") {
        return Judged::Refused("it has no key Exec, so it cannot be started".to_owned());
    }
    if !id
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
    {
        return Judged::Refused(
            "dom0 takes only letters, digits and ._- in the name of an application".to_owned(),
        );
    }
    let id = String::from_utf8_lossy(id);
    let name = format!("{id}.desktop");
    let exec = format!("{name}:Exec=qubes-desktop-run {name}");
    if exec.len() >= MAX_LINE_LEN {
        return Judged::Refused("its name is too long for dom0".to_owned());
    }
    let mut shown = MenuEntry::default();
    shown.add_name(&name, &id, entry);
    for key in OTHER_KEYS {
        shown.add(&name, key, entry);
    }
    shown.lines.push(exec.into_bytes());
    shown.add_translations(&name, entry);
    Judged::Shown(shown)
}

impl MenuEntry {
    /// Without a `Name` that dom0 takes there is no entry, so there is always one: what the file
    /// says, else its English translation, else what is closest to either.
    fn add_name(&mut self, name: &str, id: &str, entry: &Entry) {
        let english = entry
            .pairs()
            .find(|(key, value)| {
                key.starts_with(b"Name[en") && value.is_ascii() && !value.is_empty()
            })
            .and_then(|(key, _)| entry.string(str::from_utf8(key).ok()?));
        let own_name = entry.string("Name");
        let ascii = own_name
            .clone()
            .filter(|value| value.is_ascii())
            .or(english);
        let taken = ascii.as_ref().map(|value| with_allowed("Name", value));
        let taken = taken.filter(|value| value.iter().any(u8::is_ascii_alphanumeric));
        let value = taken.unwrap_or_else(|| id.as_bytes().to_vec());
        if own_name.as_ref() != Some(&value) {
            let because = match own_name {
                Some(own_name) => format!("dom0 does not take its Name \"{}\"", own(&own_name)),
                None => "it has no key Name".to_owned(),
            };
            self.lost.push(format!(
                "{because}; its entry is called \"{}\"",
                own(&value)
            ));
        }
        self.lines.push(line(name, "Name", &value));
    }

    fn add(&mut self, name: &str, key: &str, entry: &Entry) {
        let Some(value) = entry.string(key) else {
            return;
        };
        let line = line(name, key, &value);
        let is_cut = line.len() < name.len() + key.len() + 2 + value.len();
        if !is_allowed(key, &value) || (is_cut && matches!(key, "Icon" | "StartupWMClass")) {
            let shown = own(&value);
            self.lost
                .push(format!("dom0 does not take its {key} \"{shown}\""));
        } else {
            self.lines.push(line);
        }
    }

    fn add_translations(&mut self, name: &str, entry: &Entry) {
        // Of equal keys dom0 takes the last line, as it should be.
        for (key, value) in entry.pairs() {
            let Some((of, locale)) = translated(key) else {
                continue;
            };
            let is_locale = |byte: &u8| byte.is_ascii_alphanumeric() || b"_@.-".contains(byte);
            let is_text = ["Name", "GenericName", "Comment"].contains(&of);
            if !is_text || locale.is_empty() || !locale.iter().all(is_locale) {
                continue;
            }
            // Most languages need more than ASCII; that these are not sent is not worth telling.
            let value = unescaped(value);
            if let (Ok(key), false) = (str::from_utf8(key), value.is_empty()) {
                if is_allowed(of, &value) {
                    self.translations.push(line(name, key, &value));
                }
            }
        }
    }
}

/// The parts of a key `KEY[LOCALE]`.
fn translated(key: &[u8]) -> Option<(&str, &[u8])> {
    let key = key.strip_suffix(b"]")?;
    let bracket = memchr(b'[', key)?;
    Some((str::from_utf8(&key[..bracket]).ok()?, &key[bracket + 1..]))
}

/// Makes one line. A line that is too long is shortened; a list of categories is cut after a complete
/// category.
fn line(name: &str, key: &str, value: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(name.len() + key.len() + 2 + value.len());
    for part in [name, ":", key, "="] {
        line.extend_from_slice(part.as_bytes());
    }
    let start = line.len();
    line.extend_from_slice(value);
    if line.len() >= MAX_LINE_LEN {
        line.truncate(MAX_LINE_LEN - 1);
        let last = line.iter().rposition(|byte| *byte == b';');
        if let (Some(last), "Categories") = (last, key) {
            line.truncate((last + 1).max(start));
        }
    }
    line
}

fn is_allowed(key: &str, value: &[u8]) -> bool {
    let allowed = allowed(key);
    value.iter().all(|byte| allowed[usize::from(*byte)])
}

fn with_allowed(key: &str, value: &[u8]) -> Vec<u8> {
    let allowed = allowed(key);
    let or_underscore = |byte: &u8| match allowed[usize::from(*byte)] {
        true => *byte,
        false => b'_',
    };
    value.iter().map(or_underscore).collect()
}

/// For each byte: does dom0 take it in the value of this key?
fn allowed(key: &str) -> &'static [bool; 256] {
    const NAMES: [bool; 256] = letters_digits_and(b"/_.-");
    const CATEGORIES: [bool; 256] = letters_digits_and(b"/.;:'() -");
    const TEXT: [bool; 256] = letters_digits_and(b"/.,:&()_ +-");
    match key {
        "Icon" | "StartupWMClass" => &NAMES,
        "Categories" => &CATEGORIES,
        _ => &TEXT,
    }
}

const fn letters_digits_and(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut other = 0;
    while other < others.len() {
        table[others[other] as usize] = true;
        other += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(id: &str, lines: &str) -> Judged {
        let content = format!("[Desktop Entry]\nType=Application\n{lines}\n");
        judge(id.as_bytes(), &Entry::parse(content.into()).unwrap())
    }

    #[track_caller]
    fn shown(id: &str, lines: &str) -> MenuEntry {
        match judged(id, lines) {
            Judged::Shown(entry) => entry,
            other => panic!("{other:?}"),
        }
    }

    fn text(lines: &[Vec<u8>]) -> Vec<&str> {
        lines
            .iter()
            .map(|line| str::from_utf8(line).unwrap())
            .collect()
    }

    #[test]
    fn only_what_dom0_takes_is_sent() {
        let entry = shown(
            "sub-deep-d",
            "Version=1.0\nName=Deep\nName[de]=Tief\nName[el]=\u{3b2}\nX-Other=1\nIcon=foo\n\
             Comment[fr]=L'autre\nComment=A file, or two & more (fast)\nCategories=Utility;GTK;\n\
             Exec=deep --secret %U\nStartupWMClass=Deep\nGenericName=Digger\nActions=new;",
        );
        assert_eq!(
            text(&entry.lines),
            [
                "sub-deep-d.desktop:Name=Deep",
                "sub-deep-d.desktop:GenericName=Digger",
                "sub-deep-d.desktop:Comment=A file, or two & more (fast)",
                "sub-deep-d.desktop:Icon=foo",
                "sub-deep-d.desktop:Categories=Utility;GTK;",
                "sub-deep-d.desktop:StartupWMClass=Deep",
                "sub-deep-d.desktop:Exec=qubes-desktop-run sub-deep-d.desktop",
            ]
        );
        assert_eq!(
            text(&entry.translations),
            ["sub-deep-d.desktop:Name[de]=Tief"]
        );
        assert_eq!(entry.lost, [""; 0]);
    }

    #[test]
    fn there_is_always_a_name_that_dom0_takes() {
        for (lines, name) in [
            ("Name=Caf\u{e9}\nName[en_GB]=Coffee", "Coffee"),
            ("Name=\u{440}\u{435}\u{434}", "org.x.Y"),
            ("Name=Tom's \"Editor\"!", "Tom_s _Editor__"),
            ("Name=!!!", "org.x.Y"),
            ("Icon=a", "org.x.Y"),
            ("Name=A\\sB", "A B"),
        ] {
            let entry = shown("org.x.Y", &format!("{lines}\nExec=a"));
            assert_eq!(
                text(&entry.lines)[0],
                format!("org.x.Y.desktop:Name={name}")
            );
            assert_eq!(entry.lost.is_empty(), name == "A B", "{lines}");
        }
    }

    #[test]
    fn what_dom0_would_drop_is_told() {
        let entry = shown(
            "a",
            "Name=a\nExec=a\nIcon=my icon\nComment=\u{e9}\nCategories=a\\nb:X;",
        );
        assert_eq!(
            text(&entry.lines),
            [
                "a.desktop:Name=a",
                "a.desktop:Exec=qubes-desktop-run a.desktop"
            ]
        );
        assert_eq!(
            entry.lost,
            [
                "dom0 does not take its Comment \"\u{e9}\"",
                "dom0 does not take its Icon \"my icon\"",
                "dom0 does not take its Categories \"a_b:X;\"",
            ]
        );
        for id in ["a b", "a:b", "a\nb:Exec=evil", "\u{e9}", "a+b"] {
            assert!(
                matches!(judged(id, "Name=a\nExec=a"), Judged::Refused(_)),
                "{id}"
            );
        }
        for lines in ["Name=a", "Name=a\nExec=a\nType=Game"] {
            assert!(matches!(judged("a", lines), Judged::Refused(_)), "{lines}");
        }
    }

    #[test]
    fn what_no_menu_shows_is_left_out() {
        for line in [
            "Hidden=true",
            "Hidden=True",
            "NoDisplay=TRUE",
            "NoDisplay = 1",
            "Categories=Screensaver;",
            "Type=Link",
        ] {
            let judged = judged("a", &format!("Name=a\nExec=a\n{line}"));
            assert!(matches!(judged, Judged::NotShown), "{line}");
        }
        shown(
            "a",
            "Name=a\nExec=a\nNoDisplay=false\nCategories=Screensaver;Utility;",
        );
        shown("org.a.B", "Name=a\nDBusActivatable=true");
    }

    #[test]
    fn no_line_is_longer_than_dom0_reads_at_once() {
        let long = |len| "x".repeat(len);
        let lines = format!(
            "Exec=a\nName={}\nIcon={}\nCategories={}\nComment[de]={}",
            long(2000),
            long(2000),
            "Utility;".repeat(300),
            long(3000)
        );
        let entry = shown("a", &lines);
        let all = entry.lines.iter().chain(&entry.translations);
        assert_eq!(all.clone().map(Vec::len).max(), Some(1022));
        assert_eq!(all.count(), 4);
        assert!(text(&entry.lines)[1].ends_with(";Utility;"));
        assert_eq!(entry.lost.len(), 1, "{:?}", entry.lost);
        shown(&long(491), "Exec=a");
        assert!(matches!(judged(&long(492), "Exec=a"), Judged::Refused(_)));
    }
}
