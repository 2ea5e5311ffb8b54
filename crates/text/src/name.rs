//! The name of a file of the person who reads it → text that stands for this name only, and that a
//! shell takes.
//!
//! A name that can be read in its own script is shown as it is, in double quotes. Any other is shown
//! as bash writes it, `$'a\tb'`: what cannot be seen, what looks like something else, and what would
//! change its place among other characters is an escape sequence. So two names never have the same
//! text, and whoever pastes the text gets the name.
//!
//! What stays is what no rule can tell: a whole word in one script that looks like a word of another.

use std::borrow::Borrow;
use std::fmt::Write as _;

/// Longest text between the quotes, in characters: what the kernel takes as a path is shown whole.
const MAX_SHOWN: usize = 4096;

/// How many characters a window or a notification shows of a name.
const MAX_IN_WINDOW: usize = 80;

/// Most characters at the end of a name that is too long.
const MAX_TAIL: usize = 120;

/// The name in quotes, ready to be pasted into a shell. A name of more than 4096 characters loses its
/// middle, and says so.
#[must_use]
pub fn name(bytes: &[u8]) -> String {
    let form = Form::of(bytes);
    let mut shown = Vec::new();
    for chunk in bytes.utf8_chunks() {
        let chars: Vec<char> = chunk.valid().chars().collect();
        form.show(&chars, &mut shown);
        shown.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    form.quoted(&shown, MAX_SHOWN)
}

/// `text` for a title, a question or a line of progress, where a long word has no room: each name in
/// quotes that has more than 80 characters loses its middle, as in [`name`]. What says what to do about
/// a file has to name all of it.
#[must_use]
pub fn for_window(text: &str) -> String {
    shortened(text, MAX_IN_WINDOW)
}

/// `text` with names of at most `max` characters.
fn shortened(text: &str, max: usize) -> String {
    let mut short = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, form, shown, after)) = next_quoted(rest) {
        short.push_str(before);
        short.push_str(&form.quoted(&shown, max));
        rest = after;
    }
    short.push_str(rest);
    short
}

/// The first name in quotes in `text`: what stands before it, how it is written, its characters, and
/// what stands behind it.
fn next_quoted(text: &str) -> Option<(&str, Form, Vec<&str>, &str)> {
    let mut openings = text.match_indices(['"', '$']);
    openings.find_map(|(begin, _)| {
        let (before, quoted) = text.split_at(begin);
        let form = match quoted.starts_with(Form::Plain.opening()) {
            true => Form::Plain,
            false => Form::Escaped,
        };
        let (shown, after) = form.read(quoted)?;
        Some((before, form, shown, after))
    })
}

/// The length in bytes of the escape sequence at the beginning of `text`.
fn escape_len(text: &str) -> usize {
    match text.as_bytes().get(1) {
        Some(b'x') => 4,
        Some(b'u') => 6,
        Some(b'U') => 10,
        _ => 2,
    }
}

/// How a name is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As it is.
    Plain,
    /// With escape sequences, also for letters that are written from right to left.
    Escaped,
}

impl Form {
    fn opening(self) -> &'static str {
        match self {
            Self::Plain => "\"",
            Self::Escaped => "$'",
        }
    }

    /// The characters of the name in quotes at the beginning of `text`, and what stands behind it.
    fn read(self, text: &str) -> Option<(Vec<&str>, &str)> {
        let close = match self {
            Self::Plain => '"',
            Self::Escaped => '\'',
        };
        let mut rest = text.strip_prefix(self.opening())?;
        let mut shown = Vec::new();
        loop {
            let len = match rest.chars().next()? {
                first if first == close => return Some((shown, &rest[1..])),
                // A line break is no character of a name that is shown.
                '\n' => return None,
                '\\' if self == Self::Escaped => escape_len(rest),
                first => first.len_utf8(),
            };
            let (one, after) = rest.split_at_checked(len)?;
            shown.push(one);
            rest = after;
        }
    }

    /// The characters `shown` in quotes, without their middle if there are more than `max`. What is left
    /// of the end is enough for an extension.
    fn quoted(self, shown: &[impl Borrow<str>], max: usize) -> String {
        let quoted = |shown: &[_]| match self {
            Self::Plain => format!("\"{}\"", shown.concat()),
            Self::Escaped => format!("$'{}'", shown.concat()),
        };
        if shown.len() <= max {
            return quoted(shown);
        }
        let tail = (max / 2).min(MAX_TAIL);
        let (begin, end) = (max - tail, shown.len() - tail);
        format!(
            "{}[... {} more ...]{}",
            quoted(&shown[..begin]),
            end - begin,
            quoted(&shown[end..])
        )
    }

    fn of(bytes: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Self::Escaped;
        };
        let chars: Vec<char> = text.chars().collect();
        let is_escaped = |at: usize| must_be_escaped(&chars, at);
        let needs_quotes = |c: &char| matches!(c, '"' | '$' | '`' | '\\' | '!');
        let is_plain = !(0..chars.len()).any(is_escaped)
            && !chars.iter().any(needs_quotes)
            && keeps_its_order(&chars);
        match is_plain {
            true => Self::Plain,
            false => Self::Escaped,
        }
    }

    /// Adds one text for each of `chars`.
    fn show(self, chars: &[char], shown: &mut Vec<String>) {
        for (at, c) in chars.iter().copied().enumerate() {
            shown.push(match self {
                Self::Plain => c.to_string(),
                Self::Escaped => match c {
                    '\n' => "\\n".to_owned(),
                    '\t' => "\\t".to_owned(),
                    '\r' => "\\r".to_owned(),
                    '\\' => "\\\\".to_owned(),
                    '\'' => "\\'".to_owned(),
                    c if must_be_escaped(chars, at) || is_right_to_left(c) => escaped(c),
                    c => c.to_string(),
                },
            });
        }
    }
}

fn escaped(c: char) -> String {
    let code = u32::from(c);
    let mut text = String::new();
    let _strings_take_everything = match code {
        0..=0x7F => write!(text, "\\x{code:02x}"),
        0x80..=0xFFFF => write!(text, "\\u{code:04x}"),
        _ => write!(text, "\\U{code:08x}"),
    };
    text
}

/// True if the character cannot be told from others where it stands.
fn must_be_escaped(chars: &[char], at: usize) -> bool {
    let c = chars[at];
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    let before = at.checked_sub(1).and_then(|before| chars.get(before));
    !is_printable(c)
        || is_look_alike(c)
        || is_mark(c) && before.is_none_or(|before| !before.is_alphanumeric() && !is_mark(*before))
        || before.is_some_and(|before| composes(*before, c))
        || is_mixed_into_latin(chars, at)
}

/// True if it can be seen: no control or format character, no space but the usual, not unassigned.
fn is_printable(c: char) -> bool {
    // After another character, so that a mark is not escaped for being the first.
    let text = ['a', c];
    text.iter().collect::<String>().escape_debug().eq(text)
}

/// A mark that is joined to the character before it. Those that `is_alphanumeric` knows as letters are
/// none.
fn is_mark(c: char) -> bool {
    !c.is_alphanumeric() && c.escape_debug().count() > 1 && is_printable(c)
}

/// What is invisible, or looks exactly like another character or sequence of characters.
#[rustfmt::skip]
const LOOK_ALIKES: [(u32, u32); 51] = [
    // Marks that are joined to Latin, Greek and Cyrillic letters: é is one character or two.
    (0x0300, 0x036F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F),
    // Like other characters, by their canonical decomposition.
    (0x0374, 0x0374), (0x037E, 0x037E), (0x0387, 0x0387), (0x1FBE, 0x1FBE), (0x1FEF, 0x1FEF),
    (0x1F71, 0x1F71), (0x1F73, 0x1F73), (0x1F75, 0x1F75), (0x1F77, 0x1F77), (0x1F79, 0x1F79),
    (0x1F7B, 0x1F7B), (0x1F7D, 0x1F7D), (0x1FBB, 0x1FBB), (0x1FFD, 0x1FFD), (0x2000, 0x200F),
    (0x2126, 0x2126), (0x212A, 0x212B), (0x2329, 0x232A), (0x2F00, 0x2FD5), (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
    // Letters and signs made of two, or for another use, that look like the usual ones.
    (0x0653, 0x0655), (0x0675, 0x0678), (0x0958, 0x095F), (0x09DC, 0x09DD), (0x09DF, 0x09DF),
    (0x0A33, 0x0A36), (0x0B5C, 0x0B5D), (0x1100, 0x11FF), (0xA960, 0xA97F), (0xD7B0, 0xD7FF),
    (0xFB00, 0xFDFF), (0xFE70, 0xFEFF), (0x1D400, 0x1D7FF), (0x3099, 0x309A),
    // Like signs of ASCII.
    (0x02B9, 0x02CF), (0x2010, 0x2012), (0x2024, 0x2026), (0x2044, 0x2044), (0x2215, 0x2216),
    (0x2236, 0x2236), (0x29F5, 0x29F9),
    // Without a shape, though they count as letters, marks or signs.
    (0x115F, 0x1160), (0x2800, 0x2800), (0x3164, 0x3164), (0xFE00, 0xFE0F),
];

/// The same; fewer, and only there because a table is easier to read than a long one.
const UNSEEN: [(u32, u32); 7] = [
    (0x034F, 0x034F),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0xA789, 0xA78A),
    (0xFF0F, 0xFF0F),
    (0xFFA0, 0xFFA0),
    (0xE0100, 0xE01EF),
];

fn is_look_alike(c: char) -> bool {
    is_in(&LOOK_ALIKES, c) || is_in(&UNSEEN, c)
}

/// Pairs that look like one vowel sign, or one letter, which has a code point of its own.
const COMPOSED: [(u32, u32); 20] = [
    (0x09C7, 0x09BE),
    (0x09C7, 0x09D7),
    (0x0B47, 0x0B3E),
    (0x0B47, 0x0B56),
    (0x0B47, 0x0B57),
    (0x0B92, 0x0BD7),
    (0x0BC6, 0x0BBE),
    (0x0BC6, 0x0BD7),
    (0x0BC7, 0x0BBE),
    (0x0C46, 0x0C56),
    (0x0CBF, 0x0CD5),
    (0x0CC6, 0x0CC2),
    (0x0CC6, 0x0CD5),
    (0x0CC6, 0x0CD6),
    (0x0CCA, 0x0CD5),
    (0x0D46, 0x0D3E),
    (0x0D46, 0x0D57),
    (0x0D47, 0x0D3E),
    (0x0DD9, 0x0DCF),
    (0x1025, 0x102E),
];

fn composes(first: char, second: char) -> bool {
    COMPOSED.contains(&(first.into(), second.into()))
}

/// True for a Greek or Cyrillic letter in a word with Latin letters: many look the same.
fn is_mixed_into_latin(chars: &[char], at: usize) -> bool {
    let is_other = |c: char| {
        matches!(c, '\u{370}'..='\u{52F}' | '\u{1C80}'..='\u{1C8F}'
        | '\u{1F00}'..='\u{1FFF}' | '\u{2DE0}'..='\u{2DFF}' | '\u{A640}'..='\u{A69F}'
        | '\u{10A0}'..='\u{10FF}' | '\u{13A0}'..='\u{13FF}' | '\u{A4D0}'..='\u{A4FF}')
    };
    let is_latin = |c: &char| {
        c.is_alphabetic()
            && matches!(*c, '\0'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}'
            | '\u{2C60}'..='\u{2C7F}' | '\u{A720}'..='\u{A7FF}' | '\u{AB30}'..='\u{AB6F}')
    };
    if !is_other(chars[at]) {
        return false;
    }
    let is_letter = |c: &&char| c.is_alphabetic();
    let mut word = chars[..at]
        .iter()
        .rev()
        .take_while(is_letter)
        .chain(chars[at..].iter().take_while(is_letter));
    word.any(is_latin)
}

/// True if no other name looks the same because characters change their places. Digits stand on the
/// left of a word that is written from right to left, whether they come before it or after it: only
/// after it they are left as they are, and only with such signs as are usual between them.
fn keeps_its_order(chars: &[char]) -> bool {
    let (mut after_word, mut digit, mut sign) = (false, false, false);
    // Digits of one kind and of the other are ordered by different rules.
    let (mut arabic, mut european) = (false, false);
    for c in chars.iter().copied() {
        if is_right_to_left(c) {
            if digit && !after_word {
                return false;
            }
            after_word = true;
        } else if c.is_numeric() {
            digit = true;
            arabic |= is_arabic_digit(c);
            european |= !is_arabic_digit(c);
        } else if c.is_alphabetic() {
            (after_word, digit, sign) = (false, false, false);
            (arabic, european) = (false, false);
        } else {
            sign |= after_word && !matches!(c, ' ' | '.' | '-' | '_');
        }
        if after_word && ((digit && sign) || (arabic && european)) {
            return false;
        }
    }
    true
}

/// A letter of a script that is written from right to left.
fn is_right_to_left(c: char) -> bool {
    !is_arabic_digit(c)
        && !matches!(c, '\u{6F0}'..='\u{6F9}')
        && matches!(c, '\u{590}'..='\u{8FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFF}'
            | '\u{10800}'..='\u{10FFF}' | '\u{1E800}'..='\u{1EFFF}')
}

fn is_arabic_digit(c: char) -> bool {
    matches!(c, '\u{660}'..='\u{669}')
}

fn is_in(ranges: &[(u32, u32)], c: char) -> bool {
    let code = u32::from(c);
    ranges
        .iter()
        .any(|(first, last)| (*first..=*last).contains(&code))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;
    use unicode_bidi::{BidiInfo, Level};

    use super::*;

    /// What bash makes of each of these words.
    fn pasted(words: &[String]) -> Vec<Vec<u8>> {
        let mut bash = Command::new("bash")
            .args(["--norc", "--noprofile"])
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = bash.stdin.take().unwrap();
        let script: String = words
            .iter()
            .map(|word| format!("printf '%s\\0' {word}\n"))
            .collect();
        let writer = std::thread::spawn(move || input.write_all(script.as_bytes()).unwrap());
        let output = bash.wait_with_output().unwrap();
        writer.join().unwrap();
        let mut names: Vec<Vec<u8>> = output
            .stdout
            .split(|byte| *byte == 0)
            .map(<[u8]>::to_vec)
            .collect();
        assert_eq!(names.pop().unwrap(), b"");
        names
    }

    fn names() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<char>().prop_map(|c| c.to_string().into_bytes()),
            "[ -~]".prop_map(String::into_bytes),
            "[\\t\\n\\r\\x1b\\x7f$`\"'\\\\!*?~#{}&;|<>()]".prop_map(String::into_bytes),
            "[a-zа-яא-תا-ي0-9٠-٩一-三क-ह\u{300}-\u{304}\u{200b}-\u{202e}.]"
                .prop_map(String::into_bytes),
            any::<u8>().prop_map(|byte| vec![byte]),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| {
            let name = pieces.concat();
            name.into_iter().filter(|byte| *byte != 0).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whoever_pastes_the_text_gets_the_name(names in prop::collection::vec(names(), 1..40)) {
            let texts: Vec<String> = names.iter().map(|bytes| name(bytes)).collect();
            prop_assert_eq!(pasted(&texts), names);
        }

        #[test]
        fn two_names_never_have_the_same_text(one in names(), other in names()) {
            prop_assert_eq!(one == other, name(&one) == name(&other));
        }

        #[test]
        fn a_text_with_short_names_stays_as_it_is(names in prop::collection::vec(names(), 0..4)) {
            let texts: Vec<String> = names.iter().map(|bytes| name(bytes)).collect();
            let text = texts.join(" and ");
            prop_assert_eq!(shortened(&text, 100), text);
        }

        #[test]
        fn nothing_is_obeyed_by_a_terminal(bytes in names()) {
            let text = name(&bytes);
            prop_assert!(text.chars().all(|c| matches!(c, ' '..='~') || is_printable(c)), "{:?}", text);
        }
    }

    #[test]
    fn every_character_can_be_pasted() {
        let all: Vec<Vec<u8>> = (1..=u32::from(char::MAX))
            .filter_map(char::from_u32)
            .filter(|c| u32::from(*c) < 0x3000 || u32::from(*c) % 97 == 0)
            .map(|c| format!("a{c}b").into_bytes())
            .chain((0x80..=0xFF).map(|byte| vec![byte, b'1']))
            .collect();
        let texts: Vec<String> = all.iter().map(|bytes| name(bytes)).collect();
        let names = pasted(&texts);
        for ((expected, name), text) in all.iter().zip(&names).zip(&texts) {
            assert_eq!(expected, name, "{text}");
        }
    }

    #[test]
    fn a_name_is_shown_in_its_own_script() {
        for plain in [
            "plan.txt",
            "a b",
            "it's",
            "Grüße – Ämter.txt",
            "отчёт.pdf",
            "报告（最终）.odt",
            "보고서",
            "ひらがな",
            "تقرير.pdf",
            "تقرير 2024.pdf",
            "עברית.txt",
            "हिन्दी.txt",
            "ไทย",
            "😀",
            "5 €",
            "~",
            "*",
            "",
        ] {
            assert_eq!(name(plain.as_bytes()), format!("\"{plain}\""));
        }
    }

    #[test]
    fn what_cannot_be_told_from_others_is_an_escape_sequence() {
        let table: [(&[u8], &str); 14] = [
            (b"a\tb", r"$'a\tb'"),
            (b"a\nb\x1b[31m", r"$'a\nb\x1b[31m'"),
            (b"a\xFFb", r"$'a\xffb'"),
            (b"say \"hi\"", "$'say \"hi\"'"),
            (b"$HOME it's", r"$'$HOME it\'s'"),
            (b"a\\b", r"$'a\\b'"),
            ("a\u{202e}txt.exe".as_bytes(), r"$'a\u202etxt.exe'"),
            ("a\u{a0}b".as_bytes(), r"$'a\u00a0b'"),
            ("e\u{301}".as_bytes(), r"$'e\u0301'"),
            // A Cyrillic letter among Latin ones.
            ("p\u{430}ypal".as_bytes(), r"$'p\u0430ypal'"),
            // A digit before a word that is written from right to left stands where one after it does.
            ("2 \u{5e2}".as_bytes(), r"$'2 \u05e2'"),
            ("\u{212b}".as_bytes(), r"$'\u212b'"),
            ("\u{3164}".as_bytes(), r"$'\u3164'"),
            ("\u{1d5ba}".as_bytes(), r"$'\U0001d5ba'"),
        ];
        for (bytes, text) in table {
            assert_eq!(name(bytes), text);
        }
    }

    /// What a screen shows, from left to right, in a line of English.
    fn on_screen(text: &str) -> String {
        let line = format!("cannot open {text}: no");
        let bidi = BidiInfo::new(&line, Some(Level::ltr()));
        let paragraph = &bidi.paragraphs[0];
        let levels = bidi.reordered_levels_per_char(paragraph, paragraph.range.clone());
        // In the order of the screen, mirrored where they are written from right to left.
        let order = BidiInfo::reorder_visual(&levels);
        let chars: Vec<char> = line.chars().collect();
        let shown = order
            .into_iter()
            .map(|at| match (chars[at], levels[at].is_rtl()) {
                ('(', true) => ')',
                (')', true) => '(',
                (c, _) => c,
            });
        shown.collect()
    }

    #[test]
    fn no_two_names_look_alike_because_characters_change_their_places() {
        let alphabet = [
            'a', '1', '\u{5d0}', '\u{628}', '\u{661}', ' ', '.', '-', '(', '%',
        ];
        let mut names = vec![String::new()];
        let mut seen: HashMap<String, String> = HashMap::new();
        for _ in 0..5 {
            let longer = names
                .iter()
                .flat_map(|name| alphabet.iter().map(move |c| format!("{name}{c}")));
            names = longer.collect();
            for bytes in &names {
                let text = name(bytes.as_bytes());
                if let Some(other) = seen.insert(on_screen(&text), text.clone()) {
                    panic!("{} and {}", text.escape_unicode(), other.escape_unicode());
                }
            }
        }
    }

    #[test]
    fn a_long_name_keeps_its_beginning_and_its_extension() {
        let long = format!("{}.tar.gz", "a".repeat(6096));
        let text = name(long.as_bytes());
        assert!(
            text.starts_with("\"aaa") && text.ends_with("a.tar.gz\""),
            "{text}"
        );
        assert!(text.contains("\"[... 2007 more ...]\""), "{text}");
        assert!(text.chars().count() < 4200);
        let fits = "é".repeat(4096);
        assert_eq!(name(fits.as_bytes()), format!("\"{fits}\""));
        // Names of the longest component are whole.
        let bytes = std::ffi::OsStr::from_bytes(&[0xFF; 255]).to_owned();
        assert!(!name(bytes.as_bytes()).contains("more"));
    }

    #[test]
    fn a_window_shows_short_names_with_their_extension() {
        let long = format!("{}.tar.gz", "a".repeat(200));
        let text = shortened(&format!("cannot open \"{long}\": no"), 20);
        let expected = "cannot open \"aaaaaaaaaa\"[... 187 more ...]\"aaa.tar.gz\": no";
        assert_eq!(text, expected);
        // An escape sequence is one character.
        let name = name(&[[b'\t'; 200].as_slice(), b"'.pdf"].concat());
        let text = shortened(&format!("{name} and $5 \"b\" $"), 8);
        let expected = r#"$'\t\t\t\t'[... 197 more ...]$'.pdf' and $5 "b" $"#;
        assert_eq!(text, expected);
        for whole in [
            "",
            "\"",
            "no name",
            "\"a\" and $'\\u05e2'",
            "$'a\\",
            "\"not closed",
            "a \"b\n\" c",
        ] {
            assert_eq!(shortened(whole, 3), whole);
        }
    }
}
