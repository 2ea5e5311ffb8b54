//! A made-up sysfs: this machine may have no USB.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

/// A folder like that of a device in sysfs.
fn device(version: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("version", version),
        ("idVendor", "0a5c\n"),
        ("idProduct", "21e8\n"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

const EVENT: [(&str, &str); 8] = [
    ("DEVPATH", "/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1.4"),
    ("DEVTYPE", "usb_device"),
    ("TYPE", "0/0/0"),
    ("ID_VENDOR", "Maker"),
    ("ID_VENDOR_ENC", "Maker\\x20Inc"),
    ("ID_MODEL_ENC", "Stick"),
    ("ID_SERIAL_SHORT", "42"),
    ("ID_USB_INTERFACES", ":080650:"),
];

fn event(changed: &[(&str, &str)]) -> Properties {
    let mut properties = Properties::default();
    for (name, value) in EVENT.iter().chain(changed) {
        properties.set(name, value.as_bytes());
    }
    properties
}

fn published(changed: &[(&str, &str)]) -> Vec<String> {
    match judge(&event(changed), device(" 2.10\n").path()) {
        Verdict::Publish(entry) => entry.into_iter().map(|(_, value)| value).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_device_is_described_by_four_fields() {
    let all = published(&[]);
    assert_eq!(all, ["0a5c:21e8 Maker\\x20Inc Stick 42", "2", ":080650:"]);
    let of_udev = published(&[("ID_VENDOR_ID", "1d6B"), ("ID_MODEL_ID", "0002")]);
    assert!(of_udev[0].starts_with("1d6b:0002 "), "{of_udev:?}");
}

#[test]
fn fields_may_be_empty_and_odd_and_there_are_four_of_them() {
    for (maker, model, serial, expected) in [
        ("", "", "", "0a5c:21e8   "),
        ("-n", "--", "-", "0a5c:21e8 -n -- -"),
        (
            "a b",
            "c\td",
            "e\u{e9}\u{1b}",
            "0a5c:21e8 a\\x20b c\\x09d e\\xc3\\xa9\\x1b",
        ),
    ] {
        let all = published(&[
            ("ID_VENDOR_ENC", maker),
            ("ID_MODEL_ENC", model),
            ("ID_SERIAL_SHORT", serial),
            ("ID_USB_INTERFACES", ""),
        ]);
        assert_eq!(all, [expected, "2", ""]);
    }
}

#[test]
fn hubs_interfaces_and_devices_of_other_qubes_are_ignored() {
    for (name, value) in [
        ("DEVTYPE", "usb_interface"),
        ("DEVTYPE", ""),
        ("TYPE", "9/0/1"),
        ("DEVPATH", "/devices/platform/vhci_hcd.0/usb3/3-1"),
    ] {
        let verdict = judge(&event(&[(name, value)]), device(" 2.00\n").path());
        assert_eq!(verdict, Verdict::Ignore, "{name}={value}");
    }
    for (name, value) in [("ID_VENDOR", "QEMU"), ("QUBES_EXPORT_USB_DEVICE", "0")] {
        let verdict = judge(&event(&[(name, value)]), device(" 2.00\n").path());
        assert_eq!(verdict, Verdict::Withdraw, "{name}={value}");
    }
}

#[test]
fn what_cannot_be_described_is_an_error() {
    let is_error = |changed: &[(&str, &str)], version: &str| {
        matches!(
            judge(&event(changed), device(version).path()),
            Verdict::Error(_)
        )
    };
    for version in ["", "\n", "0.00", "4.00", "x", "-2.0", "20"] {
        assert!(is_error(&[], version), "{version:?}");
    }
    for version in [" 1.10\n", "3.20", "2"] {
        assert!(!is_error(&[], version), "{version:?}");
    }
    for (name, value) in [
        ("ID_VENDOR_ID", "x"),
        ("ID_MODEL_ID", "-123"),
        ("ID_USB_INTERFACES", "08 06 50"),
        ("ID_USB_INTERFACES", ":0806:"),
    ] {
        assert!(is_error(&[(name, value)], " 2.00\n"), "{name}={value}");
    }
}

#[test]
fn a_device_has_the_name_that_dom0_knows() {
    for (name, id) in [
        ("2-1", "2-1"),
        ("2-1.4", "2-1_4"),
        ("10-12.3.4", "10-12_3_4"),
    ] {
        assert_eq!(BusId::parse(name.as_bytes()).unwrap().as_str(), id);
    }
    for bad in [
        "usb2", "2-1:1.0", "2-0:1.0", "2", "2-", "-1", "2-1.", "2-1..4", "2-1/x", "2-é", "",
    ] {
        assert_eq!(BusId::parse(bad.as_bytes()), None, "{bad}");
    }
    let of = |path: &str| bus_id_of(&event(&[("DEVPATH", path)]));
    assert_eq!(of("/devices/usb2/2-1").unwrap().unwrap().as_str(), "2-1");
    assert_eq!(of("/devices/usb2").unwrap(), None);
    assert!(of("").is_err());
    assert!(of("/devices/../../etc/2-1").is_err());
}

#[test]
fn whatever_hardware_says_is_four_words_of_ascii() {
    let folder = device("2.00");
    let bytes = || proptest::collection::vec(any::<u8>(), 0..30);
    let mut runner = TestRunner::default();
    let ended = runner.run(&[bytes(), bytes(), bytes()], |[maker, model, serial]| {
        let mut properties = event(&[]);
        properties.set("ID_VENDOR_ENC", &maker);
        properties.set("ID_MODEL_ENC", &model);
        properties.set("ID_SERIAL_SHORT", &serial);
        let entry = describe(&properties, folder.path()).unwrap();
        prop_assert_eq!(entry[0].1.split(' ').count(), 4);
        prop_assert!(entry[0].1.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        Ok(())
    });
    ended.unwrap();
}
