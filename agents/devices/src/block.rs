//! Which block devices are published, and as what.

mod device;
mod excluded;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use files::Lock;
use program::failure::Failure;
use text::foreign;

#[cfg(any(test, fuzzing))]
pub(crate) use self::device::describe;
use self::device::{Verdict, judge};
use crate::backend;
use crate::database::Published;
use crate::run::{Steps, say_line};
use crate::system::System;
use crate::udev::Properties;
use crate::usage::Usage;

/// What messages begin with.
pub(crate) const NAME: &str = "qubes-block-devices";
/// The folder of QubesDB.
const FOLDER: &str = "/qubes-block-devices";
const LOCK: &str = "/run/qubes-block-devices.lock";
/// What the files begin with that name the parts of a device of the device mapper, a line each: when
/// it is gone, they may be published.
const CACHE: &str = "run/qubes/block-slave-cache-";

/// How long the backend of an event is waited for. Between its event and its file there is one script
/// of Xen in this qube. udev gives an event 180 seconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A name that dom0 takes: `[a-z0-9-]{1,12}`.
pub(crate) fn is_taken_by_dom0(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=12).contains(&name.len()) && name.bytes().all(is_allowed)
}

/// The work on all devices that an event concerns. Other processes of this program wait meanwhile,
/// so the last one to write has seen the newest state.
struct Work {
    system: System,
    usage: Usage,
    published: Published,
    steps: Steps,
    _lock: Lock,
}

impl Work {
    fn begin() -> Result<Self, Failure> {
        let lock = Lock::take(Path::new(LOCK))
            .map_err(Failure::of(format_args!("cannot take the lock \"{LOCK}\"")))?;
        let system = System::at(Path::new("/"));
        Ok(Self {
            usage: Usage::now(&system),
            system,
            published: Published::open(FOLDER)?,
            steps: Steps::of(NAME),
            _lock: lock,
        })
    }

    /// Publishes or withdraws a device. `of_event`: what udev knows of it right now.
    fn settle(&mut self, name: &str, of_event: Option<&Properties>) -> Result<(), Failure> {
        if !is_taken_by_dom0(name) {
            if of_event.is_some() {
                say_line(
                    NAME,
                    format_args!(
                        "\"{}\" is not published: dom0 takes names of 1 to 12 small letters, digits \
                     and \"-\" only",
                        foreign(name.as_bytes())
                    ),
                );
            }
            return Ok(());
        }
        let is_published = self.published.has(name)?;
        match judge(&self.system, &self.usage, name, of_event, is_published) {
            Verdict::Keep => Ok(()),
            Verdict::Publish(entry) => self.published.publish(name, &entry).map(drop),
            Verdict::Withdraw => self.published.withdraw(name).map(drop),
            Verdict::Error(why) => {
                self.published.withdraw(name)?;
                Err(
                    Failure::new(format_args!("cannot describe the device \"{name}\""))
                        .because(why)
                        .advise("it is not published"),
                )
            }
        }
    }

    /// Settles devices that no event is about. One that fails keeps no other back.
    fn settle_all(&mut self, names: impl IntoIterator<Item = String>) {
        for name in names {
            let done = self.settle(&name, None);
            self.steps.take(done);
        }
    }

    /// A device and those that it depends on or that depend on it: its disk, all partitions of it,
    /// and what it consists of.
    fn family(&self, name: &str) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut open = vec![name.to_owned()];
        while let Some(next) = open.pop() {
            if all.insert(next.clone()) {
                open.extend(self.system.disk(&next));
                open.extend(self.system.partitions(&next));
                open.extend(self.system.slaves(&next));
            }
        }
        all
    }

    fn cache(&self, name: &str) -> PathBuf {
        self.system.root().join(format!("{CACHE}{name}"))
    }
}

/// The device of an event: what follows `/dev/` in `DEVNAME`, or the end of `DEVPATH`.
fn name_of(event: &Properties) -> Result<String, Failure> {
    let of_path = || {
        let path = event.some("DEVPATH")?;
        Some(files::last_component(path))
    };
    let name = event
        .some("DEVNAME")
        .and_then(|path| path.strip_prefix(b"/dev/"));
    let name = name.or_else(of_path).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| {
        Failure::new("there is no device in the environment (DEVNAME, DEVPATH)")
            .advise("udev starts this program; \"refresh\" judges all devices")
    })?;
    // No component may lead out of the folders of the kernel.
    let is_good = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-!/".contains(byte);
    let is_plain = !name
        .split(|byte| *byte == b'/')
        .any(|part| part.starts_with(b".") || part.is_empty());
    match String::from_utf8(name.to_vec()) {
        Ok(text) if name.iter().all(is_good) && is_plain => Ok(text),
        _ => Err(Failure::new(format_args!(
            "no block device has the name \"{}\"",
            foreign(name)
        ))),
    }
}

/// A device is there, or has changed.
pub(crate) fn add_change(event: &Properties) -> Result<(), Failure> {
    let name = name_of(event)?;
    let mut work = Work::begin()?;
    let slaves = work.system.slaves(&name);
    if !slaves.is_empty() {
        // Where that fails, another event brings them back later.
        let cache = work.cache(&name);
        let _folder = cache.parent().map(fs::create_dir_all);
        let lines: String = slaves.iter().map(|slave| format!("{slave}\n")).collect();
        let _there = files::replace(&cache, lines.as_bytes(), 0o644);
    }
    let mut others = work.family(&name);
    others.remove(&name);
    work.settle_all(others);
    let done = work.settle(&name, Some(event));
    work.steps.take(done);
    work.steps.end()
}

/// A device is gone. Its disk, and what it consisted of, may be free now.
pub(crate) fn remove(event: &Properties) -> Result<(), Failure> {
    let name = name_of(event)?;
    let mut work = Work::begin()?;
    // What consisted of parts is known by their names only.
    let cache = work.cache(&name);
    // Others may write to the folder, so it may be anything.
    let cached = files::read_small_of(&cache, 0).map_err(Failure::of(format_args!(
        "cannot read what \"{name}\" consisted of from {}",
        text::file(&cache)
    )));
    let cached = match cached {
        Ok(cached) => cached,
        Err(failure) => {
            work.steps.take(Err(failure));
            Vec::new()
        }
    };
    let _there = files::remove(&cache);
    let lines = cached.split(|byte| *byte == b'\n');
    let slaves = lines.filter_map(|line| std::str::from_utf8(line).ok());
    let mut free: BTreeSet<String> = slaves
        .filter(|name| is_taken_by_dom0(name))
        .map(str::to_owned)
        .collect();
    let path = event.get("DEVPATH");
    let disk = files::split_last(path).0.map(files::last_component);
    let disk = disk.and_then(|disk| std::str::from_utf8(disk).ok());
    free.extend(
        disk.filter(|name| is_taken_by_dom0(name))
            .map(str::to_owned),
    );
    if is_taken_by_dom0(&name) {
        // dom0 looks also where nothing was published: it may have missed something.
        let done = match work.published.withdraw(&name) {
            Ok(true) => Ok(()),
            Ok(false) => work.published.tell(),
            Err(failure) => Err(failure),
        };
        work.steps.take(done);
    }
    let mut families: BTreeSet<String> = BTreeSet::new();
    for freed in free.iter().filter(|name| work.system.has(name)) {
        families.extend(work.family(freed));
    }
    families.remove(&name);
    work.settle_all(families);
    work.steps.end()
}

/// Anything may have happened, such as a device that was attached to another qube or given back: then
/// `event` is that of its backend. dom0 looks in any case.
pub(crate) fn refresh(event: &Properties) -> Result<(), Failure> {
    // Before the lock is taken: other events go on.
    let started = Instant::now();
    backend::wait(Path::new("/"), event, || {
        thread::sleep(LOOK_EVERY);
        started.elapsed() < PATIENCE
    });
    let mut work = Work::begin()?;
    let mut names: BTreeSet<String> = work.published.names()?.into_iter().collect();
    names.extend(work.system.all());
    work.settle_all(names);
    let told = work.published.tell();
    work.steps.take(told);
    work.steps.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, value: &str) -> Properties {
        Properties::parse(format!("E:{name}={value}\n").as_bytes())
    }

    #[test]
    fn dom0_takes_short_names_in_small_letters() {
        for good in ["sda", "sda1", "mmcblk0boot0", "dm-0", "nvme0n1p1"] {
            assert!(is_taken_by_dom0(good), "{good}");
        }
        for bad in [
            "",
            "mmcblk0boot0p1",
            "cciss/c0d0",
            "SDA",
            "sd a",
            "sda.1",
            "..",
            "sdé",
        ] {
            assert!(!is_taken_by_dom0(bad), "{bad}");
        }
    }

    #[test]
    fn a_device_is_named_by_its_file_or_its_path() {
        let name = |name, value| name_of(&event(name, value)).ok();
        assert_eq!(name("DEVNAME", "/dev/sda").as_deref(), Some("sda"));
        assert_eq!(
            name("DEVNAME", "/dev/cciss/c0d0").as_deref(),
            Some("cciss/c0d0")
        );
        assert_eq!(
            name("DEVPATH", "/devices/x/block/sda/sda1").as_deref(),
            Some("sda1")
        );
        for (key, value) in [
            ("X", "y"),
            ("DEVNAME", ""),
            ("DEVNAME", "/dev/"),
            ("DEVNAME", "/dev/../etc/passwd"),
            ("DEVNAME", "/dev/.x"),
            ("DEVNAME", "/dev//x"),
            ("DEVNAME", "/dev/a b"),
            ("DEVNAME", "/dev/a\x1b"),
            ("DEVPATH", "/"),
            ("DEVPATH", "/x/.."),
        ] {
            assert_eq!(name(key, value), None, "{key}={value:?}");
        }
    }
}
