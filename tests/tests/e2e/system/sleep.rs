//! qubes.SuspendPre, SuspendPost, SuspendPreAll and SuspendPostAll, on a made-up tree of the kernel, with
//! stand-ins for `ip`, `modprobe` and `systemctl`, and NetworkManager played by the harness on a private
//! bus. No real device is touched, and no machine sleeps.

use std::fs;
use std::process::Command;

use qfile_tests::bus::{Bus, FakeNetworkManager};
use qfile_tests::cannot_run::needs_program;
use qfile_tests::changes;
use qfile_tests::process::{Running, run};
use qfile_tests::suite;
use qfile_tests::suspend::Machine;

suite! {
    devices_go_and_come_back,
    what_is_virtual_or_a_screen_stays,
    drivers_that_suspend_are_left_alone,
    interfaces_of_real_devices_are_switched_off_and_on_again,
    modules_are_removed_by_their_exact_names,
    the_list_of_the_user_counts_unless_persistence_is_his,
    a_half_done_pre_is_undone,
    a_second_pre_forgets_nothing,
    what_fails_is_named_and_the_rest_is_done,
    a_driver_that_hangs_does_not_hold_up_the_machine,
    without_time_nothing_is_begun,
    a_note_that_is_not_understood_does_nothing,
    what_could_not_come_back_is_tried_again,
    a_note_is_kept_while_its_driver_is_missing,
    network_manager_sleeps_over_the_bus [needs_bus],
    network_manager_is_stopped_without_a_bus,
    a_small_qube_makes_room,
    without_memory_the_rest_is_done,
    scripts_run_in_order_and_a_failed_one_is_named,
    a_script_that_takes_too_long_is_killed,
}

const DISK: &str = "0000:00:07.0";
const WIFI: &str = "0000:00:08.0";
const NONE: [&str; 0] = [];

fn needs_bus() -> Result<(), String> {
    needs_program("dbus-daemon")
}

/// A machine with two devices of one driver.
fn with_devices() -> Machine {
    let machine = Machine::new();
    for address in [DISK, WIFI] {
        machine.add_device(address, "0x8086", "0x8086", "0x010601", "ahci");
    }
    machine.serve("ahci");
    machine
}

fn state(machine: &Machine, name: &str) -> Vec<String> {
    let text = machine.text(&format!("run/qubes-suspend-{name}"));
    text.lines().map(str::to_owned).collect()
}

fn devices_go_and_come_back() {
    let machine = with_devices();
    machine.run(&["pre"]).assert_code(0);
    // The last that was found goes first, and comes back last.
    assert_eq!(
        machine.asked(2),
        [format!("unbind {WIFI}"), format!("unbind {DISK}")]
    );
    let driver = machine.path("sys/bus/pci/drivers/ahci");
    let driver = fs::canonicalize(driver).unwrap();
    assert_eq!(
        state(&machine, "pci-devs-detached"),
        [WIFI, DISK].map(|address| format!("{address} {}", driver.display()))
    );
    machine.run(&["post"]).assert_code(0);
    assert_eq!(
        machine.asked(2),
        [format!("bind {DISK}"), format!("bind {WIFI}")]
    );
    assert!(machine.is_bound(DISK) && machine.is_bound(WIFI));
    assert_eq!(state(&machine, "pci-devs-detached"), NONE);
    // A second one has nothing to do.
    machine.run(&["post"]).assert_code(0);
    assert_eq!(machine.asked(0), NONE);
}

fn what_is_virtual_or_a_screen_stays() {
    let machine = Machine::new();
    machine.add_device("0000:00:01.0", "0x1af4", "0x1af4", "0x020000", "virtio-pci");
    machine.add_device(
        "0000:00:02.0",
        "0x5853",
        "0x5853",
        "0xff8000",
        "xen-platform-pci",
    );
    machine.add_device("0000:00:03.0", "0x8086", "0x1028", "0x030000", "i915");
    machine.add_device("0000:00:04.0", "0x10de", "0x1028", "0x030000", "nouveau");
    machine.serve("nouveau");
    machine.run(&["pre"]).assert_code(0);
    assert_eq!(machine.asked(1), ["unbind 0000:00:04.0"]);
}

fn drivers_that_suspend_are_left_alone() {
    let machine = with_devices();
    machine.write(
        "proc/cmdline",
        "root=/dev/xvda3 qubes_exp_pm_use_suspend=1 quiet\n",
    );
    machine.run(&["pre"]).assert_code(0);
    machine.write(
        "proc/cmdline",
        "xqubes_exp_pm_use_suspend=1 qubes_exp_pm_use_suspend=10\n",
    );
    assert_eq!(machine.asked(0), NONE);
    machine.run(&["pre"]).assert_code(0);
    assert_eq!(machine.asked(2).len(), 2);
}

fn interfaces_of_real_devices_are_switched_off_and_on_again() {
    let machine = Machine::new();
    machine.add_interface("lo", false, "", true);
    machine.add_interface("eth0", true, "vif", true);
    machine.add_interface("vif7.0", true, "", true);
    machine.add_interface("dummy0", false, "", true);
    machine.add_interface("wlan0", true, "wlan", true);
    machine.add_interface("eth1", true, "", true);
    machine.add_interface("eth2", true, "", false);
    machine.run(&["pre"]).assert_code(0);
    assert_eq!(
        machine.notes(),
        ["ip link set dev eth1 down", "ip link set dev wlan0 down"]
    );
    assert_eq!(state(&machine, "interfaces-down"), ["eth1", "wlan0"]);
    // The one is off now. The other has come back on with its driver.
    machine.add_interface("eth1", true, "", false);
    machine.run(&["post"]).assert_code(0);
    assert_eq!(machine.notes(), ["ip link set dev eth1 up"]);
    assert_eq!(state(&machine, "interfaces-down"), NONE);
}

fn modules_are_removed_by_their_exact_names() {
    let machine = Machine::new();
    machine.write(
        "etc/qubes-suspend-module-blacklist",
        "# cannot sleep\nehci-pci xhci_pci\niwlwifi -r ../x\n",
    );
    machine.write(
        "proc/modules",
        "iwlwifi_extra 1 0 - Live 0x0\nehci_pci 1 0 - Live 0x0\nxhci_pci 1 0 - Live 0x0\n",
    );
    let finished = machine.run(&["pre"]);
    // What is no name is told, and does no harm.
    finished.assert_code(1);
    finished
        .assert_says("qubes-suspend: cannot remove the module \"-r\": this is no name of a module");
    finished.assert_says("\"../x\"");
    assert_eq!(
        machine.notes(),
        ["modprobe -r ehci_pci", "modprobe -r xhci_pci"]
    );
    assert_eq!(state(&machine, "modules-loaded"), ["ehci_pci", "xhci_pci"]);
    machine.run(&["post"]).assert_code(0);
    assert_eq!(machine.notes(), ["modprobe xhci_pci", "modprobe ehci_pci"]);
    assert_eq!(state(&machine, "modules-loaded"), NONE);
}

fn the_list_of_the_user_counts_unless_persistence_is_his() {
    let machine = Machine::new();
    machine.write("rw/config/suspend-module-blacklist", "mine");
    machine.write("proc/modules", "mine 1 0 - Live 0x0\n");
    machine.run(&["pre"]).assert_code(0);
    assert_eq!(machine.notes(), ["modprobe -r mine"]);
    machine.write("run/qubes-service/custom-persist", "");
    machine.run(&["pre"]).assert_code(0);
    assert_eq!(machine.notes(), NONE);
}

fn a_half_done_pre_is_undone() {
    let machine = Machine::new();
    for (address, driver) in [(DISK, "slow"), (WIFI, "quick")] {
        machine.add_device(address, "0x8086", "0x8086", "0x010601", driver);
    }
    machine.serve("quick");
    // Nobody answers at the file of the other driver yet, so the program waits there.
    machine.write("proc/modules", "");
    let slow = machine.path("sys/bus/pci/drivers/slow");
    qfile_tests::fifo::make(&slow.join("unbind"));
    let mut running = Running::start(machine.command(&["pre"]));
    changes::until(&machine.path("run"), || {
        state(&machine, "pci-devs-detached").len() == 2
    });
    running.child.kill().unwrap();
    assert!(!running.finish().status.success());
    assert_eq!(machine.asked(1), [format!("unbind {WIFI}")]);
    // What it had begun ends now, without it.
    drop(qfile_tests::fifo::once_it_is_written(&slow.join("unbind")));
    fs::remove_file(slow.join("unbind")).unwrap();
    fs::remove_file(machine.path(&format!("sys/bus/pci/devices/{DISK}/driver"))).unwrap();
    machine.serve_one("slow", "bind");
    machine.run(&["post"]).assert_code(0);
    let mut asked = machine.asked(2);
    asked.sort_unstable();
    assert_eq!(asked, [format!("bind {DISK}"), format!("bind {WIFI}")]);
    assert!(machine.is_bound(DISK) && machine.is_bound(WIFI));
}

fn a_second_pre_forgets_nothing() {
    let machine = with_devices();
    machine.run(&["pre"]).assert_code(0);
    assert_eq!(machine.asked(2).len(), 2);
    machine.run(&["pre"]).assert_code(0);
    machine.run(&["post"]).assert_code(0);
    assert_eq!(
        machine.asked(2),
        [format!("bind {DISK}"), format!("bind {WIFI}")]
    );
}

fn what_fails_is_named_and_the_rest_is_done() {
    let machine = with_devices();
    machine.add_interface("eth1", true, "", true);
    machine.add_device("0000:00:09.0", "0x8086", "0x8086", "0x010601", "stubborn");
    fs::create_dir(machine.path("sys/bus/pci/drivers/stubborn/unbind")).unwrap();
    machine.write("etc/qubes-suspend-module-blacklist", "busy other");
    machine.write(
        "proc/modules",
        "busy 1 1 - Live 0x0\nother 1 0 - Live 0x0\n",
    );
    machine.stand_in("ip", 2);
    machine.add_script(
        "stand-ins/modprobe",
        "[ \"$2\" != busy ] || { echo 'modprobe: FATAL: Module busy is in use.' >&2; exit 1; }",
    );
    let finished = machine.run(&["pre"]);
    finished.assert_code(1);
    for said in [
        "qubes-suspend: cannot switch off the interface eth1: ip ended: exit status: 2",
        "qubes-suspend: cannot take the device 0000:00:09.0 from its driver: Is a directory",
        "qubes-suspend: cannot remove the module busy: modprobe: FATAL: Module busy is in use.",
    ] {
        finished.assert_says(said);
    }
    assert_eq!(machine.asked(2).len(), 2);
    assert_eq!(finished.stderr().lines().count(), 3);
}

fn a_driver_that_hangs_does_not_hold_up_the_machine() {
    let machine = with_devices();
    machine.add_device("0000:00:09.0", "0x8086", "0x8086", "0x010601", "hanging");
    let hanging = machine.path("sys/bus/pci/drivers/hanging/unbind");
    qfile_tests::fifo::make(&hanging);
    let finished = machine.run(&["--timeout", "1s", "pre"]);
    finished.assert_code(1);
    finished.assert_says("cannot take the device 0000:00:09.0 from its driver: ");
    // The time is over for the others too.
    finished.assert_says(&format!(
        "cannot take the device {WIFI} from its driver: the time limit of 1 s was reached"
    ));
    assert_eq!(machine.asked(0), NONE);
}

fn without_time_nothing_is_begun() {
    let machine = with_devices();
    let finished = machine.run(&["--timeout", "0s", "pre"]);
    finished.assert_code(1);
    finished.assert_says("the time limit of 0 s was reached");
    assert_eq!(machine.asked(0), NONE);
    assert_eq!(state(&machine, "pci-devs-detached"), NONE);
}

fn a_note_that_is_not_understood_does_nothing() {
    let machine = with_devices();
    let elsewhere = machine.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("bind"), "").unwrap();
    machine.write(
        "run/qubes-suspend-pci-devs-detached",
        &format!("{DISK} {}\n../x y\n{DISK}\n", elsewhere.display()),
    );
    machine.write("run/qubes-suspend-modules-loaded", "-r\n");
    let finished = machine.run(&["post"]);
    finished.assert_code(1);
    assert_eq!(
        finished.stderr().lines().count(),
        4,
        "{}",
        finished.stderr()
    );
    finished.assert_says("this line of /run/qubes-suspend-pci-devs-detached is not understood");
    assert_eq!(fs::read_to_string(elsewhere.join("bind")).unwrap(), "");
    assert_eq!(machine.notes(), NONE);
    machine.run(&["post"]).assert_code(0);
}

fn what_could_not_come_back_is_tried_again() {
    let machine = Machine::new();
    machine.write("run/qubes-suspend-modules-loaded", "first\nsecond\n");
    machine.stand_in("modprobe", 1);
    machine.run(&["post"]).assert_code(1);
    assert_eq!(state(&machine, "modules-loaded"), ["first", "second"]);
    machine.stand_in("modprobe", 0);
    machine.run(&["post"]).assert_code(0);
    assert_eq!(state(&machine, "modules-loaded"), NONE);
}

fn a_note_is_kept_while_its_driver_is_missing() {
    let machine = with_devices();
    machine.run(&["pre"]).assert_code(0);
    assert_eq!(machine.asked(2).len(), 2);
    let noted = state(&machine, "pci-devs-detached");
    // Its module is not loaded yet.
    let driver = machine.path("sys/bus/pci/drivers/ahci");
    fs::rename(&driver, machine.path("away")).unwrap();
    let finished = machine.run(&["post"]);
    finished.assert_code(1);
    finished.assert_says(&format!(
        "cannot give the device {DISK} back to its driver: there is no driver "
    ));
    assert_eq!(state(&machine, "pci-devs-detached"), noted);
    fs::rename(machine.path("away"), &driver).unwrap();
    machine.run(&["post"]).assert_code(0);
    assert_eq!(
        machine.asked(2),
        [format!("bind {DISK}"), format!("bind {WIFI}")]
    );
    assert_eq!(state(&machine, "pci-devs-detached"), NONE);
}

fn network_manager_sleeps_over_the_bus() {
    let machine = Machine::new();
    machine.write("run/qubes-service/network-manager", "");
    let bus = Bus::new();
    let manager = FakeNetworkManager::new(&bus);
    for (word, is_asleep) in [("pre", true), ("post", false)] {
        let mut command = machine.command(&[word]);
        bus.prepare_as_system(&mut command);
        run(command).assert_code(0);
        assert_eq!(manager.told(), [is_asleep]);
    }
    assert_eq!(machine.notes(), NONE);
    // Where the qube does not have it, nobody asks for it.
    fs::remove_file(machine.path("run/qubes-service/network-manager")).unwrap();
    let mut command = machine.command(&["pre"]);
    bus.prepare_as_system(&mut command);
    run(command).assert_code(0);
    assert_eq!(manager.told(), [false; 0]);
}

fn network_manager_is_stopped_without_a_bus() {
    let machine = Machine::new();
    machine.write("run/qubes-service/network-manager", "");
    machine.run(&["pre"]).assert_code(0);
    machine.run(&["post"]).assert_code(0);
    assert_eq!(
        machine.notes(),
        [
            "systemctl stop NetworkManager.service",
            "systemctl start NetworkManager.service"
        ]
    );
    machine.stand_in("systemctl", 5);
    let finished = machine.run(&["pre"]);
    finished.assert_code(1);
    finished.assert_says("cannot stop NetworkManager: the bus says ");
}

fn a_small_qube_makes_room() {
    let machine = Machine::new();
    for file in ["compact_memory", "drop_caches"] {
        machine.write(&format!("proc/sys/vm/{file}"), "");
    }
    machine.run(&["post"]).assert_code(0);
    assert_eq!(machine.text("proc/sys/vm/drop_caches"), "");
    machine.write("run/qubes-service/minimal-netvm", "");
    machine.write("proc/meminfo", "MemAvailable: 4096 kB\nSwapFree: 0 kB\n");
    machine.run(&["post"]).assert_code(0);
    assert_eq!(machine.text("proc/sys/vm/compact_memory"), "1");
    assert_eq!(machine.text("proc/sys/vm/drop_caches"), "3");
}

fn without_memory_the_rest_is_done() {
    let machine = Machine::new();
    for file in ["compact_memory", "drop_caches"] {
        machine.write(&format!("proc/sys/vm/{file}"), "");
    }
    machine.write("run/qubes-service/minimal-netvm", "");
    machine.write("proc/meminfo", "MemAvailable: 4194304 kB\n");
    machine.write("run/qubes-suspend-modules-loaded", "wifi\n");
    let command = machine.command(&["post"]);
    let mut limited = Command::new("/bin/sh");
    limited
        .args(["-c", "ulimit -v 400000 && exec \"$@\"", "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .env("PATH", machine.path("stand-ins"));
    let finished = run(limited);
    finished.assert_code(1);
    finished.assert_says(
        "cannot push what is not used to the swap space: there are no 536870912 bytes of memory",
    );
    assert_eq!(finished.stderr().lines().count(), 1);
    assert_eq!(machine.text("proc/sys/vm/drop_caches"), "3");
    assert_eq!(machine.notes(), ["modprobe wifi"]);
}

fn scripts_run_in_order_and_a_failed_one_is_named() {
    let machine = Machine::new();
    let log = machine.path("log");
    for (name, status) in [("20-b.sh", 0), ("10-a.sh", 7), ("30-c.sh", 0)] {
        let text = format!(
            "echo {name} >>'{}'; echo chatter; exit {status}",
            log.display()
        );
        machine.add_script(&format!("etc/qubes/suspend-pre.d/{name}"), &text);
    }
    machine.write(
        "etc/qubes/suspend-pre.d/15-not-executable.sh",
        "#!/bin/sh\nexit 9\n",
    );
    machine.add_script("etc/qubes/suspend-pre.d/.hidden.sh", "exit 9");
    machine.add_script("etc/qubes/suspend-pre.d/16-other", "exit 9");
    let finished = machine.run(&["pre-all"]);
    finished.assert_code(1);
    assert_eq!(finished.stdout, b"");
    finished.assert_says("suspend-pre.d/10-a.sh\": it ended: exit status: 7");
    assert_eq!(machine.text("log"), "10-a.sh\n20-b.sh\n30-c.sh\n");
    assert_eq!(finished.stderr().matches("qubes-suspend: ").count(), 1);
    // The other folder is not there.
    machine.run(&["post-all"]).assert_code(0);
}

fn a_script_that_takes_too_long_is_killed() {
    let machine = Machine::new();
    machine.add_script(
        "etc/qubes/suspend-post.d/10-a.sh",
        "tail -f /dev/null & wait",
    );
    machine.add_script("etc/qubes/suspend-post.d/20-b.sh", "exit 0");
    let finished = machine.run(&["--timeout", "1s", "post-all"]);
    finished.assert_code(1);
    finished.assert_says("10-a.sh\": it took too long and was killed");
    finished.assert_says("20-b.sh\": the time limit of 1 s was reached");
}
