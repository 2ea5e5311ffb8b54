//! qubes.DetachPciDevice, on a made-up tree of the kernel. No real device is touched.

use std::fs;
use std::io::Write as _;
use std::process::Command;

use qfile_tests::process::{Finished, run};
use qfile_tests::programs::program;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::suite;
use qfile_tests::suspend::Machine;

suite! {
    a_device_is_taken_from_its_driver,
    a_device_without_a_driver_is_left_as_it_is,
    a_device_that_is_not_there_is_told,
    whatever_is_no_address_is_refused,
    a_driver_that_keeps_its_device_is_told,
    a_driver_that_hangs_is_not_waited_for,
    an_address_that_does_not_end_is_refused,
    the_service_has_no_argument,
}

const DISK: &str = "0000:00:07.0";

fn detach(machine: &Machine, input: &str) -> Finished {
    detach_within(machine, input, "30s")
}

fn detach_within(machine: &Machine, input: &str, time: &str) -> Finished {
    let mut command = Command::new("/bin/sh");
    command
        .args([
            "-c",
            "input=$1; shift; printf %s \"$input\" | \"$@\"",
            "sh",
            input,
        ])
        .arg(program("qubes-detach-pci-device"))
        .arg("--root")
        .arg(machine.root())
        .args(["--timeout", time]);
    let finished = run(command);
    assert_eq!(finished.stdout, b"");
    finished
}

fn with_disk() -> Machine {
    let machine = Machine::new();
    machine.add_device(DISK, "0x8086", "0x8086", "0x010601", "ahci");
    machine
}

fn a_device_is_taken_from_its_driver() {
    for input in ["00:07.0", "0000:00:07.0\n"] {
        let machine = with_disk();
        machine.serve("ahci");
        detach(&machine, input).assert_code(0);
        assert_eq!(machine.asked(1), [format!("unbind {DISK}")]);
        assert!(!machine.is_bound(DISK));
    }
}

fn a_device_without_a_driver_is_left_as_it_is() {
    let machine = with_disk();
    fs::remove_file(machine.path(&format!("sys/bus/pci/devices/{DISK}/driver"))).unwrap();
    let finished = detach(&machine, "00:07.0");
    finished.assert_code(0);
    assert_eq!(finished.stderr(), "");
}

fn a_device_that_is_not_there_is_told() {
    let finished = detach(&with_disk(), "00:08.0");
    finished.assert_code(1);
    finished.assert_says(
        "qubes-detach-pci-device: cannot take the device 0000:00:08.0 from its driver: there is no such device",
    );
}

fn whatever_is_no_address_is_refused() {
    let machine = with_disk();
    machine.serve("ahci");
    let long = "0".repeat(5000);
    for input in [
        "",
        "\n",
        "00:07.8",
        "00:27.0",
        "../../x",
        "0000:00:07.0/../x",
        "0001:0000:00:07.0",
        "00:07.0 00:08.0",
        "00:07.0\n\n",
        "00:07.0\n00:08.0",
        "00:0A.0",
        "\x1b[2J.0",
        &long,
    ] {
        let finished = detach(&machine, input);
        finished.assert_code(1);
        finished.assert_says("qubes-detach-pci-device: cannot detach a device: ");
        assert!(!finished.stderr.contains(&0x1b));
    }
    assert!(machine.is_bound(DISK));
    assert_eq!(machine.asked(0), [""; 0]);
}

fn a_driver_that_keeps_its_device_is_told() {
    let machine = with_disk();
    // What cannot be written to stands for a kernel that refuses.
    fs::create_dir(machine.path("sys/bus/pci/drivers/ahci/unbind")).unwrap();
    let finished = detach(&machine, "00:07.0");
    finished.assert_code(1);
    finished.assert_says("cannot take the device 0000:00:07.0 from its driver: Is a directory");
}

fn a_driver_that_hangs_is_not_waited_for() {
    let machine = with_disk();
    // Nobody answers there.
    qfile_tests::fifo::make(&machine.path("sys/bus/pci/drivers/ahci/unbind"));
    let finished = detach_within(&machine, "00:07.0", "1s");
    finished.assert_code(1);
    finished.assert_says(
        "cannot take the device 0000:00:07.0 from its driver: the driver has not let it go within 1 s",
    );
}

fn an_address_that_does_not_end_is_refused() {
    let machine = with_disk();
    machine.serve("ahci");
    let fifo = machine.path("fifo");
    let mut held = qfile_tests::fifo::held(&fifo);
    held.write_all(b"00:07.0").unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec \"$@\" <\"$0\""])
        .arg(&fifo)
        .arg(program("qubes-detach-pci-device"))
        .args(["--timeout", "1ms", "--root"])
        .arg(machine.root());
    let finished = run(command);
    finished.assert_code(1);
    finished.assert_says(
        "cannot read the address of the device from stdin: it has not arrived completely within 0 s",
    );
    assert!(machine.is_bound(DISK));
}

fn the_service_has_no_argument() {
    let qubes = Qubes::new();
    for service in [
        "DetachPciDevice",
        "SuspendPre",
        "SuspendPost",
        "SuspendPreAll",
        "SuspendPostAll",
    ] {
        let mut command = qubes.command(SOURCE, "qrexec-loopback");
        command.args([TARGET, &format!("qubes.{service}+x")]);
        let finished = run(command);
        finished.assert_code(2);
        finished.assert_says("the service has no argument");
    }
}
