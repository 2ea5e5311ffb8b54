//! qubes.SuspendPost: what went comes back, the last first. What could not come back stays noted, and
//! is tried again the next time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::modules::Name;
use super::pci::Address;
use super::pre::{list, tool};
use super::state::{self, List};
use super::{Run, interfaces, kernel, memory, network_manager};

/// Does all steps. One that fails, or for which there is no time, is said.
pub(super) fn post(run: &mut Run) {
    if run.root.has_service("minimal-netvm") {
        memory::make_room(run);
    }
    load_modules(run);
    attach(run);
    switch_on(run);
    if run.root.has_service("network-manager") {
        let ended = network_manager::start(run);
        run.note("start NetworkManager", ended);
    }
}

fn load_modules(run: &mut Run) {
    let Some(mut list) = list(run, state::MODULES) else {
        return;
    };
    for item in last_first(&list) {
        let Some(name) = Name::parse(&item) else {
            not_understood(run, &mut list, state::MODULES, &item);
            continue;
        };
        let step = format!("load the module {}", name.as_str());
        if !run.has_time(&step) {
            return;
        }
        let done = tool("modprobe", &[name.as_str()], run.step_deadline());
        ended(run, &mut list, &item, &step, done);
    }
}

fn attach(run: &mut Run) {
    let Some(mut list) = list(run, state::DEVICES) else {
        return;
    };
    for item in last_first(&list) {
        let Some((address, driver)) = noted(&run.root.path("sys"), &item) else {
            not_understood(run, &mut list, state::DEVICES, &item);
            continue;
        };
        let step = format!("give the device {address} back to its driver");
        if !run.has_time(&step) {
            return;
        }
        let is_there = address.folder(&run.root).exists();
        let done = match address.driver(&run.root) {
            // It has gone meanwhile, or a module has taken it.
            _ if !is_there => Ok(()),
            Ok(Some(_)) => Ok(()),
            Ok(None) => driver.and_then(|driver| {
                kernel::write(
                    &driver.join("bind"),
                    &address.to_string(),
                    run.step_deadline(),
                )
                .map_err(|error| error.to_string())
            }),
            Err(error) => Err(error.to_string()),
        };
        ended(run, &mut list, &item, &step, done);
    }
}

fn switch_on(run: &mut Run) {
    let Some(mut list) = list(run, state::INTERFACES) else {
        return;
    };
    for name in last_first(&list) {
        let step = format!("switch on the interface {}", text::own(name.as_bytes()));
        // One that is not there any more has got another name, or went with its device.
        let done = match interfaces::is_off(&run.root, &name) {
            false => Ok(()),
            true if !run.has_time(&step) => return,
            true => tool(
                "ip",
                &["link", "set", "dev", &name, "up"],
                run.step_deadline(),
            ),
        };
        ended(run, &mut list, &name, &step, done);
    }
}

fn last_first(list: &List) -> Vec<String> {
    list.items().iter().rev().cloned().collect()
}

/// The device and the folder of its driver in a note. The folder has to be one of a driver; if it is
/// missing, its module can be loaded later, and why it cannot be used now is told.
fn noted(sys: &Path, item: &str) -> Option<(Address, Result<PathBuf, String>)> {
    let (address, driver) = item.split_once(' ')?;
    let address = address.parse().ok()?;
    let driver = Path::new(driver);
    let drivers = sys.join("bus/pci/drivers");
    let drivers = fs::canonicalize(&drivers).unwrap_or(drivers);
    let (folder, usable) = match fs::canonicalize(driver) {
        Ok(folder) => (folder.clone(), Ok(folder)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let missing = format!("there is no driver {} now", text::file(driver));
            (driver.to_owned(), Err(missing))
        }
        Err(_) => return None,
    };
    (folder.parent() == Some(&drivers)).then_some((address, usable))
}

/// Forgets what was undone.
fn ended<E: std::fmt::Display>(
    run: &mut Run,
    list: &mut List,
    item: &str,
    step: &str,
    done: Result<(), E>,
) {
    match done {
        Ok(()) => {
            let forgotten = list.remove(item);
            run.note(
                format_args!("note that \"{}\" is undone", text::own(item.as_bytes())),
                forgotten,
            );
        }
        Err(error) => run.failed(step, error),
    }
}

/// A note that this program did not write helps nobody.
fn not_understood(run: &mut Run, list: &mut List, name: &str, item: &str) {
    run.failed(
        format_args!("undo \"{}\"", text::own(item.as_bytes())),
        format_args!("this line of /run/{name} is not understood"),
    );
    let forgotten = list.remove(item);
    run.note(format_args!("change /run/{name}"), forgotten);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_kept_while_its_driver_is_missing() {
        let machine = tempfile::tempdir().unwrap();
        let sys = fs::canonicalize(machine.path()).unwrap();
        let drivers = sys.join("bus/pci/drivers");
        let ahci = drivers.join("ahci");
        let item = |driver: &Path| format!("0000:00:07.0 {}", driver.display());
        // Not even the folder of all drivers is there.
        assert!(noted(&sys, &item(&ahci)).unwrap().1.is_err());
        fs::create_dir_all(&drivers).unwrap();
        let (address, missing) = noted(&sys, &item(&ahci)).unwrap();
        assert_eq!(address.to_string(), "0000:00:07.0");
        assert!(missing.unwrap_err().contains("there is no driver \"/"));
        fs::create_dir(&ahci).unwrap();
        assert_eq!(noted(&sys, &item(&ahci)).unwrap().1, Ok(ahci.clone()));
        for wrong in [
            sys.clone(),
            sys.join("elsewhere"),
            drivers.join(".."),
            drivers.join("x/.."),
            ahci.join("x"),
        ] {
            assert_eq!(noted(&sys, &item(&wrong)), None, "{}", wrong.display());
        }
        assert_eq!(noted(&sys, "0000:00:07.0"), None);
        assert_eq!(noted(&sys, &format!("../x {}", ahci.display())), None);
    }
}
