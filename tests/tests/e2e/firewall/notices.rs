//! What the user is told when a qube is blocked.
//!
//! There is no session whose bus could be spoken to, so a script stands in for `notify-send`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use qfile_tests::fifo;
use qfile_tests::firewall::{CLIENT, Database, OTHER, Qube};
use qfile_tests::network::needs_networks;
use qfile_tests::tree::TempFolder;
use qfile_tests::user::{
    ORDINARY, give_home, in_private_mounts, mount_tmpfs, needs_private_mounts,
};

qfile_tests::suite! {
    the_user_is_told_once_that_a_qube_is_blocked [needs_networks, needs_private_mounts],
}

/// Nobody waits that long when all is well.
const HANGS_AFTER: Duration = Duration::from_secs(30);

fn the_user_is_told_once_that_a_qube_is_blocked() {
    let folder = TempFolder::open_to_all();
    in_private_mounts(|| {
        // The user of /default-user, whose programs are found in this folder first.
        give_home(ORDINARY, folder.path(), folder.path());
        mount_tmpfs(Path::new("/usr/local/bin"), 1 << 20, ",mode=755");
        let noted = folder.path().join("noted");
        fifo::make(&noted);
        fs::set_permissions(&noted, fs::Permissions::from_mode(0o666)).unwrap();
        let script = Path::new("/usr/local/bin/notify-send");
        let text = format!(
            "#!/bin/sh\nfor last; do :; done\necho \"$(id -u) $HOME $# $last\" >'{}'\n",
            noted.display()
        );
        fs::write(script, text).unwrap();
        fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
        let mut database = Database::new();
        database.write("/default-user", b"someone");
        let mut qube = Qube::with(database, &[]);
        // Without entries nothing was asked for, so nobody need be told.
        qube.database.trigger(OTHER);
        qube.database
            .set_rules(CLIENT, "accept", &["action=accept <b>&</b>"]);
        // While it is blocked nothing more is shown, whatever the reason is.
        qube.database.trigger(CLIENT);
        qube.database
            .set_rules(CLIENT, "accept", &["action=second"]);
        qube.database.remove(&format!("/qubes-firewall/{CLIENT}/"));
        qube.database.trigger(CLIENT);
        qube.database.set_rules(CLIENT, "accept", &[]);
        qube.database.set_rules(CLIENT, "accept", &["action=third"]);
        qube.database.set_rules(OTHER, "nonsense", &[]);
        // Open for both, so that it never ends.
        let reader = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&noted)
            .unwrap();
        let (said, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(reader).lines() {
                // Nobody listens any more when the test has failed.
                let _unheard = said.send(line.unwrap());
            }
        });
        let who = format!(
            "{ORDINARY} {} 7 The qube with the address",
            folder.path().display()
        );
        for (address, reason) in [
            (CLIENT, "rule 0000, column 15: "),
            (CLIENT, "rule 0000, column 8: "),
            (OTHER, "policy"),
        ] {
            let line = lines.recv_timeout(HANGS_AFTER).unwrap();
            let begins = format!("{who} {address} is blocked: ");
            assert!(
                line.starts_with(&begins),
                "{begins:?} does not begin {line:?}"
            );
            assert!(line.contains(reason), "{reason:?} is not in {line:?}");
            // It may hold marks like those of HTML.
            assert!(!line.contains('<'), "{line:?}");
        }
    });
}
