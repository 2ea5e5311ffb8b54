//! `icon-sender` between a real X server and a dom0 that judges every byte, as the receiver there does.
//!
//! There is no dom0 here. A script stands in for the client of qrexec, and passes what it is given to the
//! test through a FIFO.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use x11rb::COPY_DEPTH_FROM_PARENT;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    AtomEnum, ConnectionExt as _, CreateGCAux, CreateWindowAux, ImageFormat, PropMode, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use crate::fifo;
use crate::process::HANGS_AFTER;
use crate::programs::program;
use crate::speaking::Speaking;
use crate::tree::TempFolder;

/// The longest line with the number of a window.
const MAX_NUMBER_LINE: usize = 32;

/// The longest header of an image, and its largest side.
const MAX_HEADER: usize = 10;
const MAX_SIDE: usize = 2048;

/// An icon as dom0 receives it.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    /// The number of its window.
    pub window: u32,
    /// In pixels.
    pub width: usize,
    /// Likewise.
    pub height: usize,
    /// Its pixels: red, green, blue, alpha.
    pub rgba: Vec<u8>,
}

impl std::fmt::Debug for Received {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            window,
            width,
            height,
            rgba,
        } = self;
        let first = &rgba[..rgba.len().min(16)];
        write!(f, "window {window}: {width} x {height}, {first:02x?}…")
    }
}

/// Reads the next icon of a stream; `None` at its end.
///
/// # Errors
/// What the receiver in dom0 would hang up for.
pub fn receive(stream: &mut impl Read) -> Result<Option<Received>, String> {
    let Some(number) = line(stream, MAX_NUMBER_LINE)? else {
        return Ok(None);
    };
    let window = decimal(&number)?;
    let Some(header) = line(stream, MAX_HEADER)? else {
        return Err("the stream ends after the number of a window".to_owned());
    };
    let sides: Vec<&[u8]> = header.split(|byte| *byte == b' ').collect();
    let [width, height] = sides[..] else {
        return Err(format!("{header:?} is no header"));
    };
    let side = |digits| match usize::try_from(decimal(digits)?) {
        Ok(side) if (1..=MAX_SIDE).contains(&side) => Ok(side),
        _ => Err(format!("{header:?} is a size that is not taken")),
    };
    let (width, height) = (side(width)?, side(height)?);
    let mut rgba = vec![0; width * height * 4];
    stream
        .read_exact(&mut rgba)
        .map_err(|error| format!("the pixels of a {width} x {height} icon: {error}"))?;
    Ok(Some(Received {
        window,
        width,
        height,
        rgba,
    }))
}

/// A line of at most `max` bytes with its newline; `None` at the end of the stream.
fn line(stream: &mut impl Read, max: usize) -> Result<Option<Vec<u8>>, String> {
    let mut line = Vec::new();
    while line.len() < max {
        let mut byte = [0];
        match stream.read_exact(&mut byte) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && line.is_empty() => {
                return Ok(None);
            }
            Err(error) => return Err(format!("a line that begins {line:?}: {error}")),
            Ok(()) if byte == *b"\n" => return Ok(Some(line)),
            Ok(()) => line.extend(byte),
        }
    }
    Err(format!("{line:?} has no newline within {max} bytes"))
}

fn decimal(digits: &[u8]) -> Result<u32, String> {
    let is_decimal = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_decimal);
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("{digits:?} is no number"))
}

/// The end of the stream in dom0. Each call is one stream.
#[derive(Debug)]
pub struct Dom0 {
    folder: TempFolder,
    client: PathBuf,
    calls: PathBuf,
}

impl Default for Dom0 {
    fn default() -> Self {
        Self::new()
    }
}

impl Dom0 {
    /// A dom0 that has not been called.
    #[must_use]
    pub fn new() -> Self {
        Self::answering("exec cat >\"$stream\"")
    }

    /// A dom0 whose end of a call is this script. `stream` is the FIFO that the test reads,
    /// `calls` the file with a line for each call.
    #[must_use]
    pub fn answering(script: &str) -> Self {
        let folder = TempFolder::new();
        let [client, stream, calls] =
            ["client", "stream", "calls"].map(|name| folder.path().join(name));
        fifo::make(&stream);
        let text = format!(
            "#!/bin/sh\ncalls='{}'\nstream='{}'\necho \"$*\" >>\"$calls\"\n{script}\n",
            calls.display(),
            stream.display()
        );
        fs::write(&client, text).expect("ours");
        fs::set_permissions(&client, fs::Permissions::from_mode(0o755)).expect("ours");
        Self {
            folder,
            client,
            calls,
        }
    }

    /// The folder of this test.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The arguments of the calls so far, a line for each.
    #[must_use]
    pub fn calls(&self) -> String {
        fs::read_to_string(&self.calls).unwrap_or_default()
    }

    /// Takes the next call. Until then its client reads nothing.
    #[must_use]
    pub fn take_call(&self) -> Call {
        let mut stream =
            io::BufReader::new(fifo::once_it_is_written(&self.folder.path().join("stream")));
        let (tell, icons) = channel();
        thread::spawn(move || {
            loop {
                let received = receive(&mut stream);
                let is_last = !matches!(received, Ok(Some(_)));
                // The test may have ended.
                if tell.send(received).is_err() || is_last {
                    break;
                }
            }
        });
        Call { icons }
    }

    /// Starts `icon-sender` for the windows of a display.
    #[must_use]
    pub fn sender(&self, display: &str) -> Speaking {
        Speaking::start(self.sending(display))
    }

    /// How it is started.
    #[must_use]
    pub fn sending(&self, display: &str) -> Command {
        let mut command = Command::new(program("icon-sender"));
        command
            .env("DISPLAY", display)
            .env("QREXEC_CLIENT_VM", &self.client)
            .env("XAUTHORITY", "/dev/null");
        command
    }
}

/// A call that dom0 has taken.
#[derive(Debug)]
pub struct Call {
    icons: Receiver<Result<Option<Received>, String>>,
}

impl Call {
    /// The next icon.
    #[track_caller]
    pub fn icon(&self) -> Received {
        match self.icons.recv_timeout(HANGS_AFTER) {
            Ok(Ok(Some(icon))) => icon,
            Ok(Ok(None)) => panic!("the stream has ended"),
            Ok(Err(wrong)) => panic!("dom0 hangs up: {wrong}"),
            Err(_) => panic!("no icon comes"),
        }
    }

    /// Fails the test unless the next icon is this one, of `window`.
    #[track_caller]
    pub fn assert_next(&self, window: u32, width: usize, height: usize, rgba: &[u8]) {
        let icon = self.icon();
        let expected = Received {
            window,
            width,
            height,
            rgba: rgba.to_vec(),
        };
        assert_eq!(icon, expected);
    }

    /// Fails the test unless the stream ends here, between two icons.
    #[track_caller]
    pub fn assert_ends(&self) {
        match self.icons.recv_timeout(HANGS_AFTER) {
            Ok(Ok(None)) => {}
            other => panic!("the stream does not end here: {other:?}"),
        }
    }
}

/// Somebody who has windows.
#[derive(Debug)]
pub struct Client {
    connection: RustConnection,
    root: u32,
    icons: u32,
}

impl Client {
    /// A client of the X server `display`.
    #[must_use]
    pub fn of(display: &str) -> Self {
        let (connection, screen) = x11rb::connect(Some(display)).expect("it runs");
        let root = connection.setup().roots[screen].root;
        let icons = connection
            .intern_atom(false, b"_NET_WM_ICON")
            .expect("it runs");
        let icons = icons.reply().expect("it runs").atom;
        Self {
            connection,
            root,
            icons,
        }
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &RustConnection {
        &self.connection
    }

    /// The windows of the screen.
    #[must_use]
    pub fn windows(&self) -> Vec<u32> {
        let tree = self.connection.query_tree(self.root).expect("it runs");
        tree.reply().expect("it runs").children
    }

    /// Makes a window that is not seen yet.
    #[must_use]
    pub fn window(&self) -> u32 {
        let id = self.connection.generate_id().expect("there are enough");
        self.connection
            .create_window(
                COPY_DEPTH_FROM_PARENT,
                id,
                self.root,
                0,
                0,
                10,
                10,
                0,
                WindowClass::INPUT_OUTPUT,
                0,
                &CreateWindowAux::new(),
            )
            .expect("it runs");
        id
    }

    /// Gives a window a property `_NET_WM_ICON` of these elements.
    pub fn set_icon(&self, window: u32, elements: &[u32]) {
        self.set_icon_unseen(window, elements);
        self.sync();
    }

    /// The same, without waiting for the server.
    pub fn set_icon_unseen(&self, window: u32, elements: &[u32]) {
        self.connection
            .change_property32(
                PropMode::REPLACE,
                window,
                self.icons,
                AtomEnum::CARDINAL,
                elements,
            )
            .expect("it runs");
    }

    /// Gives a window a property `_NET_WM_ICON` of bytes.
    pub fn set_icon_of_bytes(&self, window: u32, bytes: &[u8]) {
        self.connection
            .change_property8(
                PropMode::REPLACE,
                window,
                self.icons,
                AtomEnum::CARDINAL,
                bytes,
            )
            .expect("it runs");
        self.sync();
    }

    /// Gives a window a property `_NET_WM_ICON` of elements of 16 bits.
    pub fn set_icon_of_16_bits(&self, window: u32, elements: &[u16]) {
        self.connection
            .change_property16(
                PropMode::REPLACE,
                window,
                self.icons,
                AtomEnum::CARDINAL,
                elements,
            )
            .expect("it runs");
        self.sync();
    }

    /// Adds elements to the property `_NET_WM_ICON` of a window.
    pub fn add_to_icon(&self, window: u32, elements: &[u32]) {
        self.connection
            .change_property32(
                PropMode::APPEND,
                window,
                self.icons,
                AtomEnum::CARDINAL,
                elements,
            )
            .expect("it runs");
        self.sync();
    }

    /// Gives a window the property `WM_HINTS`.
    pub fn set_hints(&self, window: u32, elements: &[u32]) {
        let hints = AtomEnum::WM_HINTS;
        self.connection
            .change_property32(PropMode::REPLACE, window, hints, hints, elements)
            .expect("it runs");
        self.sync();
    }

    /// Makes a pixmap of this many columns and this depth, and draws these pixels on it.
    #[must_use]
    pub fn pixmap(&self, columns: u16, depth: u8, pixels: &[u32]) -> u32 {
        let rows = u16::try_from(pixels.len()).expect("it is small") / columns;
        let pixmap = self.connection.generate_id().expect("there are enough");
        let gc = self.connection.generate_id().expect("there are enough");
        let drawn = self
            .connection
            .create_pixmap(depth, pixmap, self.root, columns, rows)
            .and_then(|_| self.connection.create_gc(gc, pixmap, &CreateGCAux::new()))
            .and_then(|_| {
                let data = packed(columns, depth, pixels);
                let z = ImageFormat::Z_PIXMAP;
                self.connection
                    .put_image(z, pixmap, gc, columns, rows, 0, 0, 0, depth, &data)
            });
        drawn.expect("it runs");
        self.sync();
        pixmap
    }

    /// Lets a window be seen.
    pub fn map(&self, window: u32) {
        self.connection.map_window(window).expect("it runs");
        self.sync();
    }

    /// Hides a window.
    pub fn unmap(&self, window: u32) {
        self.connection.unmap_window(window).expect("it runs");
        self.sync();
    }

    /// Destroys a window.
    pub fn destroy(&self, window: u32) {
        self.connection.destroy_window(window).expect("it runs");
        self.sync();
    }

    /// Waits until the server has done what it was asked for.
    pub fn sync(&self) {
        self.connection.sync().expect("it runs");
    }
}

/// Rows of pixels as servers of this byte order take them: each is padded to 32 bits.
fn packed(columns: u16, depth: u8, pixels: &[u32]) -> Vec<u8> {
    let rows = pixels.chunks(usize::from(columns));
    let row = |row: &[u32]| -> Vec<u8> {
        let mut bytes: Vec<u8> = match depth {
            1 => {
                let bits = |bits: &[u32]| {
                    let set = bits.iter().enumerate().map(|(at, bit)| (bit & 1) << at);
                    u8::try_from(set.sum::<u32>()).expect("it has 8 bits")
                };
                row.chunks(8).map(bits).collect()
            }
            8 => row.iter().map(|pixel| pixel.to_le_bytes()[0]).collect(),
            _ => row.iter().flat_map(|pixel| pixel.to_le_bytes()).collect(),
        };
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    rows.flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut stream: &[u8]) -> Result<usize, String> {
        let mut count = 0;
        while receive(&mut stream)?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    #[test]
    fn only_what_the_receiver_of_dom0_takes_is_taken() {
        assert_eq!(all(b""), Ok(0));
        assert_eq!(all(b"7\n1 2\n12345678"), Ok(1));
        assert_eq!(all(b"7\n1 1\n1234007\n01 1\n1\n34"), Ok(2));
        let full = [b"1\n2048 2048\n".to_vec(), vec![0; 2048 * 2048 * 4]].concat();
        assert_eq!(all(&full), Ok(1));
        for wrong in [
            &b"7"[..],
            b"7\n",
            b"\n1 1\n1234",
            b"-7\n1 1\n1234",
            b"0x7\n1 1\n1234",
            b"7 \n1 1\n1234",
            b"4294967296\n1 1\n1234",
            b"00000000000000000000000000000007\n1 1\n1234",
            b"7\n0 1\n",
            b"7\n1 0\n",
            b"7\n2049 1\n",
            b"7\n1 1 \n1234",
            b"7\n1  1\n1234",
            b"7\n+1 1\n1234",
            b"7\n1\n1234",
            b"7\n0001 00001\n1234",
            b"7\n1 1\n123",
            b"7\n1 1\n12345",
        ] {
            assert!(all(wrong).is_err(), "{:?}", String::from_utf8_lossy(wrong));
        }
    }
}
