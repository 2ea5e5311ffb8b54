//! What the fuzz target does with the bytes that the fuzzer makes up.
//!
//! It lives here so that a unit test runs it over the committed corpus with the stable toolchain;
//! the target under `fuzz/` is one line.

use std::collections::HashSet;
use std::io::Cursor;

use qfile_proto::{Charset, Decoder, Encoder, Kind, SafeName};

use crate::block::BLOCK_LEN;
use crate::convert::{Converted, convert};
use crate::input::{Flowing, Input, Seekable};
use crate::monitor_layout::lines::{Layout, MAX_MONITORS, Monitor};
use crate::select_file;
use crate::selection::Selection;
use crate::{Error, Members};

/// Judges a path that was chosen for dom0, and takes the same bytes for an answer of a portal.
///
/// # Panics
/// When a path passes that dom0 would refuse or change.
pub fn chosen_path(untrusted: &[u8]) {
    if let Ok(path) = select_file::path::form(untrusted) {
        assert!(path.is_ascii() && path.len() <= select_file::path::MAX_LEN);
        assert_eq!(path.trim(), path);
        assert!(path.starts_with('/') && !path.contains("../"));
        assert!(!path.contains(|c: char| c.is_ascii_control() || "<>&%$`\"'\\*;|~#!".contains(c)));
    }
    if let Ok(text) = std::str::from_utf8(untrusted) {
        if let Some(path) = select_file::uri::path(text) {
            assert!(path.starts_with(b"/") && !path.contains(&0));
        }
    }
}

/// Converts an archive, as it is and with the checksums of its headers made right, which is nothing
/// that a fuzzer finds by itself. The first byte says what is wanted of it.
///
/// # Panics
/// When something that must hold does not.
pub fn archive(untrusted: &[u8]) {
    let Some((flags, untrusted)) = untrusted.split_first() else {
        return;
    };
    let prefixes: &[&[u8]] = match flags % 4 {
        0 | 1 => &[],
        2 => &[b"a"],
        _ => &[b"a", b"d/"],
    };
    let selection = Selection::new(prefixes.iter().map(|prefix| prefix.to_vec()));
    one(untrusted, &selection);
    one(&with_checksums(untrusted), &selection);
}

/// Whether it is read from a pipe or sought in must make no difference.
fn one(untrusted: &[u8], selection: &Selection) {
    let (stream, result) = converted(Flowing::new(untrusted), selection);
    let (same_stream, same_result) = converted(Seekable::new(Cursor::new(untrusted)), selection);
    assert_eq!(stream, same_stream);
    assert_eq!(said(&result), said(&same_result));
    if result.is_ok() {
        judge(&stream);
    }
}

/// Understands the lines of a layout of monitors. What is understood is written again, which must say
/// the same.
///
/// # Panics
/// When something that must hold does not.
pub fn monitor_layout(untrusted: &[u8]) {
    match Layout::parse(untrusted) {
        Ok(layout) => {
            let monitors = layout.monitors();
            assert!((1..=MAX_MONITORS).contains(&monitors.len()));
            let [width, height] = layout.screen();
            let mut lines = String::new();
            for monitor in monitors {
                assert!(u32::from(monitor.x) + u32::from(monitor.width) <= width.into());
                assert!(u32::from(monitor.y) + u32::from(monitor.height) <= height.into());
                let Monitor {
                    width,
                    height,
                    x,
                    y,
                    mm,
                } = monitor;
                lines.push_str(&format!("{width} {height} {x} {y}"));
                if let Some([width, height]) = mm {
                    lines.push_str(&format!(" {width} {height}"));
                }
                lines.push('\n');
            }
            assert!(width <= 32767 && height <= 32767);
            assert_eq!(Layout::parse(lines.as_bytes()), Ok(layout));
        }
        Err(wrong) => {
            let said = wrong.to_string();
            assert!(said.chars().all(|c| (' '..='~').contains(&c)), "{said:?}");
        }
    }
}

/// Understands a line that says what time it is. What is understood is written again in the longer
/// form, which must say the same.
///
/// # Panics
/// When something that must hold does not.
pub fn clock(untrusted: &[u8]) {
    match crate::clock::time::parse(untrusted) {
        Ok(time) => {
            let again = format!("{}+00:00", time.strftime("%Y-%m-%dT%H:%M:%S,%9f"));
            assert_eq!(crate::clock::time::parse(again.as_bytes()), Ok(time));
            let line = untrusted.strip_suffix(b"\n").unwrap_or(untrusted);
            assert!(again.as_bytes().starts_with(&line[..19]));
        }
        Err(wrong) => {
            let message = wrong.to_string();
            assert!(message.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        }
    }
}

fn converted(input: impl Input, selection: &Selection) -> (Vec<u8>, Result<Converted, Error>) {
    let mut encoder = Encoder::new(Vec::new());
    let mut selection = selection.clone();
    let mut members = Members::new(input);
    let result = convert(&mut members, &mut selection, Charset::Safe, &mut encoder);
    encoder.end().expect("a Vec takes everything");
    (encoder.get_ref().clone(), result)
}

fn said(result: &Result<Converted, Error>) -> String {
    match result {
        Ok(converted) => format!("{converted:?}"),
        Err(Error::Archive(fault)) => fault.to_string(),
        Err(error) => panic!("a Vec takes everything: {error:?}"),
    }
}

/// What a receiver would make of the stream.
fn judge(stream: &[u8]) {
    let mut decoder = Decoder::with_capacity(4096, stream);
    let mut name = Vec::new();
    let mut folders = HashSet::new();
    while let Some(entry) = decoder.next_entry(&mut name).expect("a stream of ours") {
        let name = SafeName::parse(&name, Charset::Safe).expect("a name that was judged");
        if let (Some(parent), _) = name.split_last() {
            assert!(
                folders.contains(parent.as_bytes()),
                "a folder was not announced"
            );
        }
        match entry.kind {
            Kind::File => {}
            Kind::Directory => assert!(folders.insert(name.as_bytes().to_vec()), "announced twice"),
            Kind::Symlink => panic!("a link"),
        }
        decoder
            .content(&entry, |_| Ok(()))
            .expect("as long as promised");
    }
}

/// `bytes` with the right checksum in every block that looks like a header.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for block in bytes.chunks_exact_mut(BLOCK_LEN) {
        if block[257..].starts_with(b"ustar") {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use test_support::corpus;

    #[test]
    fn archive_corpus() {
        corpus("archive", 1, super::archive);
    }

    #[test]
    fn clock_corpus() {
        corpus("clock", 1, super::clock);
    }

    #[test]
    fn chosen_path_corpus() {
        corpus("chosen_path", 4, super::chosen_path);
    }

    #[test]
    fn monitor_layout_corpus() {
        corpus("monitor_layout", 5, super::monitor_layout);
    }
}
