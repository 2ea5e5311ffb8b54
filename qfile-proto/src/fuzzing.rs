//! What the fuzz targets do with the bytes that the fuzzer makes up.
//!
//! Each function feeds one parser and asserts, by means of its own, what must hold of anything that
//! the parser accepts. They are here so that unit tests run them over the committed corpus with the
//! stable toolchain; the targets under `fuzz/` are one line each.

use crate::checksum::Checksum;
use crate::header::{MAX_NAME_LEN, MAX_TARGET_LEN};
use crate::verdict::{MAX_LAST_NAME_LEN, VerdictParser};
use crate::{Charset, Decoder, Encoder, Entry, Kind, LinkRules, Refusal, SafeName, SafeTarget};
use crate::{edit_answer, edit_request};

/// One accepted entry: its name, its header, its content.
type Decoded = (Vec<u8>, Entry, Vec<u8>);

/// Decodes a stream; what was accepted is encoded again and must decode to the same.
///
/// # Panics
/// When something that must hold does not.
pub fn decoder(untrusted: &[u8]) {
    let (entries, refusal, checksum) = decode_all(untrusted);
    for (name, entry, content) in &entries {
        assert!(name.len() <= MAX_NAME_LEN && !name.contains(&0));
        assert!(entry.permissions <= 0o777);
        assert!(entry.atime.nanoseconds < 1_000_000_000 && entry.mtime.nanoseconds < 1_000_000_000);
        assert_eq!(entry.len, content.len() as u64);
        match entry.kind {
            Kind::File => assert!(i64::try_from(entry.len).is_ok()),
            Kind::Directory => assert_eq!(entry.len, 0),
            Kind::Symlink => assert!(content.len() <= MAX_TARGET_LEN),
        }
    }
    // The format has no empty names, but the decoder leaves judging them to `SafeName`.
    if entries.iter().any(|(name, ..)| name.is_empty()) {
        return;
    }
    let mut encoder = Encoder::new(Vec::new());
    for (name, entry, content) in &entries {
        encoder
            .header(name, entry)
            .and_then(|()| encoder.content(content))
            .expect("a Vec takes everything");
    }
    encoder.end().expect("a Vec takes everything");
    let again = decode_all(encoder.get_ref());
    assert_eq!(again.0, entries);
    assert_eq!((again.1, again.2), (None, encoder.checksum()));
    if refusal.is_none() {
        let consumed = untrusted.len().min(entries_len(&entries, untrusted));
        let mut expected = Checksum::default();
        expected.update(&untrusted[..consumed]);
        assert_eq!(checksum, expected.value());
    }
}

/// How many bytes of `untrusted` the `entries` and the end header took.
fn entries_len(entries: &[Decoded], untrusted: &[u8]) -> usize {
    let mut at = 0;
    for (_, _, content) in entries {
        let name_len = untrusted[at..at + 4]
            .try_into()
            .map_or(0, u32::from_le_bytes);
        at += 32 + usize::try_from(name_len).expect("at most 16383") + content.len();
    }
    at + 32
}

/// The entries of a stream that are complete, why it is refused after them, and the checksum.
fn decode_all(untrusted: &[u8]) -> (Vec<Decoded>, Option<Refusal>, u32) {
    let mut decoder = Decoder::with_capacity(61, untrusted);
    let mut entries = Vec::new();
    let mut name = Vec::new();
    let refusal = loop {
        let entry = match decoder.next_entry(&mut name) {
            Ok(Some(entry)) => entry,
            Ok(None) => break None,
            Err(refusal) => break Some(refusal),
        };
        let mut content = Vec::new();
        let taken = decoder.content(&entry, |chunk| {
            content.extend_from_slice(chunk);
            Ok(())
        });
        match taken {
            Ok(()) => entries.push((name.clone(), entry, content)),
            Err(refusal) => break Some(refusal),
        }
    };
    (entries, refusal, decoder.checksum())
}

/// Judges a name (the first byte chooses the charset) and shows it.
///
/// # Panics
/// When something that must hold does not.
pub fn names(untrusted: &[u8]) {
    let Some((flags, untrusted_name)) = untrusted.split_first() else {
        return;
    };
    let charset = if flags & 1 == 1 {
        Charset::All
    } else {
        Charset::Safe
    };
    if let Ok(name) = SafeName::parse(untrusted_name, charset) {
        assert_eq!(name.components().count(), name.depth());
        assert!(!name.as_bytes().contains(&0));
        for component in name.components() {
            assert!(!component.is_empty() && !component.contains(&b'/'));
            assert!(component != b"." && component != b"..");
        }
        if charset == Charset::Safe {
            let text = std::str::from_utf8(name.as_bytes()).expect("safe names are UTF-8");
            assert!(!text.chars().any(char::is_control));
            assert!(SafeName::parse(untrusted_name, Charset::All).is_ok());
        }
    }
    let foreign = text::foreign(untrusted_name);
    assert!(
        foreign
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && byte != b'"')
    );
    for shown in [foreign, text::own(untrusted_name)] {
        assert!(shown.chars().count() <= text::MAX_CHARS);
        assert!(!shown.chars().any(|c| c.is_control() || c == '"'));
    }
}

/// Judges a link: a byte of flags, the link's name up to a NUL, its target.
///
/// # Panics
/// When a link that was accepted could lead out of its top-level folder.
pub fn links(untrusted: &[u8]) {
    let Some((flags, rest)) = untrusted.split_first() else {
        return;
    };
    let mut parts = rest.splitn(2, |byte| *byte == 0);
    let (Some(untrusted_name), Some(untrusted_target)) = (parts.next(), parts.next()) else {
        return;
    };
    let charset = if flags & 1 == 1 {
        Charset::All
    } else {
        Charset::Safe
    };
    let rules = LinkRules {
        charset,
        canonical: flags & 2 == 2,
        allow_unsafe: flags & 4 == 4,
    };
    let Ok(name) = SafeName::parse(untrusted_name, charset) else {
        return;
    };
    let Ok(target) = SafeTarget::parse(untrusted_target, name, rules) else {
        return;
    };
    assert_eq!(target.as_bytes(), untrusted_target);
    assert!(!target.as_bytes().contains(&0));
    if rules.allow_unsafe {
        return;
    }
    // Where the target leads, step by step from the folder of the link.
    let mut depth = name.depth() - 1;
    assert!(!target.as_bytes().starts_with(b"/"));
    for component in target.as_bytes().split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => depth -= 1,
            _ => depth += 1,
        }
        assert!(depth >= 1, "the link leads out of its top-level folder");
    }
}

/// Takes a verdict in two ways, whole and in pieces (the first byte says how large).
///
/// # Panics
/// When something that must hold does not.
pub fn verdict(untrusted: &[u8]) {
    let Some((piece, untrusted)) = untrusted.split_first() else {
        return;
    };
    let mut whole = VerdictParser::default();
    whole.push(untrusted);
    let mut pieces = VerdictParser::default();
    for piece in untrusted.chunks(usize::from(*piece) + 1) {
        assert!(pieces.wanted() <= MAX_LAST_NAME_LEN.max(20));
        pieces.push(piece);
    }
    assert_eq!(whole.untrusted_text(), pieces.untrusted_text());
    let (whole, pieces) = (whole.finish(), pieces.finish());
    assert_eq!(whole, pieces);
    assert_eq!(whole.is_some(), untrusted.len() >= 16);
    if let Some(verdict) = whole {
        assert!(
            verdict
                .errno()
                .is_none_or(|errno| (1..4096).contains(&errno))
        );
        assert!(
            verdict
                .untrusted_last_name
                .is_none_or(|name| name.len() <= MAX_LAST_NAME_LEN)
        );
    }
}

/// Understands a request of qubes.OpenInVM, and makes one of the same bytes as a file name.
///
/// # Panics
/// When something that must hold does not.
pub fn edit_request(untrusted: &[u8]) {
    let mut request = [0; edit_request::REQUEST_LEN];
    let len = untrusted.len().min(request.len());
    request[..len].copy_from_slice(&untrusted[..len]);
    if let Ok(understood) = edit_request::EditRequest::parse(&request) {
        let name = understood.file_name;
        assert!((1..=edit_request::MAX_NAME_LEN).contains(&name.len()));
        assert!(!name.starts_with(['-', '.']) && !name.contains(['/', '\0']));
        assert!(!name.chars().any(|c| c.is_control() || c.is_whitespace()));
    }
    let file_name = &untrusted[..untrusted
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(untrusted.len())];
    for (view_only, asks) in [(false, true), (true, true), (false, false), (true, false)] {
        let bytes = edit_request::to_bytes(file_name, view_only, asks);
        let end = bytes
            .iter()
            .position(|byte| *byte == 0)
            .expect("a NUL follows the name");
        let behind = match asks {
            true => bytes[end..].strip_suffix(&edit_request::MARK),
            false => Some(&bytes[end..]),
        };
        assert!(behind.expect("the mark").iter().all(|byte| *byte == 0));
        let sent = bytes[..end].strip_prefix(edit_request::VIEW_ONLY_PREFIX);
        assert_eq!(sent.is_some(), view_only);
    }
}

/// Understands an answer of qubes.OpenInVM, in one piece and byte by byte.
///
/// # Panics
/// When something that must hold does not.
pub fn edit_answer(untrusted: &[u8]) {
    let decoded = |piece: usize| {
        let mut content = Vec::new();
        let mut store = |bytes: &[u8]| {
            content.extend_from_slice(bytes);
            Ok::<(), std::convert::Infallible>(())
        };
        let mut decoder = edit_answer::Decoder::default();
        for piece in untrusted.chunks(piece) {
            let Ok(()) = decoder.take(piece, &mut store);
        }
        let Ok(answer) = decoder.finish(&mut store);
        (answer, content)
    };
    let (answer, content) = decoded(usize::MAX);
    assert_eq!(decoded(1), (answer.clone(), content.clone()));
    match answer {
        edit_answer::Answer::Nothing => assert!(untrusted.is_empty()),
        edit_answer::Answer::Raw => assert_eq!(content, untrusted),
        edit_answer::Answer::Framed {
            kind: Ok(kind),
            untrusted_start_up_text,
        } => {
            // What is believed is what the encoder makes, to the byte.
            let (mut encoder, start) = edit_answer::Encoder::start(kind, content.len() as u64);
            encoder.content(&content);
            let made = [
                &untrusted_start_up_text[..],
                &start,
                &content,
                &encoder.end(),
            ];
            assert_eq!(made.concat(), untrusted);
        }
        edit_answer::Answer::Framed {
            kind: Err(edit_answer::Fault::Malformed),
            ..
        } => assert_eq!(content, untrusted),
        edit_answer::Answer::Framed { kind: Err(_), .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use test_support::corpus;

    #[test]
    fn decoder_corpus() {
        corpus("decoder", 1, super::decoder);
    }

    #[test]
    fn names_corpus() {
        corpus("names", 1, super::names);
    }

    #[test]
    fn links_corpus() {
        corpus("links", 1, super::links);
    }

    #[test]
    fn verdict_corpus() {
        corpus("verdict", 1, super::verdict);
    }

    #[test]
    fn edit_request_corpus() {
        corpus("edit_request", 1, super::edit_request);
    }

    #[test]
    fn edit_answer_corpus() {
        corpus("edit_answer", 1, super::edit_answer);
    }
}
