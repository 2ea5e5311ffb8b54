//! What the document shows is what comes.

use std::fs;
use std::process::Command;

use qfile_tests::process::run;
use qfile_tests::programs::{rpc_folder, source};
use qfile_tests::ssh::needs_sshd;
use qfile_tests::suite;
use qfile_tests::tree::TempFolder;
use qfile_tests::user::{
    Installed, ORDINARY, am_root, as_ordinary, give_home, in_private_mounts, install,
};

suite! {
    its_session_is_what_comes_today [needs_sshd],
}

fn its_session_is_what_comes_today() {
    let place = TempFolder::open_to_all();
    let programs = Installed::new(&[
        "qvm-copy",
        "qvm-open-in-vm",
        "qfile-agent",
        "qfile-unpacker",
        "qubes-filecopy",
        "vm-file-editor",
        "qrexec-ssh",
        "qrexec-ssh-serve",
    ]);
    let services = place.folder("rpc");
    fs::set_permissions(
        &services,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    for service in ["qubes.Filecopy", "qubes.OpenInVM"] {
        install(&rpc_folder().join(service), &services.join(service), 0o755);
    }
    let script = place.path().join("session");
    install(&source("dev/scripts/remote-session"), &script, 0o755);
    let session = || {
        let mut session = Command::new("sh");
        session.arg(&script).arg(programs.folder()).arg(&services);
        if am_root() {
            give_home(ORDINARY, &place.folder("home"), place.path());
            as_ordinary(&mut session);
        }
        run(session)
    };
    let recorded = match am_root() {
        true => in_private_mounts(session),
        false => session(),
    };
    recorded.assert_code(0);
    let today = String::from_utf8(recorded.stdout).unwrap();

    let document = fs::read_to_string(source("docs/remote.md")).unwrap();
    let (_, shown) = document.split_once("```console\n").unwrap();
    let (shown, _) = shown.split_once("```\n").unwrap();
    assert!(
        shown == today,
        "docs/remote.md has another session than dev/scripts/remote-session, which is:\n{today}"
    );
}
