//! Requests for a framed answer of qubes.OpenInVM, such answers, byte by byte, right or wrong, and a
//! service that gives them.

use std::fs;

use crate::editing::Editing;
use crate::stream::crc32;

/// The last bytes of a request that asks for a frame.
const REQUEST_MARK: &[u8; 16] = b"\0qfile-answer\0\0\x01";

/// The first bytes of a frame.
pub const MARK: &[u8; 16] = b"qfile-answer\0\0\x01\n";

/// The user did not change the file.
pub const UNCHANGED: u8 = 0;
/// The content is the edit.
pub const CHANGED: u8 = 1;
/// There is no file any more.
pub const GONE: u8 = 2;
/// The opener failed.
pub const OPENER_FAILED: u8 = 3;
/// Nobody could see when the user was done.
pub const END_NOT_SEEN: u8 = 4;

/// 256 bytes that ask for no frame, then the content.
#[must_use]
pub fn raw_request(name: &[u8], content: &[u8]) -> Vec<u8> {
    let mut request = name.to_vec();
    request.resize(256, 0);
    request.extend_from_slice(content);
    request
}

/// 256 bytes that ask for a frame, then the content.
#[must_use]
pub fn request(name: &[u8], content: &[u8]) -> Vec<u8> {
    let mut request = raw_request(name, content);
    request[256 - REQUEST_MARK.len()..256].copy_from_slice(REQUEST_MARK);
    request
}

/// What came, if it is one frame, whole, and nothing else: its kind and its content.
#[must_use]
pub fn understood(answer: &[u8]) -> Option<(u8, &[u8])> {
    let frame = answer.strip_prefix(MARK)?;
    let (checked, checksum) = frame.split_last_chunk::<4>()?;
    let (kind, rest) = checked.split_first()?;
    let (len, content) = rest.split_first_chunk::<8>()?;
    let is_whole = u64::from_le_bytes(*len) == content.len() as u64
        && u32::from_le_bytes(*checksum) == crc32(checked);
    is_whole.then_some((*kind, content))
}

/// A frame around `content`.
#[must_use]
pub fn framed(kind: u8, content: &[u8]) -> Vec<u8> {
    with_length(kind, content.len() as u64, content)
}

/// A frame that says that its content has `len` bytes.
#[must_use]
pub fn with_length(kind: u8, len: u64, content: &[u8]) -> Vec<u8> {
    let checked = [&[kind][..], &len.to_le_bytes(), content].concat();
    let checksum = crc32(&checked).to_le_bytes();
    [&MARK[..], &checked, &checksum].concat()
}

impl Editing {
    /// Makes the service of the target one that takes the file, says `answer`, and ends well.
    pub fn answers(&self, answer: &[u8]) {
        self.answers_then(answer, "");
    }

    /// The same, but what it does then is `then`, lines of a shell script.
    pub fn answers_then(&self, answer: &[u8], then: &str) {
        self.meanwhile_answers(":", answer, then);
    }

    /// The same, but before it answers it does `meanwhile`.
    pub fn meanwhile_answers(&self, meanwhile: &str, answer: &[u8], then: &str) {
        fs::write(self.elsewhere("answer"), answer).expect("ours");
        self.service(&format!(
            "cat > /dev/null\n{meanwhile}\ncat \"$WORK/answer\"\n{then}"
        ));
    }
}
