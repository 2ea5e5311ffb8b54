//! Carriers of files without a file system: image files, loop devices, and what is on them byte by
//! byte, written from the format's description.
//!
//! The programs run as an ordinary user, who is given the loop devices.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::cannot_run::needs_program;
use crate::process::{Finished, run};
use crate::programs;
use crate::receiver::Form;
use crate::stream::{Stream, Verdict, crc32};
use crate::tree::{Snapshot, TempFolder};
use crate::user::{Installed, am_root, as_ordinary, give_to_ordinary, needs_root};

/// The program that writes to a device.
pub const TO_DEVICE: &str = "qvm-copy-to-device";

/// The program that reads from a device.
pub const FROM_DEVICE: &str = "qvm-copy-from-device";

/// The program that says what is on a device.
pub const STATUS: &str = "qvm-device-status";

const PROGRAMS: [&str; 5] = [
    TO_DEVICE,
    FROM_DEVICE,
    STATUS,
    "qfile-agent",
    "qfile-unpacker",
];

/// Where the stream begins on a device.
pub const STREAM_AT: usize = 8192;

/// The number in the headers that tests write.
pub const NUMBER: [u8; 16] = [0xAB; 16];

/// Copies of the programs that all tests of this process share.
static INSTALLED: Mutex<Option<Installed>> = Mutex::new(None);

/// Removes those copies, when no test will need them any more.
pub(crate) fn uninstall() {
    *INSTALLED.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// The test runs the programs, which need `blkid`, and the receiver in its user namespace.
///
/// # Errors
/// Says what is missing.
pub fn needs_carriers() -> Result<(), String> {
    let folders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
    for name in ["blkid", "wipefs"] {
        let is_there = |folder: &&str| Path::new(folder).join(name).is_file();
        if !folders.iter().any(is_there) {
            return Err(format!("needs {name}"));
        }
    }
    Form::UserNamespace.can_run()
}

/// The same, with loop devices.
///
/// # Errors
/// Says what is missing.
pub fn needs_loop_devices() -> Result<(), String> {
    needs_carriers()?;
    needs_root()?;
    needs_program("losetup")?;
    let mut find = Command::new("losetup");
    find.arg("--find");
    match run(find).status.success() {
        true => Ok(()),
        false => Err("needs a free loop device".to_owned()),
    }
}

/// A user with a home folder and files to send.
#[derive(Debug)]
pub struct Carriers {
    root: TempFolder,
}

impl Carriers {
    /// A user whose folder `src` holds a few files.
    #[must_use]
    pub fn new() -> Self {
        let root = TempFolder::open_to_all();
        for name in ["home", "src", "src/sub"] {
            give(&root.folder(name));
        }
        let carriers = Self { root };
        carriers.write("src/letter", b"Dear all\n");
        carriers.write("src/sub/numbers", &[7; 3000]);
        carriers.write("src/empty", b"");
        carriers
    }

    /// A path in the folder that the programs work in.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A file of the user.
    pub fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).expect("it is ours");
        give(&self.path(name));
    }

    /// An image of so many zeros.
    #[must_use]
    pub fn image(&self, name: &str, len: u64) -> PathBuf {
        self.write(name, b"");
        let file = OpenOptions::new().write(true).open(self.path(name));
        file.and_then(|file| file.set_len(len)).expect("it is ours");
        self.path(name)
    }

    /// An image with this content.
    #[must_use]
    pub fn image_of(&self, name: &str, content: &[u8]) -> PathBuf {
        self.write(name, content);
        self.path(name)
    }

    /// The folder of the programs, which the user can reach.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        if !am_root() {
            return programs::folder();
        }
        let mut shared = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        let installed = shared.get_or_insert_with(|| Installed::new(&PROGRAMS));
        installed.folder().to_owned()
    }

    /// The program `name`, to be started by the user.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs().join(name));
        command
            .current_dir(self.root.path())
            .env("HOME", self.path("home"));
        if am_root() {
            as_ordinary(&mut command);
        }
        command
    }

    /// Runs the program `name`.
    #[must_use]
    pub fn run<A: AsRef<OsStr>>(&self, name: &str, arguments: &[A]) -> Finished {
        let mut command = self.command(name);
        command.args(arguments);
        run(command)
    }

    /// Writes the folder `src` to `device`.
    #[must_use]
    pub fn send(&self, options: &[&str], device: &Path) -> Finished {
        let mut command = self.command(TO_DEVICE);
        command.args(options).arg(device).arg("src");
        run(command)
    }

    /// Reads what is on `device`.
    #[must_use]
    pub fn receive(&self, options: &[&str], device: &Path) -> Finished {
        let mut command = self.command(FROM_DEVICE);
        command.args(options).arg(device);
        run(command)
    }

    /// The lines that say what is on `device`.
    #[must_use]
    pub fn status(&self, device: &Path) -> String {
        let finished = self.run(STATUS, &[device]);
        let text = String::from_utf8(finished.stdout.clone()).expect("text");
        let is_complete = text.starts_with("state: complete\n");
        finished.assert_code(i32::from(!is_complete));
        text
    }

    /// One of these lines, without its key.
    #[must_use]
    pub fn status_of(&self, key: &str, device: &Path) -> Option<String> {
        let status = self.status(device);
        let mut lines = status.lines().filter_map(|line| line.split_once(": "));
        let line = lines.find(|(found, _)| *found == key);
        line.map(|(_, value)| value.to_owned())
    }

    /// What was sent, and what has arrived of the source `from`.
    pub fn assert_arrived(&self, from: &str) {
        let arrived = self.incoming(from).join("src");
        let arrived = Snapshot::of(&arrived);
        let sent = Snapshot::of(&self.path("src"));
        sent.with_times_of_access(&arrived).assert_arrived(&arrived);
    }

    /// The folder of what arrives from `from`.
    #[must_use]
    pub fn incoming(&self, from: &str) -> PathBuf {
        self.path("home/QubesIncoming").join(from)
    }

    /// Fails the test if anything has arrived.
    pub fn assert_nothing_arrived(&self) {
        let home = fs::read_dir(self.path("home")).expect("it is ours");
        assert_eq!(home.count(), 0);
    }
}

impl Default for Carriers {
    fn default() -> Self {
        Self::new()
    }
}

fn give(path: &Path) {
    if am_root() {
        give_to_ordinary(path);
    }
}

/// A loop device that the ordinary user may open.
#[derive(Debug)]
pub struct Loop(PathBuf);

impl Loop {
    /// A loop device with the content of `image`.
    #[must_use]
    pub fn new(image: &Path, options: &[&str]) -> Self {
        let mut command = Command::new("losetup");
        command.args(options).args(["--find", "--show"]).arg(image);
        let finished = run(command);
        finished.assert_code(0);
        let name = String::from_utf8(finished.stdout).expect("a path");
        let device = Self(PathBuf::from(name.trim()));
        give_to_ordinary(&device.0);
        device
    }

    /// The same, on the last free loop device: nobody else takes that one as soon as it is free again.
    #[must_use]
    pub fn last(image: &Path) -> Self {
        let names = fs::read_dir("/sys/class/block").expect("the kernel has block devices");
        let mut numbers: Vec<u32> = names
            .filter_map(|entry| {
                entry
                    .ok()?
                    .file_name()
                    .to_str()?
                    .strip_prefix("loop")?
                    .parse()
                    .ok()
            })
            .collect();
        numbers.sort_unstable();
        let attached = numbers.into_iter().rev().find_map(|number| {
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let mut command = Command::new("losetup");
            command.arg(&path).arg(image);
            run(command).status.success().then_some(path)
        });
        let device = Self(attached.expect("a loop device is free"));
        give_to_ordinary(&device.0);
        device
    }

    /// The path of the device.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // Others take the device afterwards.
        let _ = chown(&self.0, Some(0), Some(0));
        let _ = Command::new("losetup")
            .arg("--detach")
            .arg(&self.0)
            .status();
    }
}

/// What `blkid -p` finds on a device; nothing if it finds nothing.
#[must_use]
pub fn blkid(device: &Path) -> String {
    let mut command = Command::new("blkid");
    command.arg("-p").arg(device);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    String::from_utf8_lossy(&run(command).stdout).into_owned()
}

/// The content of a device from `at` on.
#[must_use]
pub fn bytes_of(device: &Path, at: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let file = File::open(device).expect("it can be opened");
    file.read_exact_at(&mut bytes, at).expect("it is that long");
    bytes
}

/// What a header says, right or wrong.
#[derive(Clone, Debug)]
pub struct RawHeader {
    /// The length of the stream.
    pub len: u64,
    /// Its CRC-32.
    pub crc32: u32,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// The name of the source, at most 64 bytes.
    pub source: Vec<u8>,
}

impl RawHeader {
    /// The header of a stream, all of it right.
    #[must_use]
    pub fn of(stream: &[u8]) -> Self {
        Self {
            len: stream.len() as u64,
            crc32: crc32(stream),
            sha256: Sha256::digest(stream).into(),
            source: b"elsewhere".to_vec(),
        }
    }

    /// The block, its CRC-32 right.
    #[must_use]
    pub fn to_block(&self) -> Vec<u8> {
        let mut block = vec![0; 4096];
        block[..16].copy_from_slice(b"qfile-pendrive\0\x01");
        block[16..24].copy_from_slice(&self.len.to_le_bytes());
        block[24..28].copy_from_slice(&self.crc32.to_le_bytes());
        block[32..64].copy_from_slice(&self.sha256);
        block[64..80].copy_from_slice(&NUMBER);
        block[80..80 + self.source.len()].copy_from_slice(&self.source);
        seal(&mut block);
        block
    }

    /// A device with this header and `stream`.
    #[must_use]
    pub fn device(&self, stream: &[u8]) -> Vec<u8> {
        let mut device = self.to_block();
        device.resize(STREAM_AT, 0);
        device.extend_from_slice(stream);
        device.resize(device.len().next_multiple_of(4096), 0);
        device
    }
}

/// A device with `stream`, all of it right.
#[must_use]
pub fn device_of(stream: &Stream) -> Vec<u8> {
    RawHeader::of(stream.as_bytes()).device(stream.as_bytes())
}

/// Writes the CRC-32 of a block into its last four bytes.
pub fn seal(block: &mut [u8]) {
    let crc = crc32(&block[..4092]);
    block[4092..4096].copy_from_slice(&crc.to_le_bytes());
}

/// The verdict in the answer on a device to the transfer `number`; `None` if there is none.
#[must_use]
pub fn answer_on(device: &Path, number: &[u8]) -> Option<Verdict> {
    let block = bytes_of(device, 4096, 4096);
    if block.iter().all(|byte| *byte == 0) {
        return None;
    }
    assert_eq!(&block[..16], b"qfile-verdict\0\0\x01");
    assert_eq!(&block[16..32], number);
    assert_eq!(block[4092..], crc32(&block[..4092]).to_le_bytes());
    let name_len = u32::from_le_bytes(block[48..52].try_into().expect("four bytes"));
    let end = 52 + usize::try_from(name_len).expect("it is short");
    assert!(block[end..4092].iter().all(|byte| *byte == 0));
    Verdict::parse(&block[32..end])
}
