//! Pictures: written byte by byte, asked for as dom0 does, and read as the receiver there reads
//! them.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use crate::process::{Finished, Running, drain};
use crate::programs::{program, source};
use crate::tree::TempFolder;

/// A picture as the receiver in dom0 has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green, blue, alpha.
    pub rgba: Vec<u8>,
}

impl Received {
    /// Reads an answer as the receiver is documented to: a header of at most 10 bytes,
    /// `^[0-9]+ [0-9]+\n$`, a size of at most 8192 × 5120, then the pixels. Nothing may follow.
    ///
    /// # Errors
    /// What the receiver does not accept.
    pub fn read(answer: &[u8]) -> Result<Self, String> {
        let end = answer.iter().position(|byte| *byte == b'\n');
        let end = end.filter(|end| *end < 10).ok_or("no header")?;
        let header = std::str::from_utf8(&answer[..end]).map_err(|error| error.to_string())?;
        let (width, height) = header.split_once(' ').ok_or("one number")?;
        let number = |digits: &str| -> Result<usize, String> {
            let is_decimal = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            is_decimal
                .then(|| digits.parse().ok())
                .flatten()
                .ok_or(format!("{header:?}"))
        };
        let (width, height) = (number(width)?, number(height)?);
        if !(1..=8192).contains(&width) || !(1..=5120).contains(&height) {
            return Err(format!("{width} x {height} pixels"));
        }
        let rgba = answer[end + 1..].to_vec();
        match rgba.len() == width * height * 4 {
            true => Ok(Self {
                width,
                height,
                rgba,
            }),
            false => Err(format!("{} bytes for {header:?}", rgba.len())),
        }
    }

    /// The pixel in column `x` of row `y`.
    #[must_use]
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 4] {
        let at = (y * self.width + x) * 4;
        self.rgba[at..at + 4].try_into().expect("four bytes")
    }
}

/// A qube's user with a home folder, who has no other icons than those of this folder.
#[derive(Debug, Default)]
pub struct Gallery(TempFolder);

impl Gallery {
    /// Without any picture.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A path in the home folder.
    #[must_use]
    pub fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// Writes a file, with the folders above it.
    pub fn add(&self, below: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(path.parent().expect("it is below")).expect("ours");
        fs::write(&path, content).expect("ours");
        path
    }

    /// The program behind the service.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(program("qubes-image-rgba"));
        command
            .current_dir("/")
            .env("HOME", self.0.path())
            .env("XDG_DATA_DIRS", self.path("system"))
            // Nothing is ever written there.
            .env("TMPDIR", "/no/such/folder")
            .env_remove("XDG_DATA_HOME")
            .env_remove("XDG_CONFIG_HOME");
        command
    }

    /// Asks for a picture: `stdin` is the line and all that follows.
    #[must_use]
    pub fn ask(&self, stdin: impl AsRef<[u8]>) -> Finished {
        given(self.command(), stdin.as_ref())
    }

    /// The picture that `line` names, and `image` behind it.
    #[track_caller]
    #[must_use]
    pub fn picture(&self, line: impl AsRef<OsStr>, image: &[u8]) -> Received {
        let line = line.as_ref();
        let stdin = [line.as_encoded_bytes(), b"\n", image].concat();
        let finished = self.ask(stdin);
        finished.assert_code(0);
        assert_eq!(finished.stderr(), "", "{line:?}");
        Received::read(&finished.stdout).unwrap_or_else(|why| panic!("{line:?}: {why}"))
    }

    /// Fails the test unless there is no picture, not a byte of one, and one line that says `why`.
    #[track_caller]
    pub fn assert_refused(&self, line: impl AsRef<OsStr>, image: &[u8], why: &str) {
        let line = line.as_ref();
        let finished = self.ask([line.as_encoded_bytes(), b"\n", image].concat());
        assert_refused(&finished, why);
    }
}

/// Fails the test unless there is no picture, not a byte of one, and one line that says `why`.
#[track_caller]
pub fn assert_refused(finished: &Finished, why: &str) {
    finished.assert_code(1);
    assert_eq!(finished.stdout, b"");
    finished.assert_says(why);
    let stderr = finished.stderr();
    assert!(
        stderr
            .lines()
            .all(|line| line.starts_with("qubes-image-rgba: ")),
        "{stderr}"
    );
    assert!(!stderr.contains('\x1b'));
}

/// Runs `command` with these bytes on stdin. It need not read them.
#[must_use]
pub fn given(mut command: Command, stdin: &[u8]) -> Finished {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = Running::start(command);
    let mut to = running.child.stdin.take().expect("piped");
    let stdin = stdin.to_vec();
    let writer = thread::spawn(move || {
        let _may_not_be_read = to.write_all(&stdin);
    });
    let stdout = running.child.stdout.take().map(drain);
    let mut finished = running.finish();
    finished.stdout = stdout
        .map(|thread| thread.join().expect("no panic"))
        .unwrap_or_default();
    writer.join().expect("no panic");
    finished
}

/// A picture of known pixels: see `crates/picture/src/golden.rs`.
#[must_use]
pub fn fixture(name: &str) -> Vec<u8> {
    let path = source("crates/picture/fixtures").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The answer for a fixture.
#[must_use]
pub fn answer(name: &str) -> Received {
    let answer = fixture(&format!("{name}.rgba"));
    Received::read(&answer).expect("a fixture is an answer")
}

/// A PNG of this size, whose pixels are `data`, compressed; its checksums are right.
#[must_use]
pub fn png(width: u32, height: u32, color: u8, chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend_from_slice(&[8, color, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let ends: [(&[u8; 4], &[u8]); 1] = [(b"IEND", b"")];
    let begins: [(&[u8; 4], &[u8]); 1] = [(b"IHDR", &header)];
    for (name, data) in begins.iter().chain(chunks).chain(&ends) {
        png.extend_from_slice(&u32::try_from(data.len()).expect("short").to_be_bytes());
        png.extend_from_slice(&name[..]);
        png.extend_from_slice(data);
        png.extend_from_slice(&crc(&[&name[..], data].concat()).to_be_bytes());
    }
    png
}

/// The checksum of a chunk (PNG specification, annex D).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| match crc & 1 {
            0 => crc >> 1,
            _ => (crc >> 1) ^ 0xEDB8_8320,
        })
    })
}

/// So many zeros, compressed by `gzip`, which is part of every system.
#[must_use]
pub fn gzipped(prefix: &str, zeros: u64, suffix: &str) -> Vec<u8> {
    let script = "{ printf %s \"$1\"; head -c \"$2\" /dev/zero | tr '\\0' ' '; \
                  printf %s \"$3\"; } | gzip -9";
    let output = Command::new("sh")
        .args(["-c", script, "sh", prefix, &zeros.to_string(), suffix])
        .output()
        .expect("a shell");
    assert!(output.status.success());
    output.stdout
}

/// The same as a stream of zlib (RFC 1950), in which a PNG has its pixels: the deflated bytes of
/// gzip between another header and another checksum.
#[must_use]
pub fn zeros(len: u64) -> Vec<u8> {
    let script = "head -c \"$1\" /dev/zero | gzip -9n";
    let output = Command::new("sh")
        .args(["-c", script, "sh", &len.to_string()])
        .output()
        .expect("a shell");
    assert!(output.status.success());
    let deflated = &output.stdout[10..output.stdout.len() - 8];
    // Adler-32 of zeros.
    let high = u32::try_from(len % 65_521).expect("small");
    let adler = (high << 16) | 1;
    [&b"\x78\xDA"[..], deflated, &adler.to_be_bytes()].concat()
}

/// An SVG picture of 8 × 8 pixels with this content.
#[must_use]
pub fn svg(content: &str) -> String {
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' \
         width='8' height='8'>{content}</svg>"
    )
}

/// The path as a line for an icon.
#[must_use]
pub fn icon(path: &Path) -> String {
    format!("xdgicon:{}", path.display())
}
