//! qubes.SuspendPre: what cannot sleep goes.

use std::process::Command;
use std::time::Instant;

use super::{Run, interfaces, kernel, modules, network_manager, pci, state};
use crate::sleep::state::List;

/// An option of the kernel with which drivers suspend their devices themselves.
const DRIVERS_SUSPEND: &str = "qubes_exp_pm_use_suspend=1";

/// Does all steps. One that fails, or for which there is no time, is said.
pub(super) fn pre(run: &mut Run) {
    if run.root.has_service("network-manager") {
        let ended = network_manager::stop(run);
        run.note("stop NetworkManager", ended);
    }
    let options = run.root.text("proc/cmdline").unwrap_or_default();
    if options
        .split_whitespace()
        .any(|word| word == DRIVERS_SUSPEND)
    {
        return;
    }
    switch_off(run);
    detach(run);
    remove_modules(run);
}

/// Opens a list, or says why it cannot be.
pub(super) fn list(run: &mut Run, name: &str) -> Option<List> {
    match List::read(&run.root, name) {
        Ok(list) => Some(list),
        Err(error) => {
            run.failed(format_args!("read /run/{name}"), error);
            None
        }
    }
}

fn switch_off(run: &mut Run) {
    let names = match interfaces::to_switch_off(&run.root) {
        Ok(names) => names,
        Err(error) => return run.failed("find the network interfaces", error),
    };
    let Some(mut list) = list(run, state::INTERFACES) else {
        return;
    };
    for name in names {
        let step = format!("switch off the interface {name}");
        if !run.has_time(&step) {
            return;
        }
        // What is not noted is not done, because nobody would undo it.
        let noted = list.add(&name).map_err(|error| error.to_string());
        let done = noted.and_then(|()| {
            tool(
                "ip",
                &["link", "set", "dev", &name, "down"],
                run.step_deadline(),
            )
        });
        run.note(step, done);
    }
}

fn detach(run: &mut Run) {
    let devices = match pci::to_detach(&run.root) {
        Ok(devices) => devices,
        Err(error) => return run.failed("find the PCI devices", error),
    };
    let Some(mut list) = list(run, state::DEVICES) else {
        return;
    };
    for (address, driver) in devices {
        let step = format!("take the device {address} from its driver");
        if !run.has_time(&step) {
            return;
        }
        let unbind = address.unbind(&run.root);
        let noted = list.add(&format!("{address} {}", driver.display()));
        let done =
            noted.and_then(|()| kernel::write(&unbind, &address.to_string(), run.step_deadline()));
        run.note(step, done);
    }
}

fn remove_modules(run: &mut Run) {
    let mut lists = vec!["etc/qubes-suspend-module-blacklist"];
    if !run.root.has_service("custom-persist") {
        lists.push("rw/config/suspend-module-blacklist");
    }
    let mut text = String::new();
    for path in lists {
        match run.root.text(path) {
            Ok(more) => text = text + &more + "\n",
            Err(error) => run.failed(format_args!("read /{path}"), error),
        }
    }
    let (names, wrong) = modules::listed(&text);
    for word in wrong {
        run.failed(
            format_args!("remove the module \"{}\"", text::own(word.as_bytes())),
            "this is no name of a module",
        );
    }
    let loaded = match run.root.text("proc/modules") {
        Ok(text) => modules::loaded(&text),
        Err(error) => return run.failed("find the modules", error),
    };
    let Some(mut list) = list(run, state::MODULES) else {
        return;
    };
    for name in names.iter().filter(|name| loaded.contains(name)) {
        let step = format!("remove the module {}", name.as_str());
        if !run.has_time(&step) {
            return;
        }
        let noted = list.add(name.as_str()).map_err(|error| error.to_string());
        let done =
            noted.and_then(|()| tool("modprobe", &["-r", name.as_str()], run.step_deadline()));
        run.note(step, done);
    }
}

/// Runs a program of the system.
pub(super) fn tool(name: &str, arguments: &[&str], deadline: Instant) -> Result<(), String> {
    let path = program::bounded::find(name).ok_or_else(|| format!("there is no {name}"))?;
    match program::bounded::output(Command::new(path).args(arguments), deadline) {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(match output.stderr.trim_ascii() {
            b"" => format!("{name} ended: {}", output.status),
            said => text::line(said),
        }),
        Err(error) => Err(format!("{name}: {error}")),
    }
}
