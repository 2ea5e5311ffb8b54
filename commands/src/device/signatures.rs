//! The signatures of partition tables, file systems and the like, as libblkid knows them: `blkid` finds
//! them, `wipefs` erases them. Both are in util-linux.
//!
//! They get the open device as their stdin, so that it is this one whatever has taken its name.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use program::failure::Failure;
use program::programs::find_in_path;
use text::foreign;

/// The path of stdin for a program that opens it again.
const STDIN: &str = "/proc/self/fd/0";

/// Where these programs are if not in `PATH`: ordinary users of Debian have no `sbin` there.
const SYSTEM_FOLDERS: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// The exit status of `blkid` that found nothing, and that found more than one thing (blkid(8)).
const NOTHING: i32 = 2;
const AMBIVALENT: i32 = 8;

/// How often signatures are erased: below one there may be another.
const ROUNDS: usize = 4;

/// What is on a device, each in words for a person. Nothing if there is no signature.
pub(super) fn find(device: &File) -> Result<Vec<String>, Failure> {
    let output = run("blkid", &["-p", "-o", "export", STDIN], device)?;
    match output.status.code() {
        Some(0) => Ok(in_words(&output.stdout)),
        Some(NOTHING) => Ok(Vec::new()),
        Some(AMBIVALENT) => Ok(vec!["more than one file system".to_owned()]),
        _ => Err(failed("blkid", &output)),
    }
}

/// Erases every signature.
pub(super) fn erase(device: &File) -> Result<(), Failure> {
    for _ in 0..ROUNDS {
        // It is open exclusively already, which is what --force goes without.
        let arguments = ["--all", "--force", "--quiet", STDIN];
        let output = run("wipefs", &arguments, device)?;
        if !output.status.success() {
            return Err(failed("wipefs", &output));
        }
        if find(device)?.is_empty() {
            return Ok(());
        }
    }
    Err(Failure::new("cannot erase what is on the device")
        .because("blkid finds it again")
        .advise("erase the device with another program, and try again"))
}

/// The lines of `blkid -o export` that name a kind of content.
fn in_words(export: &[u8]) -> Vec<String> {
    let lines = export.split(|byte| *byte == b'\n');
    let words = lines.filter_map(|line| {
        let equals = line.iter().position(|byte| *byte == b'=')?;
        let kind = foreign(&line[equals + 1..]);
        match &line[..equals] {
            b"TYPE" => Some(kind),
            b"PTTYPE" => Some(format!("a partition table ({kind})")),
            _ => None,
        }
    });
    words.collect()
}

fn run(name: &str, arguments: &[&str], device: &File) -> Result<Output, Failure> {
    let program = find_program(name).ok_or_else(|| {
        Failure::new(format!("cannot find {name}"))
            .advise("install the package util-linux, which has it")
    })?;
    let run = || -> io::Result<Output> {
        Command::new(&program)
            .args(arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::from(device.try_clone()?))
            .output()
    };
    run().map_err(Failure::of(format!(
        "cannot start {}",
        text::file(&program)
    )))
}

fn find_program(name: &str) -> Option<PathBuf> {
    let elsewhere = || {
        let folders = SYSTEM_FOLDERS.iter().map(Path::new);
        folders
            .map(|folder| folder.join(OsStr::new(name)))
            .find(|path| path.is_file())
    };
    find_in_path(name).or_else(elsewhere)
}

fn failed(name: &str, output: &Output) -> Failure {
    let said = output.stderr.split(|byte| *byte == b'\n');
    let said = said.map(foreign).find(|line| !line.is_empty());
    let said = said.unwrap_or_else(|| output.status.to_string());
    Failure::new(format!("{name} failed on the device")).because(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_numbers_are_not_shown() {
        let export =
            b"DEVNAME=/dev/sdb\nLABEL=\x1b[31m\nTYPE=ext4\nUSAGE=filesystem\nPTTYPE=g\x1bpt\n";
        assert_eq!(in_words(export), ["ext4", "a partition table (g_pt)"]);
        assert_eq!(in_words(b"PART_ENTRY_TYPE=x\n"), [""; 0]);
    }
}
