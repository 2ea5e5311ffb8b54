//! Who clicks on a menu sees no stderr: a failure to start is shown on the desktop. The bus is a
//! real `dbus-daemon`, the notification service a fake of the test's own.

use std::process::Stdio;

use qfile_tests::applications::Applications;
use qfile_tests::bus::{Bus, FakeNotifications};
use qfile_tests::cannot_run::needs_program;
use qfile_tests::process::{Running, run};
use qfile_tests::qubesdb::Place;
use qfile_tests::suite;
use qfile_tests::windows::Windows;

suite! {
    a_failure_is_a_notification_too [needs_bus],
    markup_in_a_name_is_plain_text [needs_bus],
    without_a_notification_service_it_is_a_window,
    a_disposable_stays_until_the_message_is_closed [needs_bus],
    what_was_started_needs_no_message [needs_bus],
}

fn needs_bus() -> Result<(), String> {
    needs_program("dbus-daemon")
}

fn a_failure_is_a_notification_too() {
    let (applications, bus) = (Applications::new(), Bus::new());
    let fake = FakeNotifications::new(&bus, false);
    applications.add("user/gone.desktop", "Exec=no-such-program");
    let mut command = applications.starting("gone");
    bus.prepare(&mut command);
    let finished = run(command);
    finished.assert_code(1);
    let shown = fake.shown();
    assert_eq!(shown.title, "Cannot start \"gone\"");
    for part in [
        "user/applications/gone.desktop",
        "the program \"no-such-program\"",
        "install it",
    ] {
        assert!(shown.text.contains(part), "{}", shown.text);
        finished.assert_says(part);
    }
}

fn markup_in_a_name_is_plain_text() {
    let applications = Applications::new();
    for (knows_markup, expected) in [
        (true, "cannot start \"&lt;b&gt;&amp;\": "),
        (false, "cannot start \"<b>&\": "),
    ] {
        let bus = Bus::new();
        let fake = FakeNotifications::new(&bus, knows_markup);
        let mut command = applications.starting("<b>&");
        bus.prepare(&mut command);
        run(command).assert_code(1);
        let text = fake.shown().text;
        assert!(text.starts_with(expected), "{text}");
    }
}

fn without_a_notification_service_it_is_a_window() {
    let (applications, windows) = (Applications::new(), Windows::new());
    let mut command = applications.starting("none");
    windows.prepare(&mut command);
    run(command).assert_code(1);
    let told = windows.told("zenity--error");
    assert!(told.contains("--title=Cannot start \"none\"\n"), "{told}");
    assert!(told.contains("no desktop file of this name"), "{told}");
}

fn a_disposable_stays_until_the_message_is_closed() {
    let (applications, bus, qubesdb) = (Applications::new(), Bus::new(), Place::new());
    let _daemon = qubesdb.alone();
    qubesdb
        .run("write", &["/qubes-vm-persistence", "none"])
        .assert_code(0);
    let fake = FakeNotifications::new(&bus, false);
    let mut command = applications.starting("none");
    bus.prepare(&mut command);
    command.env("QUBESDB_DIR", qubesdb.sockets("qube"));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut starting = Running::start(command);
    let _shown = fake.shown();
    assert!(
        starting.child.try_wait().unwrap().is_none(),
        "it did not wait"
    );
    // The answer to the call and the signal come over one connection, in this order.
    fake.close();
    starting.finish().assert_code(1);
}

fn what_was_started_needs_no_message() {
    let (applications, bus) = (Applications::new(), Bus::new());
    let fake = FakeNotifications::new(&bus, false);
    for (id, lines) in [
        ("fails", "Exec=sh -c \"exit 3\""),
        ("gone", "Exec=no-such-program"),
    ] {
        applications.add(&format!("user/{id}.desktop"), lines);
        let mut command = applications.starting(id);
        bus.prepare(&mut command);
        let _status = run(command);
    }
    // The first message is of the second one.
    assert_eq!(fake.shown().title, "Cannot start \"gone\"");
}
