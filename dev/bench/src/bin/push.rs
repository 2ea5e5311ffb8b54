//! `push [COUNT]`: reads 256 KiB and writes it, until stdin ends. `push --sha256 FILE`: takes the
//! SHA-256 of a file.
//!
//! Two of these, one on each side of a pipe, are what no copy through that pipe can be faster
//! than. With a COUNT it does not read but pushes that many zeros.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use sha2::{Digest, Sha256};

const CHUNK: usize = 256 << 10;

fn main() -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == "--sha256") {
        return sha256(&arguments.next().unwrap_or_default(), &mut buffer);
    }
    // Not `io::stdout()`, which looks for ends of lines in what it is given.
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    if let Some(count) = std::env::args().nth(1) {
        let mut left: u64 = count.parse().map_err(io::Error::other)?;
        while left > 0 {
            let chunk = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
            output.write_all(&buffer[..chunk])?;
            left -= chunk as u64;
        }
        return Ok(());
    }
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    loop {
        match input.read(&mut buffer)? {
            0 => return Ok(()),
            count => output.write_all(&buffer[..count])?,
        }
    }
}

fn sha256(path: &OsStr, buffer: &mut [u8]) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    loop {
        match file.read(buffer)? {
            0 => break,
            count => digest.update(&buffer[..count]),
        }
    }
    // Written, so that it is not left out.
    io::stdout().write_all(&digest.finalize())
}
