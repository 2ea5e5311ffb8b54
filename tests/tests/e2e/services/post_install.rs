//! qubes.PostInstall, the script that it runs for dom0, and `qvm-features-request`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use qfile_tests::own_root::in_own_root;
use qfile_tests::process::{Finished, run};
use qfile_tests::programs::{program, rpc_folder, source};
use qfile_tests::qubesdb::Place;
use qfile_tests::suite;
use qfile_tests::tree::TempFolder;
use qfile_tests::user::{install, needs_private_mounts};

suite! {
    every_script_runs_and_those_that_fail_are_named [needs_private_mounts],
    without_scripts_there_is_nothing_to_do [needs_private_mounts],
    features_are_written_and_dom0_is_asked_to_read_them,
    without_commit_dom0_is_not_asked,
    a_feature_that_cannot_be_written_keeps_no_other_from_it,
    what_dom0_refuses_is_a_failure,
    a_template_reports_its_services_and_its_system [needs_private_mounts],
    a_qube_reports_what_it_keeps_and_a_disposable_nothing [needs_private_mounts],
}

const SCRIPTS: &str = "/etc/qubes/post-install.d";

fn script(folder: &Path, name: &str, content: &str, mode: u32) {
    fs::create_dir_all(folder).unwrap();
    let draft = folder.join("draft");
    fs::write(&draft, format!("#!/bin/sh\n{content}\n")).unwrap();
    install(&draft, &folder.join(name), mode);
    let _moved = fs::remove_file(draft);
}

fn every_script_runs_and_those_that_fail_are_named() {
    in_own_root(|| {
        let folder = Path::new(SCRIPTS);
        script(folder, "10-a.sh", "echo a; exit 3", 0o755);
        script(folder, "20-b c.sh", "echo b; kill -TERM $$", 0o755);
        script(folder, "30-c.sh", "echo c", 0o755);
        script(folder, "40-off.sh", "echo off", 0o644);
        script(folder, "50-other", "echo other", 0o755);
        fs::create_dir(folder.join("60-folder.sh")).unwrap();
        let finished = run(Command::new(rpc_folder().join("qubes.PostInstall")));
        finished.assert_code(1);
        assert_eq!(finished.stdout, b"a\nb\nc\n");
        finished.assert_says(&format!("{SCRIPTS}/10-a.sh failed with status 3\n"));
        finished.assert_says(&format!("{SCRIPTS}/20-b c.sh failed with status 143\n"));
        assert!(!finished.stderr().contains("30-c"));
        for name in ["10-a.sh", "20-b c.sh"] {
            fs::remove_file(folder.join(name)).unwrap();
        }
        let finished = run(Command::new(rpc_folder().join("qubes.PostInstall")));
        finished.assert_code(0);
        assert_eq!(finished.stderr(), "");
    });
}

fn without_scripts_there_is_nothing_to_do() {
    in_own_root(|| {
        run(Command::new(rpc_folder().join("qubes.PostInstall"))).assert_code(0);
    });
}

/// A qube with a QubesDB, and a client of qrexec that writes down how it was called.
struct Qube {
    place: Place,
    bin: TempFolder,
}

impl Qube {
    fn new() -> Self {
        let bin = TempFolder::open_to_all();
        symlink(program("qubesdb-cmd"), bin.path().join("qubesdb-read")).unwrap();
        let qube = Self {
            place: Place::new(),
            bin,
        };
        qube.dom0_ends_with(0);
        let name = "qvm-features-request";
        symlink(program(name), qube.bin.path().join(name)).unwrap();
        qube
    }

    fn dom0_ends_with(&self, status: i32) {
        let calls = self.calls();
        let content = format!("echo \"$*\" >>'{}'; exit {status}", calls.display());
        script(self.bin.path(), "client", &content, 0o755);
    }

    fn calls(&self) -> PathBuf {
        self.bin.path().join("calls")
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> Finished {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("QUBESDB_DIR", self.place.sockets("qube"))
            .env("QREXEC_CLIENT_VM", self.bin.path().join("client"))
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.bin.path().display()),
            );
        run(command)
    }

    fn request(&self, arguments: &[&str]) -> Finished {
        self.run(&program("qvm-features-request"), arguments)
    }

    /// What dom0 would read.
    fn features(&self) -> String {
        let listed = self.place.run("multiread", &["/features-request/"]);
        String::from_utf8(listed.stdout).unwrap()
    }
}

fn features_are_written_and_dom0_is_asked_to_read_them() {
    let qube = Qube::new();
    let _daemon = qube.place.alone();
    let finished = qube.request(&["--commit", "os=Linux", "gui=", "x.y-z=a=b"]);
    finished.assert_code(0);
    assert_eq!(qube.features(), "gui = \nos = Linux\nx.y-z = a=b\n");
    let calls = fs::read_to_string(qube.calls()).unwrap();
    assert_eq!(calls, "-- dom0 qubes.FeaturesRequest\n");
}

fn without_commit_dom0_is_not_asked() {
    let qube = Qube::new();
    let _daemon = qube.place.alone();
    qube.request(&["os=Linux"]).assert_code(0);
    assert!(!qube.calls().exists());
    qube.request(&["--commit"]).assert_code(0);
    assert!(qube.calls().exists());
}

fn a_feature_that_cannot_be_written_keeps_no_other_from_it() {
    let qube = Qube::new();
    let _daemon = qube.place.alone();
    let (fits, too_long) = ("a".repeat(45), "b".repeat(46));
    let finished = qube.request(&[
        "--commit",
        &format!("{too_long}=1"),
        "bad name=1",
        &format!("{fits}=1"),
    ]);
    finished.assert_code(1);
    finished.assert_says(&format!(
        "\"{too_long}\" is left out: a path has at most 63 bytes"
    ));
    finished.assert_says("\"bad name\" is left out");
    assert_eq!(qube.features(), format!("{fits} = 1\n"));
    assert!(qube.calls().exists());
}

fn what_dom0_refuses_is_a_failure() {
    let qube = Qube::new();
    qube.request(&["os=Linux"]).assert_code(1);
    let _daemon = qube.place.alone();
    qube.dom0_ends_with(126);
    let finished = qube.request(&["--commit", "os=Linux"]);
    finished.assert_code(1);
    finished.assert_says("cannot call qubes.FeaturesRequest in dom0: refused");
    for wrong in [&[][..], &["os"], &["=x"], &["--no-such-option"]] {
        qube.request(wrong).assert_code(2);
    }
}

/// Runs the script where `services` are in `folder`.
fn report(persistence: &str, folder: &str) -> (Finished, String, bool) {
    let qube = Qube::new();
    let _daemon = qube.place.alone();
    let told = qube
        .place
        .run("write", &["/qubes-vm-persistence", persistence]);
    told.assert_code(0);
    let folder = Path::new(folder);
    let _its_own = fs::remove_dir_all(folder);
    let long = format!("acme.{}", "x".repeat(27));
    for name in [
        "qubes.VMExec",
        "acme.Tool+a",
        "acme.Tool+b",
        "odd name",
        &long,
    ] {
        script(folder, name, "", 0o755);
    }
    script(folder, "acme.Off", "", 0o644);
    fs::create_dir(folder.join("acme.Folder")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("acme.Socket")).unwrap();
    // It is a link into /usr, which is not of this root alone.
    let _was_there = fs::remove_file("/etc/os-release");
    fs::write(
        "/etc/os-release",
        "ID=debian\nVERSION_ID=\"13\"\nNAME='a $(touch /rw/x)'\n",
    )
    .unwrap();
    let finished = qube.run(&source("rpc/post-install.d/20-qfile-features.sh"), &[]);
    let features = qube.features();
    (finished, features, qube.calls().exists())
}

fn a_template_reports_its_services_and_its_system() {
    in_own_root(|| {
        let (finished, features, is_dom0_asked) = report("full", "/etc/qubes-rpc");
        finished.assert_code(0);
        assert_eq!(
            features,
            "os = Linux\nos-distribution = debian\nos-version = 13\n\
             supported-rpc.acme.Socket = 1\nsupported-rpc.acme.Tool = 1\n\
             supported-rpc.qubes.VMExec = 1\nvmexec = 1\n"
        );
        assert!(is_dom0_asked);
        finished.assert_says("dom0 is not told of the service acme.xxxx");
        assert!(!Path::new("/rw/x").exists());
    });
}

fn a_qube_reports_what_it_keeps_and_a_disposable_nothing() {
    in_own_root(|| {
        let (finished, features, is_dom0_asked) = report("none", "/etc/qubes-rpc");
        finished.assert_code(0);
        assert_eq!((&*features, is_dom0_asked), ("", false));
        // The services of the template are the template's to report.
        let (finished, features, is_dom0_asked) = report("rw-only", "/etc/qubes-rpc");
        finished.assert_code(0);
        assert!(!features.contains("supported-rpc"), "{features}");
        assert!(features.contains("os = Linux\n") && is_dom0_asked);
    });
}
