//! The commands of people, to another machine.

use std::fs;
use std::process::Command;
use std::thread;

use qfile_tests::process::run;
use qfile_tests::programs::folder;
use qfile_tests::ssh::{CALLER, FAR, Far, needs_sshd, with_far};
use qfile_tests::suite;
use qfile_tests::tree::Snapshot;
use qfile_tests::user::install;

suite! {
    a_folder_arrives_as_it_is [needs_sshd],
    a_move_deletes_what_arrived [needs_sshd],
    an_edit_comes_back [needs_sshd],
    a_command_runs_there [needs_sshd],
    a_refusal_of_the_policy_there_is_told_as_one [needs_sshd],
    a_refusal_of_the_receiver_reaches_a_sender_that_is_still_writing [needs_sshd],
    twenty_copies_at_once_arrive [needs_sshd],
    without_qrexec_the_commands_use_ssh [needs_sshd],
    a_machine_may_have_a_name_that_no_qube_has [needs_sshd],
    without_a_connection_nobody_looks_for_files_there [needs_sshd],
    a_name_for_which_the_policy_has_no_line_comes_with_that_line [needs_sshd],
}

fn command(far: &Far, name: &str, arguments: &[&str]) -> Command {
    let mut command = far.command(name);
    command.args(arguments);
    command
}

fn a_folder_arrives_as_it_is() {
    with_far(|far| {
        let folder = far.near().join("letters");
        fs::create_dir_all(folder.join("inner")).unwrap();
        fs::write(folder.join("inner/first"), vec![7; 300_000]).unwrap();
        fs::write(folder.join("second"), "").unwrap();
        std::os::unix::fs::symlink("inner/first", folder.join("link")).unwrap();
        run(command(far, "qvm-copy-to-vm", &[FAR, "letters"])).assert_code(0);
        let arrived = far.incoming().join("letters");
        assert_eq!(
            fs::read(arrived.join("inner/first")).unwrap(),
            vec![7; 300_000]
        );
        assert_eq!(
            fs::read_link(arrived.join("link")).unwrap().to_str(),
            Some("inner/first")
        );
        assert!(arrived.join("second").is_file());
    });
}

fn a_move_deletes_what_arrived() {
    with_far(|far| {
        fs::write(far.near().join("letter"), "Dear server\n").unwrap();
        run(command(far, "qvm-move-to-vm", &[FAR, "letter"])).assert_code(0);
        assert!(!far.near().join("letter").exists());
        let arrived = fs::read(far.incoming().join("letter")).unwrap();
        assert_eq!(arrived, b"Dear server\n");
    });
}

fn an_edit_comes_back() {
    with_far(|far| {
        let editor = far.root().join("editor");
        let draft = far.root().join("draft");
        fs::write(&draft, "#!/bin/sh\nexec sed -i s/Monday/Tuesday/ \"$1\"\n").unwrap();
        install(&draft, &editor, 0o755);
        far.set_environment(&format!("VM_FILE_EDITOR_OPENER={}", editor.display()));
        let letter = far.near().join("letter");
        fs::write(&letter, "on Monday\n").unwrap();
        run(command(far, "qvm-open-in-vm", &[FAR, "letter"])).assert_code(0);
        assert_eq!(fs::read(&letter).unwrap(), b"on Tuesday\n");
    });
}

fn without_a_connection_nobody_looks_for_files_there() {
    with_far(|far| {
        far.set_authorized_keys("");
        fs::write(far.near().join("letter"), "").unwrap();
        for name in ["qvm-copy-to-vm", "qvm-open-in-vm"] {
            let failed = run(command(far, name, &[FAR, "letter"]));
            failed.assert_code(1);
            failed.assert_says("was not made, or it broke");
            assert!(!failed.stderr().contains("qube is still running"));
        }
        let failed = run(command(far, "qvm-copy-to-vm", &[FAR, "letter"]));
        failed.assert_says("if there was a connection, remove any files that arrived");
    });
}

fn a_name_for_which_the_policy_has_no_line_comes_with_that_line() {
    with_far(|far| {
        let line = "qubes.Filecopy +allow-all-names NAME @default allow";
        let name = "\u{643}\u{62a}\u{628}.txt";
        fs::write(far.near().join(name), "x").unwrap();
        let source = CALLER;
        far.set_policy(&format!("qubes.Filecopy + {source} @default allow\n"));
        let refused = run(command(far, "qvm-copy-to-vm", &[FAR, name]));
        refused.assert_code(126);
        refused.assert_says(line);
        far.set_policy(&line.replace("NAME", source));
        run(command(far, "qvm-copy-to-vm", &[FAR, name])).assert_code(0);
    });
}

fn a_command_runs_there() {
    with_far(|far| {
        let ran = run(command(
            far,
            "qvm-run-vm",
            &[FAR, "sh", "-c", "pwd; exit 7"],
        ));
        ran.assert_code(7);
        let pwd = format!("{}\n", far.home().display());
        assert_eq!(String::from_utf8(ran.stdout).unwrap(), pwd);
    });
}

fn a_refusal_of_the_policy_there_is_told_as_one() {
    with_far(|far| {
        far.set_policy("qubes.Filecopy * other @default allow\n");
        fs::write(far.near().join("letter"), "Dear server\n").unwrap();
        let copied = run(command(far, "qvm-copy-to-vm", &[FAR, "letter"]));
        copied.assert_code(126);
        copied.assert_says("no line of the policy allows it");
        copied.assert_says("refused by qrexec-ssh, or by the policy of \"server\"");
        assert!(!copied.stderr().contains("dom0"), "{}", copied.stderr());
    });
}

/// The receiver refuses the first of many megabytes.
fn a_refusal_of_the_receiver_reaches_a_sender_that_is_still_writing() {
    with_far(|far| {
        let big = far.near().join("big");
        fs::File::create(&big).unwrap().set_len(50 << 20).unwrap();
        fs::write(far.near().join("small"), "new").unwrap();
        run(command(far, "qvm-copy-to-vm", &[FAR, "small"])).assert_code(0);
        let copied = run(command(far, "qvm-copy-to-vm", &[FAR, "small", "big"]));
        copied.assert_code(1);
        copied.assert_says("small");
        assert!(!far.incoming().join("big").exists());
    });
}

fn twenty_copies_at_once_arrive() {
    with_far(|far| {
        let content = |number: usize| format!("{number}\n").repeat(20_000);
        thread::scope(|scope| {
            for number in 0..20 {
                let name = format!("file{number}");
                fs::write(far.near().join(&name), content(number)).unwrap();
                let command = command(far, "qvm-copy-to-vm", &[FAR, &name]);
                scope.spawn(move || run(command).assert_code(0));
            }
        });
        for number in 0..20 {
            let arrived = fs::read_to_string(far.incoming().join(format!("file{number}")));
            assert!(arrived.unwrap() == content(number), "{number}");
        }
        assert_eq!(Snapshot::of(&far.incoming()).len(), 20);
    });
}

/// In a build tree, qrexec-ssh is beside the commands.
fn without_qrexec_the_commands_use_ssh() {
    if folder().join("qrexec-client-vm").exists() {
        return;
    }
    with_far(|far| {
        fs::write(far.near().join("letter"), "Dear server\n").unwrap();
        let mut command = command(far, "qvm-copy-to-vm", &[FAR, "letter"]);
        command.env_remove("QREXEC_CLIENT_VM");
        run(command).assert_code(0);
        assert!(far.incoming().join("letter").exists());
    });
}

fn a_machine_may_have_a_name_that_no_qube_has() {
    with_far(|far| {
        fs::write(far.near().join("letter"), "Dear server\n").unwrap();
        let name = "a-name-of-more-than-31-characters.server";
        run(command(far, "qvm-copy-to-vm", &[name, "letter"])).assert_code(0);
        assert!(far.incoming().join("letter").exists());
    });
}
