//! A made-up tree of the kernel and of a qube, for the programs that prepare a qube for the sleep of the
//! machine. Its devices are folders, and a file to which an address is written is a FIFO, behind which
//! this harness does what the kernel would.
//!
//! No test touches a real device.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use crate::fifo::make;
use crate::interfaces::script;
use crate::process::{Finished, HANGS_AFTER, run};
use crate::programs::program;
use crate::tree::TempFolder;

/// The length of an address such as 0000:00:07.0.
const ADDRESS_LEN: usize = 12;

/// The tree, with stand-ins for `ip`, `modprobe` and `systemctl`.
#[derive(Debug)]
pub struct Machine {
    folder: TempFolder,
    asked: Arc<Asked>,
}

/// What was asked of the drivers.
#[derive(Debug, Default)]
struct Asked {
    requests: Mutex<Vec<String>>,
    changed: Condvar,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    /// A machine without devices.
    #[must_use]
    pub fn new() -> Self {
        let machine = Self {
            folder: TempFolder::open_to_all(),
            asked: Arc::default(),
        };
        for folder in [
            "sys/bus/pci/devices",
            "sys/bus/pci/drivers",
            "sys/class/net",
            "proc/sys/vm",
            "run/qubes-service",
            "etc/qubes",
            "rw/config",
        ] {
            fs::create_dir_all(machine.path(folder)).expect("it is ours");
        }
        for name in ["ip", "modprobe", "systemctl"] {
            machine.stand_in(name, 0);
        }
        machine
    }

    /// A path in the tree.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file of the tree.
    pub fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("it is ours");
        fs::write(path, content).expect("it is ours");
    }

    /// The text of a file of the tree; none without the file.
    #[must_use]
    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// Lets `name` note how it is called, and end with this status.
    pub fn stand_in(&self, name: &str, status: u8) {
        let notes = self.path("notes");
        script(
            &self.path("stand-ins").join(name),
            &format!("echo {name} \"$@\" >>'{}'\nexit {status}", notes.display()),
        );
    }

    /// What the stand-ins noted, and forgets it.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let notes = self.text("notes");
        let _none = fs::remove_file(self.path("notes"));
        notes.lines().map(str::to_owned).collect()
    }

    /// Adds a device that has a driver.
    pub fn add_device(
        &self,
        address: &str,
        vendor: &str,
        subsystem: &str,
        class: &str,
        driver: &str,
    ) {
        let device = format!("sys/bus/pci/devices/{address}");
        self.write(&format!("{device}/vendor"), &format!("{vendor}\n"));
        self.write(
            &format!("{device}/subsystem_vendor"),
            &format!("{subsystem}\n"),
        );
        self.write(&format!("{device}/class"), &format!("{class}\n"));
        let folder = self.path("sys/bus/pci/drivers").join(driver);
        fs::create_dir_all(&folder).expect("it is ours");
        symlink(&folder, self.path(&format!("{device}/driver"))).expect("it is ours");
    }

    /// Has a driver let devices go and take them, as the kernel does it.
    pub fn serve(&self, driver: &str) {
        self.serve_one(driver, "unbind");
        self.serve_one(driver, "bind");
    }

    /// Makes the file of a driver, and does what is asked there.
    pub fn serve_one(&self, driver: &str, file: &str) {
        let folder = self.path("sys/bus/pci/drivers").join(driver);
        let fifo = folder.join(file);
        make(&fifo);
        let (told, devices) = (self.asked.clone(), self.path("sys/bus/pci/devices"));
        let verb = file.to_owned();
        // It waits for the next request until the test ends, as the kernel does.
        thread::spawn(move || {
            while let Ok(text) = fs::read_to_string(&fifo) {
                // Two that write quickly are read at once.
                for address in text.as_bytes().chunks(ADDRESS_LEN) {
                    let address = String::from_utf8_lossy(address);
                    let link = devices.join(&*address).join("driver");
                    let _there = fs::remove_file(&link);
                    if verb == "bind" {
                        let _device = symlink(&folder, &link);
                    }
                    let mut requests = told.requests.lock().expect("no test panics with it");
                    requests.push(format!("{verb} {address}"));
                    told.changed.notify_all();
                }
            }
        });
    }

    /// What was asked of the drivers, in this order, once it is so much; and forgets it. The file of a
    /// driver is a FIFO, so that the program does not wait for what is done behind it.
    #[must_use]
    pub fn asked(&self, count: usize) -> Vec<String> {
        let requests = self.asked.requests.lock().expect("no test panics with it");
        let (mut requests, waited) = self
            .asked
            .changed
            .wait_timeout_while(requests, HANGS_AFTER, |requests| requests.len() < count)
            .expect("no test panics with it");
        assert!(!waited.timed_out(), "{requests:?}");
        std::mem::take(&mut *requests)
    }

    /// Has this device a driver?
    #[must_use]
    pub fn is_bound(&self, address: &str) -> bool {
        self.path("sys/bus/pci/devices")
            .join(address)
            .join("driver")
            .exists()
    }

    /// Adds an interface of a device, or without one.
    pub fn add_interface(&self, name: &str, has_device: bool, kind: &str, is_on: bool) {
        let folder = format!("sys/class/net/{name}");
        self.write(
            &format!("{folder}/flags"),
            if is_on { "0x1003\n" } else { "0x1002\n" },
        );
        if has_device {
            self.write(&format!("{folder}/device/devtype"), &format!("{kind}\n"));
        }
    }

    /// A script of the administrator.
    pub fn add_script(&self, path: &str, text: &str) {
        script(&self.path(path), text);
    }

    /// qubes-suspend with these words.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program("qubes-suspend"));
        command
            .arg("--root")
            .arg(self.folder.path())
            .args(words)
            .env("PATH", self.path("stand-ins"))
            // Nobody answers there.
            .env(
                "DBUS_SYSTEM_BUS_ADDRESS",
                format!("unix:path={}", self.path("bus").display()),
            );
        command
    }

    /// Runs it.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Finished {
        run(self.command(words))
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.folder.path()
    }
}
