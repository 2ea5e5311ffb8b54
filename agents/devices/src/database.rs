//! The folder of QubesDB in which devices are published.
//!
//! dom0 watches the folder itself: it looks when an empty value is written to it. So all keys of a
//! device are written first. A file says from before the first key until dom0 was told that there is
//! something to tell: whoever comes after a process that was killed in between tells it.

use std::fs;
use std::path::PathBuf;

use program::failure::Failure;
use qubesdb::{Address, Client, Error, Path, Value, folder};

/// What a device is published as: keys and their values.
pub(crate) type Entry = Vec<(&'static str, String)>;

/// The devices of one kind.
#[derive(Debug)]
pub(crate) struct Published {
    client: Client,
    folder: &'static str,
    /// It is there while dom0 has not been told of a change.
    untold: PathBuf,
}

impl Published {
    /// Connects to the daemon of this qube. `folder` begins with `/` and does not end with one.
    pub(crate) fn open(folder_of_devices: &'static str) -> Result<Self, Failure> {
        let client = Client::open(Address::of_this_qube(&folder())).map_err(|error| {
            Failure::new(format_args!(
                "cannot publish devices in \"{folder_of_devices}\""
            ))
            .because(error)
            .advise("is the QubesDB daemon of this qube running?")
        })?;
        let mut published = Self {
            client,
            folder: folder_of_devices,
            untold: format!("/run{folder_of_devices}.untold").into(),
        };
        if published.untold.exists() {
            published.tell()?;
        }
        Ok(published)
    }

    /// The names of all that are published.
    pub(crate) fn names(&mut self) -> Result<Vec<String>, Failure> {
        let prefix = format!("{}/", self.folder);
        let keys = path(&prefix)
            .and_then(|path| self.client.list(&path))
            .map_err(self.cannot("list the devices in"))?;
        let names = keys.iter().filter_map(|key| {
            let (name, _) = key.as_str().strip_prefix(&prefix)?.split_once('/')?;
            Some(name.to_owned())
        });
        let mut names: Vec<String> = names.collect();
        names.dedup();
        Ok(names)
    }

    /// Is a device published?
    pub(crate) fn has(&mut self, name: &str) -> Result<bool, Failure> {
        let keys = path(&format!("{}/{name}/", self.folder))
            .and_then(|path| self.client.list(&path))
            .map_err(self.cannot("look for a device in"))?;
        Ok(!keys.is_empty())
    }

    /// Publishes a device; whether anything changed. If a key cannot be written, the device is
    /// withdrawn: half of it would be worse than nothing.
    pub(crate) fn publish(&mut self, name: &str, entry: &Entry) -> Result<bool, Failure> {
        let mut changed = Vec::new();
        for (key, value) in entry {
            let now = path(&format!("{}/{name}/{key}", self.folder))
                .and_then(|path| self.client.read(&path));
            if !now.is_ok_and(|now| now.as_bytes() == value.as_bytes()) {
                changed.push((key, value));
            }
        }
        if changed.is_empty() {
            return Ok(false);
        }
        self.begin_change()?;
        for (key, value) in &changed {
            if let Err(error) = self.write(&format!("{}/{name}/{key}", self.folder), value) {
                // The same trouble may keep it from being withdrawn, which is no news then.
                let _withdrawn = self.withdraw(name);
                return Err(Failure::new(format_args!(
                    "cannot write \"{key}\" of the device \"{name}\" to \"{}\"",
                    self.folder
                ))
                .because(error)
                .advise("it was withdrawn"));
            }
        }
        if let Err(failure) = self.tell() {
            // dom0 must not come upon a device of which it was not told.
            let _withdrawn = self.withdraw(name);
            return Err(failure);
        }
        Ok(true)
    }

    /// Withdraws a device, if it is published; whether it was.
    pub(crate) fn withdraw(&mut self, name: &str) -> Result<bool, Failure> {
        if !self.has(name)? {
            return Ok(false);
        }
        self.begin_change()?;
        let was_there = path(&format!("{}/{name}/", self.folder))
            .and_then(|path| self.client.remove(&path))
            .map_err(self.cannot("withdraw a device from"))?;
        self.tell()?;
        Ok(was_there)
    }

    /// Has dom0 look again.
    pub(crate) fn tell(&mut self) -> Result<(), Failure> {
        let folder = self.folder;
        self.write(folder, "")
            .map_err(self.cannot("tell dom0 about a change in"))?;
        files::remove(&self.untold)
            .map(drop)
            .map_err(self.marking())
    }

    /// Comes before the first change.
    fn begin_change(&self) -> Result<(), Failure> {
        fs::write(&self.untold, "").map_err(self.marking())
    }

    fn marking(&self) -> impl FnOnce(std::io::Error) -> Failure + use<> {
        Failure::of(format!(
            "cannot take note of a change in \"{}\"",
            self.untold.display()
        ))
    }

    fn write(&mut self, key: &str, value: &str) -> Result<(), Error> {
        let (key, value) = (path(key)?, Value::parse(value.as_bytes())?);
        self.client.write(&key, &value)
    }

    fn cannot(&self, step: &str) -> impl FnOnce(Error) -> Failure + use<> {
        Failure::of(format!("cannot {step} \"{}\"", self.folder))
    }
}

fn path(text: &str) -> Result<Path, Error> {
    Path::absolute(text.as_bytes()).map_err(Error::from)
}
