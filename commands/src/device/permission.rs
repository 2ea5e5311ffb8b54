//! Whether a device may be overwritten: never by accident.

use std::env;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use program::failure::Failure;
use program::question;
use program::say::say;
use quantity::{about, counted};
use raw_device::{Found, HEADER_AT, STREAM_AT};
use text::foreign;
use transfer::result_line::Outcome;

use crate::device::args::TO_DEVICE;
use crate::device::disk::{Kernel, Number};
use crate::device::medium::Device;
use crate::device::signatures;

/// Refuses the disk that holds `/` or the home folder. `attempted` is what was to be done with it.
pub(super) fn refuse_system_disk(number: Number, attempted: &str) -> Result<(), Failure> {
    let home = env::var_os("HOME").map(PathBuf::from);
    let folders: Vec<&Path> = [Path::new("/")]
        .into_iter()
        .chain(home.as_deref())
        .collect();
    match Kernel::default().first_on_same_disk(number, &folders) {
        None => Ok(()),
        Some(folder) => Err(Failure::new(attempted)
            .because(format!("its disk holds {}", text::file(folder)))
            .advise("nothing was written; give another device")),
    }
}

/// Makes sure that nothing is lost that somebody may want, and erases every signature.
pub(super) fn clear(device: &Device, overwrite: bool) -> Result<(), Failure> {
    let header = device
        .block(HEADER_AT)
        .map_err(Failure::of(format!("cannot read {}", device.shown())))?;
    let found = Found::read(&header, device.capacity);
    let is_ours = matches!(found, Found::Transfer(_));
    let signatures = signatures::find(&device.file)?;
    let mut there = signatures.clone();
    if there.is_empty() && found == Found::Nothing && is_document(device, &header) {
        there.push("a file that is not an image of a device".to_owned());
    }
    if !there.is_empty() && !is_ours && !overwrite {
        ask(device, &there)?;
    }
    match signatures.is_empty() {
        true => Ok(()),
        false => signatures::erase(&device.file),
    }
}

/// True for a regular file that somebody named by mistake, most likely: it begins with something, which
/// a new image does not. `qvm-copy-to-device *.tar` lacks its DEVICE, and the first archive would be lost.
fn is_document(device: &Device, start: &[u8]) -> bool {
    let has_content = || match device.capacity < start.len() as u64 {
        // What is that short is refused anyhow.
        true => device.capacity > 0,
        false => start.iter().any(|byte| *byte != 0),
    };
    device.number.is_none() && has_content()
}

fn ask(device: &Device, there: &[String]) -> Result<(), Failure> {
    let model = device.number.map(|number| {
        let model = Kernel::default().untrusted_model(number);
        format!("{} ", foreign(&model))
    });
    let model = model.filter(|model| model != " ").unwrap_or_default();
    let size = about(device.capacity);
    let what = format!(
        "{} ({model}{size}) holds {}",
        device.shown(),
        there.join(", ")
    );
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::new(format!("{what}, which would be lost"))
            .advise("nothing was written; --overwrite erases the device"));
    }
    say(format_args!("{TO_DEVICE}: {what}"));
    let question = format!("{TO_DEVICE}: everything on it will be lost; write to this device?");
    let agreed = question::ask(&mut io::stdin().lock(), &mut io::stderr(), &question);
    match agreed.unwrap_or(false) {
        true => Ok(()),
        false => {
            Err(Failure::new("cancelled; nothing was written")
                .with_status(Outcome::Cancelled.status()))
        }
    }
}

/// Makes sure that a stream has room.
pub(super) fn check_room(device: &Device, stream_bytes: u64) -> Result<(), Failure> {
    let needed = STREAM_AT.saturating_add(stream_bytes);
    match needed <= device.capacity {
        true => Ok(()),
        false => Err(Failure::new(format!(
            "the files do not fit on {}: they take {}, and it has {}",
            device.shown(),
            counted(needed, "byte", "bytes"),
            counted(device.capacity, "byte", "bytes")
        ))
        .advise("nothing was written; copy less at once, or take a larger device")),
    }
}
