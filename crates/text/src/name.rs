//! The name of a file of the person who reads it → text that stands for this name only, and that a
//! shell takes.
//!
//! A name that can be read in its own script is shown as it is, in double quotes. Any other is shown
//! as bash writes it, `$'a\tb'`: what cannot be seen, what looks like something else, and what would
//! change its place among other characters is an escape sequence. So two names never have the same
//! text, and whoever pastes the text into bash gets the name. In a locale that is not UTF-8, each byte
//! beyond ASCII is an escape sequence: such a terminal shows other characters for it, and bash there
//! does not know characters beyond ASCII.
//!
//! Where two spellings look alike, the rarer one has escape sequences:
//!
//! - A mark (a vowel sign, an accent, a tone) follows a letter of its own script. A letter has at most
//!   four marks, each of them once, in one order, which is that of Unicode's canonical order where there
//!   is one. What has a character of its own, such as é, is not written as two.
//! - Of the two sets of letters and digits of the Arabic script, a name has one: the Persian ی, ک and
//!   ۱ if another letter of the name is not Arabic, or in a locale such as `fa_IR`; else ي, ك and ١.
//! - A Greek or Cyrillic letter does not stand in a word with Latin letters.
//!
//! What stays is what no rule can tell: a whole word in one script that looks like a word of another,
//! and letters of one script that differ little, such as the forms of h in Urdu and Kurdish.

use std::borrow::Borrow;
use std::fmt::Write as _;

use crate::legible::{changes_its_place, is_joined, keeps_its_order, must_be_escaped};
use crate::locale::Locale;

/// Longest text between the quotes, in characters: what the kernel takes as a path is shown whole.
const MAX_SHOWN: usize = 4096;

/// How many characters a window or a notification shows of a name.
const MAX_IN_WINDOW: usize = 80;

/// Most characters at the end of a name that is too long.
const MAX_TAIL: usize = 120;

/// What stands for the middle of a name where there is room for little.
const CUT: &str = "...";

/// The name in quotes, ready to be pasted into bash in a UTF-8 locale. A name of more than 4096
/// characters loses its middle, and says so.
#[must_use]
pub fn name(bytes: &[u8]) -> String {
    let form = Form::of(bytes);
    form.quoted(&form.shown(bytes), MAX_SHOWN)
}

/// The name in quotes, at most `columns` wide, as `width` measures texts: in the place of its middle
/// are three dots outside of the quotes, as in `"report"..."draft.odt"`. Empty if there is no room for
/// a part of it.
#[must_use]
pub fn name_within(bytes: &[u8], columns: usize, width: impl Fn(&str) -> usize) -> String {
    let form = Form::of(bytes);
    let shown = form.shown(bytes);
    let whole = form.in_quotes(&shown);
    if width(&whole) <= columns {
        return whole;
    }
    let (form, shown) = form.to_be_cut(&shown);
    let quotes = form.in_quotes::<&str>(&[]);
    let Some(room) = columns.checked_sub(2 * quotes.len() + CUT.len()) else {
        return String::new();
    };
    let widths: Vec<usize> = shown.iter().map(|one| width(one)).collect();
    let begin = fitting(widths.iter(), room / 3);
    let room = room - widths[..begin].iter().sum::<usize>();
    let tail = fitting(widths[begin..].iter().rev(), room);
    let end = after_marks(&shown, shown.len() - tail);
    if begin == 0 && end == shown.len() {
        return String::new();
    }
    let part = |shown: &[String]| match shown {
        [] => String::new(),
        shown => form.in_quotes(shown),
    };
    format!("{}{CUT}{}", part(&shown[..begin]), part(&shown[end..]))
}

/// How many of `widths` fit into `room`.
fn fitting<'w>(widths: impl Iterator<Item = &'w usize>, room: usize) -> usize {
    let ends = widths.scan(0, |sum, width| {
        *sum += width;
        Some(*sum)
    });
    ends.take_while(|end| *end <= room).count()
}

/// `text` for a title, a question or a line of progress, where a long word has no room: each name in
/// quotes that has more than 80 characters loses its middle, as in [`name`]. What says what to do about
/// a file has to name all of it.
#[must_use]
pub fn for_window(text: &str) -> String {
    shortened(text, MAX_IN_WINDOW)
}

/// `text`, in which each name in quotes that has more than `max` characters loses its middle, as in
/// [`name`]. An escape sequence counts as one character.
#[must_use]
pub fn shortened(text: &str, max: usize) -> String {
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
    /// With escape sequences. Letters that are written from right to left stay.
    Mixed,
    /// With escape sequences, also for letters that are written from right to left.
    Escaped,
    /// With escape sequences for all bytes beyond ASCII.
    Ascii,
}

impl Form {
    fn opening(self) -> &'static str {
        match self {
            Self::Plain => "\"",
            Self::Mixed | Self::Escaped | Self::Ascii => "$'",
        }
    }

    /// The characters of the name in quotes at the beginning of `text`, and what stands behind it.
    fn read(self, text: &str) -> Option<(Vec<&str>, &str)> {
        let close = match self {
            Self::Plain => '"',
            Self::Mixed | Self::Escaped | Self::Ascii => '\'',
        };
        let mut rest = text.strip_prefix(self.opening())?;
        let mut shown = Vec::new();
        loop {
            let len = match rest.chars().next()? {
                first if first == close => return Some((shown, &rest[1..])),
                // A line break is no character of a name that is shown.
                '\n' => return None,
                '\\' if self != Self::Plain => escape_len(rest),
                first => first.len_utf8(),
            };
            let (one, after) = rest.split_at_checked(len)?;
            shown.push(one);
            rest = after;
        }
    }

    /// The characters `shown` in quotes.
    fn in_quotes<S: Borrow<str>>(self, shown: &[S]) -> String {
        match self {
            Self::Plain => format!("\"{}\"", shown.concat()),
            Self::Mixed | Self::Escaped | Self::Ascii => format!("$'{}'", shown.concat()),
        }
    }

    /// The characters `shown` in quotes, without their middle if there are more than `max`. What is left
    /// of the end is enough for an extension.
    fn quoted(self, shown: &[impl Borrow<str>], max: usize) -> String {
        if shown.len() <= max {
            return self.in_quotes(shown);
        }
        let (form, shown) = self.to_be_cut(shown);
        let tail = (max / 2).min(MAX_TAIL);
        let (begin, end) = (max - tail, after_marks(&shown, shown.len() - tail));
        format!(
            "{}[... {} more ...]{}",
            form.in_quotes(&shown[..begin]),
            end - begin,
            form.in_quotes(&shown[end..])
        )
    }

    /// How the name of the characters `shown` is written where a part of it is left out. That it keeps
    /// its order was found out for all of it: a part of it need not.
    fn to_be_cut(self, shown: &[impl Borrow<str>]) -> (Self, Vec<String>) {
        let moves = |one: &str| one.chars().any(changes_its_place);
        if !shown.iter().any(|one| moves(one.borrow())) {
            return (
                self,
                shown.iter().map(|one| one.borrow().to_owned()).collect(),
            );
        }
        let escape = |one: &str| match one.chars().next() {
            Some(c) if c == '\'' || moves(one) => escape_sequence(c),
            _ => one.to_owned(),
        };
        let shown = shown.iter().map(|one| escape(one.borrow()));
        (Self::Escaped, shown.collect())
    }

    /// One text for each character of the name, and for each byte that is none.
    fn shown(self, bytes: &[u8]) -> Vec<String> {
        let mut shown = Vec::new();
        if self == Self::Ascii {
            shown.extend(bytes.iter().map(|byte| match byte {
                0..=0x7F => self.shown_char(char::from(*byte), byte.is_ascii_control()),
                _ => escaped_byte(*byte),
            }));
            return shown;
        }
        for chunk in bytes.utf8_chunks() {
            let chars: Vec<char> = chunk.valid().chars().collect();
            let escaped = must_be_escaped(&chars);
            let both = chars.into_iter().zip(escaped);
            shown.extend(both.map(|(c, is_unsafe)| self.shown_char(c, is_unsafe)));
            shown.extend(chunk.invalid().iter().copied().map(escaped_byte));
        }
        shown
    }

    fn of(bytes: &[u8]) -> Self {
        Self::in_locale(bytes, Locale::current())
    }

    fn in_locale(bytes: &[u8], locale: Locale) -> Self {
        if !locale.is_utf8 && !bytes.is_ascii() {
            return Self::Ascii;
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Self::Escaped;
        };
        let mut chars: Vec<char> = text.chars().collect();
        let needs_quotes = |c: &char| matches!(c, '"' | '$' | '`' | '\\' | '!');
        let escaped = must_be_escaped(&chars);
        if !escaped.contains(&true) && !chars.iter().any(needs_quotes) {
            return match keeps_its_order(&chars) {
                true => Self::Plain,
                false => Self::Escaped,
            };
        }
        // Two signs are no letter that is written from left to right, as there is one in other escape
        // sequences.
        if chars.iter().any(|c| matches!(c, '\\' | '\'')) {
            return Self::Escaped;
        }
        for (c, _) in chars
            .iter_mut()
            .zip(escaped)
            .filter(|(_, escaped)| *escaped)
        {
            *c = 'u';
        }
        match keeps_its_order(&chars) {
            true => Self::Mixed,
            false => Self::Escaped,
        }
    }

    /// The text for a character, which may be one that must be escaped where it stands.
    fn shown_char(self, c: char, is_unsafe: bool) -> String {
        let is_left = match self {
            Self::Plain => true,
            Self::Mixed => !is_unsafe,
            Self::Escaped | Self::Ascii => !is_unsafe && !changes_its_place(c),
        };
        match is_left && (self == Self::Plain || !matches!(c, '\\' | '\'')) {
            true => c.to_string(),
            false => escape_sequence(c),
        }
    }
}

/// Where, from `at` on, the first of the characters `shown` is that is joined to none before it: a mark
/// whose letter is left out would be joined to the quote.
fn after_marks(shown: &[String], at: usize) -> usize {
    let is_mark = |one: &&String| {
        let mut chars = one.chars();
        matches!((chars.next(), chars.next()), (Some(c), None) if is_joined(c))
    };
    at + shown[at..].iter().take_while(is_mark).count()
}

/// `c` as bash writes it.
pub(crate) fn escape_sequence(c: char) -> String {
    let code = u32::from(c);
    let mut text = String::new();
    let _strings_take_everything = match c {
        '\n' => write!(text, "\\n"),
        '\t' => write!(text, "\\t"),
        '\r' => write!(text, "\\r"),
        '\\' => write!(text, "\\\\"),
        '\'' => write!(text, "\\'"),
        '\0'..='\x7F' => write!(text, "\\x{code:02x}"),
        '\u{80}'..='\u{FFFF}' => write!(text, "\\u{code:04x}"),
        _ => write!(text, "\\U{code:08x}"),
    };
    text
}

/// A byte that is no character.
pub(crate) fn escaped_byte(byte: u8) -> String {
    format!("\\x{byte:02x}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;
    use unicode_bidi::{BidiInfo, Level};
    use unicode_normalization::UnicodeNormalization as _;

    use super::*;
    use crate::legible::is_printable;

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
            "हिंदी और उर्दू.pdf",
            "मराठी ॲप ज़मीन.txt",
            "বাংলা অ্যাপ.txt",
            "தமிழ் எழுத்து",
            "తెలుగు",
            "ಕನ್ನಡ",
            "മലയാളം",
            "ਪੰਜਾਬੀ ਸਿੰਘ",
            "ગુજરાતી",
            "සිංහල",
            "ไทย น้ำ ที่นี่ สิทธิ์",
            "ພາສາລາວ ຫຼັງ",
            "ភាសាខ្មែរ ស៊ី",
            "မြန်မာ ကြော်ငြာ ကောင်း",
            "བོད་སྐད བསྒྲུབས",
            "Tiếng Việt – Đường.txt",
            "مُحمّد.txt",
            "مستشفى كبير ١٢",
            "گزارش نهایی ۱۴۰۳.pdf",
            "שָׁלוֹם.txt",
            "/home/user/مجلد/تقرير 2.pdf",
            "مجلد/ملف2/ملف 3.txt",
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

    #[test]
    fn of_two_spellings_that_look_alike_the_rarer_one_has_escape_sequences() {
        // Marks: without a letter, of another script, repeated, in another order, for a vowel twice,
        // and for what has a character of its own. Then letters, digits, signs.
        for (usual, rare, text) in [
            ("a", "a\u{651}", r"$'a\u0651'"),
            ("ก", "\u{e48}ก", r"$'\u0e48ก'"),
            ("क", "क\u{9be}", r"$'क\u09be'"),
            ("कि", "कि\u{93f}", r"$'कि\u093f'"),
            ("ก\u{e35}\u{e48}", "ก\u{e48}\u{e35}", r"$'ก่\u0e35'"),
            ("किं", "क\u{902}\u{93f}", r"$'कं\u093f'"),
            ("को", "का\u{947}", r"$'का\u0947'"),
            ("आ", "अ\u{93e}", r"$'अ\u093e'"),
            ("\u{929}", "न\u{93c}ि", r"$'न\u093c\u093f'"),
            ("น\u{e49}\u{e33}", "น\u{e49}\u{e4d}า", r"$'น้ํ\u0e32'"),
            ("\u{e41}", "\u{e40}\u{e40}", r"$'เ\u0e40'"),
            ("ب\u{64e}\u{651}", "ب\u{651}\u{64e}", r"$'بّ\u064e'"),
            ("بيت", "بیت", r"$'ب\u06ccت'"),
            ("گیتی", "گيتی", r"$'گ\u064aتی'"),
            ("كتاب ١٢", "كتاب ۱۲", r"$'كتاب \u06f1\u06f2'"),
            ("گزارش ۱۲", "گزارش ١٢", r"$'گزارش \u0661\u0662'"),
            ("וו", "\u{5f0}", r"$'\u05f0'"),
        ] {
            assert_eq!(name(usual.as_bytes()), format!("\"{usual}\""));
            assert_eq!(name(rare.as_bytes()), text);
        }
    }

    #[test]
    fn one_of_two_names_with_the_same_normal_form_has_escape_sequences() {
        for c in ('\u{80}'..=char::MAX).filter(|c| is_printable(*c)) {
            let plain = |text: &str| name(text.as_bytes()) == format!("\"{text}\"");
            let composed: String = std::iter::once(c).nfc().collect();
            let decomposed: String = std::iter::once(c).nfd().collect();
            let itself = c.to_string();
            let spellings = [&itself, &composed, &decomposed].map(|text| (text, plain(text)));
            let mut shown: Vec<_> = spellings.iter().filter(|(_, plain)| *plain).collect();
            shown.dedup();
            assert!(shown.len() <= 1, "{c} U+{:04X}: {shown:?}", u32::from(c));
        }
    }

    #[test]
    fn where_the_locale_is_not_utf_8_a_name_is_ascii() {
        let locale = Locale {
            is_utf8: false,
            has_persian_letters: false,
        };
        let in_locale = |bytes: &[u8]| {
            let form = Form::in_locale(bytes, locale);
            form.quoted(&form.shown(bytes), MAX_SHOWN)
        };
        assert_eq!(
            in_locale("é's \t\u{1f600}".as_bytes()),
            r"$'\xc3\xa9\'s \t\xf0\x9f\x98\x80'"
        );
        assert_eq!(in_locale(b"a b"), "\"a b\"");
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
            'a', '1', '\u{5d0}', '\u{628}', '\u{661}', ' ', '.', '/', '(', '\u{202e}',
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
    fn a_long_name_that_is_written_from_right_to_left_is_cut_as_escape_sequences() {
        // Whole, it keeps its order: the digits come after the word.
        let right_to_left = format!("{}12{}.odt", "\u{5e2}".repeat(10), "3".repeat(10));
        let whole = name(right_to_left.as_bytes());
        assert_eq!(whole, format!("\"{right_to_left}\""));
        let cut = r"$'\u05e2\u05e2\u05e2\u05e2'[... 18 more ...]$'.odt'";
        assert_eq!(shortened(&whole, 8), cut);
        let long = name("\u{628}".repeat(5000).as_bytes());
        assert!(long.is_ascii() && long.starts_with(r"$'\u0628"), "{long}");
        let digits = format!("{}-b", "\u{661}".repeat(20));
        assert!(name_within(digits.as_bytes(), 30, str::len).is_ascii());
    }

    #[test]
    fn a_name_within_columns_is_cut_between_characters() {
        let chars = |text: &str| text.chars().count();
        let table = [
            ("short.odt", 11, r#""short.odt""#),
            ("longer-name.odt", 16, r#""lon"..."me.odt""#),
            ("longer-name.odt", 8, r#"..."t""#),
            ("longer-name.odt", 7, ""),
            ("longer-name.odt", 0, ""),
            // An escape sequence is whole or not there.
            ("\u{202e}\u{202e}\u{202e}a.odt", 18, "...$'a.odt'"),
            (
                "\u{202e}\u{202e}\u{202e}\u{202e}a.odt",
                29,
                r"$'\u202e'...$'\u202ea.odt'",
            ),
            ("\u{202e}\u{202e}\u{202e}", 14, ""),
            (
                "\u{5e2}\u{5e2}\u{5e2}\u{5e2}.txt.txt.txt",
                16,
                "...$'txt.txt'",
            ),
            // A vowel sign has lost its letter.
            ("hello\u{915}\u{941}b", 9, r#"..."b""#),
        ];
        for (bytes, columns, text) in table {
            assert_eq!(
                name_within(bytes.as_bytes(), columns, chars),
                text,
                "{columns}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn a_name_within_columns_has_no_part_of_an_escape_sequence(
            bytes in names(),
            columns in 0..60_usize,
        ) {
            let width = |text: &str| text.chars().count();
            let text = name_within(&bytes, columns, width);
            prop_assert!(width(&text) <= columns);
            if text.is_empty() || text == name(&bytes) {
                return Ok(());
            }
            // Both parts are names of their own: the beginning of this one, and its end.
            let (head, tail) = text.split_once(CUT).unwrap();
            let form = match text.contains("$'") {
                true => Form::Escaped,
                false => Form::Plain,
            };
            let part = |text: &str| match text {
                "" => Vec::new(),
                text => {
                    let (shown, rest) = form.read(text).unwrap();
                    assert_eq!(rest, "", "{text}");
                    shown.into_iter().map(str::to_owned).collect::<Vec<_>>()
                }
            };
            let all = form.shown(&bytes);
            prop_assert!(all.starts_with(&part(head)), "{:?}", text);
            prop_assert!(all.ends_with(&part(tail)), "{:?}", text);
            let is_moved = form == Form::Plain && text.chars().any(changes_its_place);
            prop_assert!(!is_moved, "{:?}", text);
        }
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
