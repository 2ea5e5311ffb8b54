//! What can be read where it stands: which characters of a name nobody can tell from others, and which
//! names look like others because characters change their places.

use crate::charset_table::MARK_RANGES;
use crate::locale::Locale;

/// For each of `chars`, true if it cannot be told from others where it stands. The time that this takes
/// grows with their number, whatever they are: another qube may have chosen them.
pub(crate) fn must_be_escaped(chars: &[char]) -> Vec<bool> {
    let mixed = mixed_into_latin(chars);
    let has_others = chars.iter().copied().any(is_of_the_other_languages);
    let is_persian = Locale::current().has_persian_letters || has_others;
    let mut escaped: Vec<bool> = Vec::with_capacity(chars.len());
    // Where the last character is that is no mark.
    let mut letter: Option<usize> = None;
    for (at, c) in chars.iter().copied().enumerate() {
        let before = at.checked_sub(1).and_then(|before| chars.get(before));
        let is_mark = is_mark(c);
        let is_one = match c.is_ascii() {
            true => c.is_ascii_control(),
            false => {
                !is_printable(c)
                    || is_look_alike(c)
                    || (is_mark
                        && !letter.is_some_and(|letter| {
                            !escaped[letter] && is_in_its_place(&chars[letter..=at])
                        }))
                    || before.is_some_and(|before| composes(*before, c))
                    || mixed[at]
                    || is_of_the_other_set(c, is_persian)
            }
        };
        escaped.push(is_one);
        if !is_mark {
            letter = Some(at);
        }
    }
    escaped
}

/// True if it can be seen: no control or format character, no space but the usual, not unassigned.
pub(crate) fn is_printable(c: char) -> bool {
    // After another character, so that a mark is not escaped for being the first.
    let text = ['a', c];
    text.iter().collect::<String>().escape_debug().eq(text)
}

/// A mark of Unicode (general category M): a vowel sign, an accent, a tone.
fn is_mark(c: char) -> bool {
    let code = u32::from(c);
    let after = MARK_RANGES.partition_point(|(first, _)| *first <= code);
    let is_listed = MARK_RANGES[..after]
        .last()
        .is_some_and(|(_, last)| code <= *last);
    // Some are newer than the table.
    is_listed || (!c.is_alphanumeric() && is_extender(c))
}

/// True for a mark that is shown on the character before it, whether it counts as a letter or not.
pub(crate) fn is_joined(c: char) -> bool {
    is_mark(c) || is_extender(c)
}

/// True for what Unicode calls an extender of the character before it.
fn is_extender(c: char) -> bool {
    !c.is_ascii() && c.escape_debug().count() > 1 && is_printable(c)
}

/// Most marks on one letter. Burmese has four: ကြော်.
const MAX_MARKS: usize = 4;

/// True if nothing else looks like a letter and its marks, `chars`. They are of the script of the letter,
/// each once, in the one order that [`order`] gives. Marks of rare scripts have no such order here.
fn is_in_its_place(chars: &[char]) -> bool {
    let Some((base, marks)) = chars.split_first() else {
        return false;
    };
    base.is_alphabetic()
        && marks.len() <= MAX_MARKS
        && marks
            .iter()
            .all(|mark| suits(*base, *mark) && !is_look_alike(*mark))
        && marks.windows(2).all(|two| order(two[0]) < order(two[1]))
        && chars.windows(2).all(|two| !composes(two[0], two[1]))
}

/// True if `mark` is of the script of `base`, and no letter looks like the two together.
fn suits(base: char, mark: char) -> bool {
    let script = |c: char| match u32::from(c) {
        code @ 0x0900..=0x0DFF => code & !0x7F,
        code @ (0x0590..=0x10FF | 0x1700..=0x17FF) => code & !0xFF,
        _ => 0,
    };
    let is_vowel_twice = || IndicSign::of(mark) == Some(IndicSign::Vowel) && is_indic_vowel(base);
    script(base) != 0 && script(base) == script(mark) && !is_vowel_twice()
}

/// The place of a mark among those of one letter: where scripts have no order of their own, that of the
/// code points. It is the canonical order for Hebrew and Arabic, and the one in which Thai is typed.
fn order(mark: char) -> u32 {
    if let Some(sign) = IndicSign::of(mark) {
        return sign as u32;
    }
    match u32::from(mark) {
        // Lao: a second consonant comes first.
        0x0EBC => 0x0EB0,
        // Tibetan: vowels follow the consonants that stand below.
        code @ 0x0F71..=0x0F87 => code + 0x80,
        // Burmese: medial consonants, the vowel e, other vowels, tones, what joins the next letter.
        code @ 0x103B..=0x103E => code - 0x15,
        0x1031 => 0x102A,
        0x1038 => 0x103B,
        0x1039 => 0x103C,
        // Khmer: what changes the consonant comes before the vowel.
        code @ 0x17C9..=0x17CA => code - 0x15,
        code => code,
    }
}

/// The signs of a syllable in the scripts of India, in the order in which they are written: at most
/// one of each. The blocks U+0900..=U+0D7F have the same layout; Sinhala has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IndicSign {
    Nukta,
    Vowel,
    Virama,
    /// Anusvara, visarga and their like.
    Final,
}

impl IndicSign {
    fn of(mark: char) -> Option<Self> {
        match u32::from(mark) {
            0x0A70..=0x0A71 => Some(Self::Final),
            code @ 0x0900..=0x0D7F => match code & 0x7F {
                0x00..=0x03 => Some(Self::Final),
                0x3C => Some(Self::Nukta),
                0x3A | 0x3B | 0x3E..=0x4C | 0x4E | 0x4F | 0x55..=0x57 | 0x62 | 0x63 => {
                    Some(Self::Vowel)
                }
                0x4D => Some(Self::Virama),
                _ => None,
            },
            0x0D81..=0x0D83 => Some(Self::Final),
            0x0DCA => Some(Self::Virama),
            0x0DCF..=0x0DDF | 0x0DF2..=0x0DF3 => Some(Self::Vowel),
            _ => None,
        }
    }
}

/// True for a vowel that is a letter. One with a vowel sign looks like another: अ with ा like आ.
fn is_indic_vowel(letter: char) -> bool {
    match u32::from(letter) {
        code @ 0x0900..=0x0D7F => {
            matches!(code & 0x7F, 0x04..=0x14 | 0x60 | 0x61 | 0x72..=0x77)
        }
        code => (0x0D85..=0x0D96).contains(&code),
    }
}

/// True for a letter or digit of the Arabic script that has a twin, where the twin is the one that is
/// shown. ي and ی, ك and ک, ى and ی look the same in some places of a word, and so do most digits of
/// both kinds. A name has those of Arabic, unless it `is_persian`: other letters of it are not Arabic,
/// such as the Persian گ, or the locale is of a language that has the others.
fn is_of_the_other_set(c: char, is_persian: bool) -> bool {
    match c {
        '\u{643}' | '\u{649}' | '\u{64A}' | '\u{660}'..='\u{669}' => is_persian,
        '\u{6A9}' | '\u{6CC}' | '\u{6F0}'..='\u{6F9}' => !is_persian,
        _ => false,
    }
}

/// A letter of the Arabic script that Arabic does not have.
fn is_of_the_other_languages(c: char) -> bool {
    matches!(c, '\u{671}'..='\u{6A8}' | '\u{6AA}'..='\u{6CB}' | '\u{6CD}'..='\u{6D3}'
        | '\u{750}'..='\u{77F}')
}

/// What is invisible, or looks exactly like another character or sequence of characters.
#[rustfmt::skip]
const LOOK_ALIKES: [(u32, u32); 64] = [
    // Marks that are joined to Latin, Greek and Cyrillic letters: é is one character or two.
    (0x0300, 0x036F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F),
    // Like other characters, by their canonical decomposition.
    (0x0374, 0x0374), (0x037E, 0x037E), (0x0387, 0x0387), (0x1FBE, 0x1FBE), (0x1FEE, 0x1FEF),
    (0x1F71, 0x1F71), (0x1F73, 0x1F73), (0x1F75, 0x1F75), (0x1F77, 0x1F77), (0x1F79, 0x1F79),
    (0x1F7B, 0x1F7B), (0x1F7D, 0x1F7D), (0x1FBB, 0x1FBB), (0x1FC9, 0x1FC9), (0x1FCB, 0x1FCB),
    (0x1FD3, 0x1FD3), (0x1FDB, 0x1FDB), (0x1FE3, 0x1FE3), (0x1FEB, 0x1FEB), (0x1FF9, 0x1FF9),
    (0x1FFB, 0x1FFB), (0x1FFD, 0x1FFD), (0x2000, 0x200F), (0x2126, 0x2126), (0x212A, 0x212B),
    (0x2329, 0x232A), (0x2ADC, 0x2ADC), (0x2F00, 0x2FD5), (0xF900, 0xFAFF), (0x1D15E, 0x1D164),
    (0x1D1BB, 0x1D1C0), (0x2F800, 0x2FA1F),
    // Letters and signs made of two, or for another use, that look like the usual ones.
    (0x05F0, 0x05F2), (0x0653, 0x0655), (0x0675, 0x0678), (0x0958, 0x095F), (0x09DC, 0x09DD),
    (0x09DF, 0x09DF), (0x0A33, 0x0A36), (0x0A59, 0x0A5E), (0x0B5C, 0x0B5D), (0x0EDC, 0x0EDD),
    (0x1100, 0x11FF), (0xA960, 0xA97F), (0xD7B0, 0xD7FF), (0xFB00, 0xFDFF), (0xFE70, 0xFEFF),
    (0x1D400, 0x1D7FF), (0x3099, 0x309A),
    // Like signs of ASCII.
    (0x02B9, 0x02CF), (0x05F3, 0x05F4), (0x2010, 0x2012), (0x2024, 0x2026), (0x2044, 0x2044),
    (0x2215, 0x2216), (0x2236, 0x2236), (0x29F5, 0x29F9),
    // Without a shape, though they count as letters, marks or signs.
    (0x2800, 0x2800), (0x3164, 0x3164),
];

/// The same: single ones, which have no neighbours in the table above.
#[rustfmt::skip]
const MORE_LOOK_ALIKES: [(u32, u32); 29] = [
    // Without a shape.
    (0x034F, 0x034F), (0x17B4, 0x17B5), (0x180B, 0x180F), (0xFFA0, 0xFFA0), (0xE0100, 0xE01EF),
    // Like | : = and / of ASCII.
    (0x05C0, 0x05C0), (0x05C3, 0x05C3), (0xA789, 0xA78A), (0xFF0F, 0xFF0F),
    // Tibetan letters and signs made of two.
    (0x0F43, 0x0F43), (0x0F4D, 0x0F4D), (0x0F52, 0x0F52), (0x0F57, 0x0F57), (0x0F5C, 0x0F5C),
    (0x0F69, 0x0F69), (0x0F73, 0x0F73), (0x0F75, 0x0F79), (0x0F81, 0x0F81), (0x0F93, 0x0F93),
    (0x0F9D, 0x0F9D), (0x0FA2, 0x0FA2), (0x0FA7, 0x0FA7), (0x0FAC, 0x0FAC), (0x0FB9, 0x0FB9),
    // Letters of the Arabic script that look like others, of rare languages and of mathematics.
    (0x063D, 0x063F), (0x1EE00, 0x1EEFF),
    // Scripts that are newer than the table of marks.
    (0x11380, 0x113FF), (0x16100, 0x1613F), (0x16D40, 0x16D7F),
];

fn is_look_alike(c: char) -> bool {
    is_in(&LOOK_ALIKES, c) || is_in(&MORE_LOOK_ALIKES, c)
}

/// Pairs that look like one letter or sign that has a code point of its own. Two vowel signs on one
/// letter are not here: [`is_in_its_place`] allows no two.
const COMPOSED: [(u32, u32); 8] = [
    (0x0928, 0x093C),
    (0x0930, 0x093C),
    (0x0933, 0x093C),
    // Thai and Lao: the vowel am, and e twice, which looks like ae.
    (0x0E4D, 0x0E32),
    (0x0E40, 0x0E40),
    (0x0ECD, 0x0EB2),
    (0x0EC0, 0x0EC0),
    (0x1025, 0x102E),
];

fn composes(first: char, second: char) -> bool {
    COMPOSED.contains(&(first.into(), second.into()))
}

/// For each of `chars`, true for a Greek or Cyrillic letter in a word with Latin letters: many look the
/// same. A sign of theirs belongs to the word before it.
fn mixed_into_latin(chars: &[char]) -> Vec<bool> {
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
    let mut mixed = Vec::with_capacity(chars.len());
    let mut is_after_latin = false;
    for run in chars.chunk_by(|one, other| one.is_alphabetic() == other.is_alphabetic()) {
        if run.first().is_some_and(|c| c.is_alphabetic()) {
            is_after_latin = run.iter().any(is_latin);
            mixed.extend(run.iter().map(|c| is_after_latin && is_other(*c)));
        } else {
            let touches = |at: usize| at == 0 && is_after_latin;
            let signs = run.iter().enumerate();
            mixed.extend(signs.map(|(at, c)| touches(at) && is_other(*c)));
        }
    }
    mixed
}

/// True if no other name looks the same because characters change their places. Digits stand on the
/// left of a word that is written from right to left, whether they come before it or after it: only
/// after it they are left as they are, and only with such signs as are usual between them. The slash
/// of a path is one: terminals order it as they order a dot.
pub(crate) fn keeps_its_order(chars: &[char]) -> bool {
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
            sign |= after_word && !matches!(c, ' ' | '.' | '-' | '_' | '/');
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

/// True if it is not written from left to right, and may take what is beside it along.
pub(crate) fn changes_its_place(c: char) -> bool {
    is_right_to_left(c) || is_arabic_digit(c)
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
