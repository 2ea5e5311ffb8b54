//! Tar archives: block by block, right or wrong, and made by real programs of real sources. Nothing
//! here is shared with the reader under test.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fifo;
use crate::process::run;
use crate::programs::rpc_folder;
use crate::tree::set;

/// Bytes of a block.
pub const BLOCK: usize = 512;

/// An archive in the making, in the format ustar.
#[derive(Clone, Debug, Default)]
pub struct Tarball(Vec<u8>);

impl Tarball {
    /// An archive without a byte.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the header of a member of the type `letter` that has `len` bytes of content.
    #[must_use]
    pub fn header(mut self, letter: u8, name: &str, len: u64) -> Self {
        let mut block = [0; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..107].copy_from_slice(b"0000640");
        // In binary, where octal digits do not do.
        block[124] = 0x80;
        block[128..136].copy_from_slice(&len.to_be_bytes());
        block[136..147].copy_from_slice(b"14524237760");
        block[156] = letter;
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&block);
        self
    }

    /// Adds bytes, and zeros up to the next block.
    #[must_use]
    pub fn content(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
        self
    }

    /// Adds bytes as they are.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn file(self, name: &str, content: &[u8]) -> Self {
        self.header(b'0', name, content.len() as u64)
            .content(content)
    }

    /// Adds the two blocks that end it.
    #[must_use]
    pub fn end(self) -> Self {
        self.content(&[0; 2 * BLOCK])
    }

    /// The bytes so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Copies real sources, those of this project, to `folder`: some hundred files.
pub fn plant_sources(folder: &Path) {
    let project = rpc_folder();
    let project = project.parent().expect("the project's folder");
    let mut copy = Command::new("cp");
    copy.current_dir(project).args(["-a", "--"]);
    copy.args(["Cargo.lock", "docs", "qfile-proto", "rpc", "services"]);
    copy.args(["dev/scripts", "tests"]).arg(folder);
    run(copy).assert_code(0);
    // Services that share a file are links, which these archives are not about.
    let mut unlink = Command::new("find");
    unlink.arg(folder).args(["-type", "l", "-delete"]);
    run(unlink).assert_code(0);
}

/// Makes files in `folder` that are no part of any sources: empty, large, read-only, with names of
/// other scripts, and with paths of more than 100 bytes if `has_long_paths`.
pub fn plant_oddities(folder: &Path, has_long_paths: bool) {
    let odd = folder.join("odd");
    let plant = |path: PathBuf, content: &[u8], mode, mtime| {
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("ours");
        fs::write(&path, content).expect("ours");
        set(&path, Some(mode), mtime);
    };
    plant(odd.join("empty"), b"", 0o400, (1, 0));
    let large = (0..=250).cycle().take(1_000_003).collect::<Vec<u8>>();
    plant(
        odd.join("large"),
        &large,
        0o644,
        (1_500_000_000, 123_456_789),
    );
    plant(
        odd.join("block"),
        &large[..BLOCK],
        0o755,
        (4_000_000_000, 0),
    );
    plant(odd.join("čaj/お茶"), b"tea", 0o600, (1_600_000_000, 1));
    if has_long_paths {
        let folders = [["f"; 60].concat(), ["g"; 60].concat(), ["h"; 60].concat()];
        let path = folders
            .iter()
            .fold(odd.clone(), |path, name| path.join(name));
        plant(path.join("file"), b"far", 0o644, (1_600_000_000, 0));
    }
}

/// Makes a file in `folder` whose name has 250 bytes, and whose path has more than 255.
pub fn plant_long_name(folder: &Path) {
    let path = folder.join("odd").join(["n"; 250].concat());
    fs::write(&path, b"long").expect("ours");
    set(&path, Some(0o644), (1_600_000_000, 0));
}

/// Makes what is no file in `folder`: a hard link, a symbolic link, a FIFO and an empty folder.
pub fn plant_others(folder: &Path) {
    fs::write(folder.join("a-file"), b"content").expect("ours");
    fs::hard_link(folder.join("a-file"), folder.join("hard-link")).expect("ours");
    symlink("a-file", folder.join("link")).expect("ours");
    fs::create_dir(folder.join("empty")).expect("ours");
    fifo::make(&folder.join("fifo"));
}
