//! What can be read where it stands: which characters of a name nobody can tell from others, and which
//! names look like others because characters change their places.

/// True if the character cannot be told from others where it stands.
pub(crate) fn must_be_escaped(chars: &[char], at: usize) -> bool {
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
pub(crate) fn is_printable(c: char) -> bool {
    // After another character, so that a mark is not escaped for being the first.
    let text = ['a', c];
    text.iter().collect::<String>().escape_debug().eq(text)
}

/// A mark that is joined to the character before it. Those that `is_alphanumeric` knows as letters are
/// none.
fn is_mark(c: char) -> bool {
    !c.is_alphanumeric() && c.escape_debug().count() > 1 && is_printable(c)
}

/// True for a mark that is shown on the character before it, whether it counts as a letter or not.
pub(crate) fn is_joined(c: char) -> bool {
    !c.is_ascii() && c.escape_debug().count() > 1 && is_printable(c)
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
