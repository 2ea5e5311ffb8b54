//! Applications that are started by the session bus. The bus is a real `dbus-daemon`; the
//! application on it is a fake of the test's own.

use std::process::Stdio;

use qfile_tests::applications::Applications;
use qfile_tests::bus::{Bus, FakeApplication};
use qfile_tests::cannot_run::needs_program;
use qfile_tests::fifo;
use qfile_tests::process::{Running, run};
use qfile_tests::qubesdb::Place;
use qfile_tests::suite;

suite! {
    an_application_is_activated_and_the_end_of_its_name_awaited [needs_bus],
    the_bus_may_start_it_first [needs_bus],
    if_the_application_refuses_its_command_is_run [needs_bus],
    if_the_bus_cannot_start_it_its_command_is_run [needs_bus],
    without_a_bus_its_command_is_run,
    without_a_command_the_refusal_is_a_failure,
    what_opens_documents_in_disposables_is_not_left_to_the_bus [needs_bus],
}

fn needs_bus() -> Result<(), String> {
    ["dbus-daemon", "dbus-send"]
        .into_iter()
        .try_for_each(needs_program)
}

const ID: &str = "org.example.Text-Editor";
const PATH: &str = "/org/example/Text_Editor";

fn applications() -> Applications {
    let applications = Applications::new();
    let file = format!("user/{ID}.desktop");
    applications.add(&file, "Exec=echo by its command\nDBusActivatable=true");
    applications
}

fn an_application_is_activated_and_the_end_of_its_name_awaited() {
    let (applications, bus) = (applications(), Bus::new());
    let fake = FakeApplication::new(&bus, ID, PATH, false);
    let mut command = applications.starting(ID);
    bus.prepare(&mut command);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut starting = Running::start(command);
    assert_eq!(fake.activated(), 0, "no platform data");
    assert!(
        starting.child.try_wait().unwrap().is_none(),
        "it did not wait"
    );
    drop(fake);
    let finished = starting.finish();
    finished.assert_code(0);
    assert_eq!(finished.stderr(), "");
}

fn the_bus_may_start_it_first() {
    let (applications, bus) = (applications(), Bus::new());
    let asked = applications.path("asked");
    fifo::make(&asked);
    // The process that the bus starts only tells; the fake comes from the test.
    bus.starts(
        ID,
        &format!("echo >{}; read _ <{}", asked.display(), asked.display()),
    );
    let mut command = applications.starting(ID);
    bus.prepare(&mut command);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let starting = Running::start(command);
    let told = fifo::once_it_is_written(&asked);
    let fake = FakeApplication::new(&bus, ID, PATH, false);
    fake.activated();
    drop(fake);
    starting.finish().assert_code(0);
    drop(told);
}

#[track_caller]
fn assert_run_by_its_command(applications: &Applications, bus: Option<&Bus>) {
    let mut command = applications.starting(ID);
    if let Some(bus) = bus {
        bus.prepare(&mut command);
    }
    let finished = run(command);
    finished.assert_code(0);
    assert_eq!(finished.stdout, b"by its command\n");
}

fn if_the_application_refuses_its_command_is_run() {
    let bus = Bus::new();
    let fake = FakeApplication::new(&bus, ID, PATH, true);
    assert_run_by_its_command(&applications(), Some(&bus));
    fake.activated();
    // An object at another path is none.
    drop(fake);
    let _fake = FakeApplication::new(&bus, ID, "/elsewhere", false);
    assert_run_by_its_command(&applications(), Some(&bus));
}

fn if_the_bus_cannot_start_it_its_command_is_run() {
    let bus = Bus::new();
    assert_run_by_its_command(&applications(), Some(&bus));
    bus.starts(ID, "exit 1");
    assert_run_by_its_command(&applications(), Some(&bus));
}

fn without_a_bus_its_command_is_run() {
    assert_run_by_its_command(&applications(), None);
}

fn without_a_command_the_refusal_is_a_failure() {
    let applications = Applications::new();
    for id in [ID, "no-bus-name"] {
        applications.add(&format!("user/{id}.desktop"), "DBusActivatable=true");
        let finished = applications.start(id);
        finished.assert_code(1);
        finished.assert_says("the session bus: ");
    }
}

/// What the bus starts has the environment of the bus.
fn what_opens_documents_in_disposables_is_not_left_to_the_bus() {
    let (applications, bus, qubesdb) = (applications(), Bus::new(), Place::new());
    let _daemon = qubesdb.alone();
    let key = format!("/qubes-service/app-dispvm.{ID}");
    qubesdb.run("write", &[&key, "1"]).assert_code(0);
    let _fake = FakeApplication::new(&bus, ID, PATH, false);
    let mut command = applications.starting(ID);
    bus.prepare(&mut command);
    command.env("QUBESDB_DIR", qubesdb.sockets("qube"));
    let finished = run(command);
    finished.assert_code(0);
    assert_eq!(finished.stdout, b"by its command\n");
}
