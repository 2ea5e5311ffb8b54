//! Each local qube has a QubesDB of its own while it is called or calls.

use qfile_tests::process::run;
use qfile_tests::programs::program;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::suite;

suite! {
    a_service_reads_what_a_qube_is_told,
    a_disposable_keeps_nothing,
    the_local_program_has_that_of_its_own_qube,
    calls_at_the_same_time_share_it_and_it_ends_with_the_last,
}

fn read(key: &str) -> String {
    format!("exec {} -c read {key}", program("qubesdb-cmd").display())
}

fn call(qubes: &Qubes, arguments: &[&str]) -> String {
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    command.args(arguments);
    let finished = run(command);
    finished.assert_code(0);
    String::from_utf8(finished.stdout).unwrap()
}

fn a_service_reads_what_a_qube_is_told() {
    let qubes = Qubes::new();
    for (key, value) in [("/name", TARGET), ("/qubes-vm-persistence", "rw-only")] {
        qubes.set_service(TARGET, "test.Read", &read(key));
        assert_eq!(call(&qubes, &[TARGET, "test.Read"]), format!("{value}\n"));
    }
}

fn a_disposable_keeps_nothing() {
    let qubes = Qubes::new();
    qubes.add("default-dvm");
    qubes.set_service("default-dvm", "test.Read", &read("/qubes-vm-persistence"));
    assert_eq!(call(&qubes, &["@dispvm", "test.Read"]), "none\n");
}

fn the_local_program_has_that_of_its_own_qube() {
    let qubes = Qubes::new();
    qubes.set_service(TARGET, "test.Echo", "exec cat");
    let result = qubes.root().join("result");
    let script = format!(
        "{} -c read /name >{}; exec 0<&- 1>&-",
        program("qubesdb-cmd").display(),
        result.display()
    );
    call(&qubes, &[TARGET, "test.Echo", "/bin/sh", "-c", &script]);
    assert_eq!(
        std::fs::read_to_string(result).unwrap(),
        format!("{SOURCE}\n")
    );
}

fn calls_at_the_same_time_share_it_and_it_ends_with_the_last() {
    let qubes = Qubes::new();
    let cmd = program("qubesdb-cmd");
    let cmd = cmd.display();
    qubes.set_service(
        TARGET,
        "test.Write",
        &format!("exec {cmd} -c write /shared seen"),
    );
    qubes.set_service(
        TARGET,
        "test.Wait",
        &format!("exec {cmd} -c read -w /shared"),
    );
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| call(&qubes, &[TARGET, "test.Wait"]));
        while !waiting.is_finished() {
            call(&qubes, &[TARGET, "test.Write"]);
        }
        assert_eq!(waiting.join().unwrap(), "seen\n");
    });
    qubes.set_service(
        TARGET,
        "test.Read",
        &format!("exec {cmd} -c read -e gone /shared"),
    );
    // The next daemon begins anew, as soon as the last one has seen its end.
    while call(&qubes, &[TARGET, "test.Read"]) != "gone\n" {}
}
