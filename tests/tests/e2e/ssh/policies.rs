//! The policy of a plain host: when in doubt, no.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

use qfile_tests::own_root::in_own_root;
use qfile_tests::suite;
use qfile_tests::user::{am_root, needs_private_mounts, needs_root};

use super::requests::Account;

suite! {
    without_a_line_nothing_is_allowed,
    ask_is_a_denial_that_says_so,
    the_first_match_wins_and_the_target_is_default,
    a_line_that_no_call_can_match_denies_everything,
    a_policy_folder_that_is_a_link_denies_everything,
    only_the_own_account_can_be_named,
    a_call_is_not_sent_to_a_qube,
    what_others_may_write_denies_everything,
    a_folder_above_that_others_may_write_to_denies_everything,
    a_folder_above_that_is_a_link_denies_everything,
    what_is_no_file_or_cannot_be_read_denies_everything,
    what_belongs_to_somebody_else_denies_everything [needs_root],
    the_settings_of_a_service_name_its_account [needs_private_mounts],
    a_service_for_root_is_not_run_as_another_account,
    the_policy_of_the_machine_comes_before_that_of_the_account [needs_private_mounts],
}

const FILE: &str = "home/.config/qfile/policy.d/30-test.policy";
const CALL: &str = "qrexec-v1 - allowed+";

#[track_caller]
fn assert_ends(account: &Account, status: i32, says: &str) {
    let called = account.call(&["--as", "laptop"], CALL);
    called.assert_code(status);
    called.assert_says(says);
    assert_eq!(account.ran("allowed").exists(), status == 0);
    let _gone = fs::remove_file(account.ran("allowed"));
}

fn assert_says(policy: &str, status: i32, says: &str) {
    assert_ends(&Account::new(policy), status, says);
}

/// From the home folder to the policy.
const FOLDERS: [&str; 4] = [
    "home",
    "home/.config",
    "home/.config/qfile",
    "home/.config/qfile/policy.d",
];

/// What a caller is told when the owner has to look.
const UNUSABLE: &str = "the policy cannot be used";

fn without_a_line_nothing_is_allowed() {
    for policy in ["", "# nothing\n", "other * * * allow\n", "* +x * * allow\n"] {
        assert_says(policy, 126, "no line of the policy allows it");
    }
    let account = Account::new("");
    fs::remove_dir_all(account.path("home/.config")).unwrap();
    assert_ends(&account, 126, "no line of the policy allows it");
}

fn ask_is_a_denial_that_says_so() {
    assert_says(
        "* * * * ask\n",
        126,
        "the policy says ask, and there is nobody to ask",
    );
    assert_says(
        "* * * * ask default_target=@default\n* * * * allow\n",
        126,
        "ask",
    );
}

fn the_first_match_wins_and_the_target_is_default() {
    assert_says("* * laptop @default allow\n* * * * deny\n", 0, "");
    assert_says("* * @anyvm @anyvm allow\n", 0, "");
    assert_says(
        "* * laptop @default deny\n* * * * allow\n",
        126,
        "the policy denies it",
    );
    for target in ["work", "@dispvm", "@adminvm", "@tag:x"] {
        assert_says(&format!("* * * {target} allow\n"), 126, UNUSABLE);
    }
}

fn a_line_that_no_call_can_match_denies_everything() {
    for line in [
        "svc+ * laptop @default deny",
        "svc * laptop work deny",
        "svc * @tag:x @default deny",
        "svc * @default @default deny",
        "svc +a/b laptop @default deny",
    ] {
        assert_says(&format!("{line}\n* * * * allow\n"), 126, UNUSABLE);
    }
}

fn a_policy_folder_that_is_a_link_denies_everything() {
    let account = Account::new("* * * * allow\n");
    let folder = account.path("home/.config/qfile/policy.d");
    let real = account.path("home/policy.d");
    fs::rename(&folder, &real).unwrap();
    symlink(&real, &folder).unwrap();
    assert_ends(&account, 126, UNUSABLE);
    fs::remove_dir_all(&real).unwrap();
    assert_ends(&account, 126, UNUSABLE);
}

fn only_the_own_account_can_be_named() {
    let uid = qfile_tests::user::my_uid().to_string();
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let name_of = |is_own: bool| {
        let mut entries = passwd.lines();
        let entry = entries.find(|line| (line.split(':').nth(2) == Some(&uid)) == is_own);
        entry.and_then(|entry| entry.split(':').next())
    };
    if let Some(name) = name_of(true) {
        assert_says(&format!("* * * * allow user={name}\n"), 0, "");
    }
    for other in name_of(false).into_iter().chain(["nobody-at-all", ""]) {
        let policy = format!("* * * * allow user={other}\n");
        assert_says(&policy, 126, "another account");
    }
}

fn a_call_is_not_sent_to_a_qube() {
    assert_says("* * * * allow target=work\n", 126, "this machine has none");
    assert_says("* * * * allow target=@default\n", 0, "");
}

fn what_others_may_write_denies_everything() {
    for (name, mode) in [
        (FILE, 0o664),
        (FILE, 0o646),
        ("home/.config/qfile/policy.d", 0o775),
        ("home/.config/qfile/policy.d", 0o757),
    ] {
        let account = Account::new("* * * * allow\n");
        fs::set_permissions(account.path(name), Permissions::from_mode(mode)).unwrap();
        assert_ends(&account, 126, UNUSABLE);
    }
}

/// Whoever may write to one of them can put another folder of policy there.
fn a_folder_above_that_others_may_write_to_denies_everything() {
    for folder in FOLDERS {
        for mode in [0o777, 0o775, 0o757] {
            let account = Account::new("* * * * allow\n");
            let set_mode = |mode| {
                let permissions = Permissions::from_mode(mode);
                fs::set_permissions(account.path(folder), permissions).unwrap();
            };
            set_mode(mode);
            assert_ends(&account, 126, UNUSABLE);
            set_mode(0o755);
            assert_ends(&account, 0, "");
        }
    }
    // Above the home folder is the folder for all temporary files.
    let account = Account::new("* * * * allow\n");
    fs::set_permissions(account.path(""), Permissions::from_mode(0o1777)).unwrap();
    assert_ends(&account, 0, "");
}

fn a_folder_above_that_is_a_link_denies_everything() {
    for folder in [".config", ".config/qfile"] {
        let account = Account::new("* * * * allow\n");
        let folder = account.path("home").join(folder);
        let received = account.path("home/received");
        fs::rename(&folder, &received).unwrap();
        symlink(&received, &folder).unwrap();
        assert_ends(&account, 126, UNUSABLE);
    }
}

fn the_settings_of_a_service_name_its_account() {
    in_own_root(|| {
        let account = Account::new("* * * * allow\n");
        let folder = "/etc/qubes/rpc-config";
        fs::create_dir_all(folder).unwrap();
        let set = |name: &str, text: &[u8]| fs::write(format!("{folder}/{name}"), text).unwrap();
        for (text, status, says) in [
            (&b"force-user='root'\n"[..], 0, ""),
            (b"wait-for-session=1\n", 0, ""),
            (b"", 0, ""),
            (
                b"force-user='nobody'\n",
                126,
                "its settings want it to run as another account",
            ),
            (b"force-user=''\n", 126, "another account"),
            (b"force-user='no such account'\n", 126, "another account"),
            (b"force-user=root\n", 125, "its settings cannot be used"),
            (
                b"force-user='root'\nforce-user='root'\n",
                125,
                "its settings cannot be used",
            ),
            (b"# \xFF\n", 125, "its settings cannot be used"),
        ] {
            set("allowed", text);
            assert_ends(&account, status, says);
        }
        // Those of the argument come first.
        set("allowed+", b"wait-for-session=1\n");
        assert_ends(&account, 0, "");
        set("allowed", b"wait-for-session=1\n");
        set("allowed+", b"force-user='nobody'\n");
        assert_ends(&account, 126, "another account");
    });
}

/// The settings are those of the build.
fn a_service_for_root_is_not_run_as_another_account() {
    let account = Account::new("* * * * allow\n");
    account.add_service("qubes.VMRootExec", "exit 0");
    let called = account.call(&["--as", "laptop"], "qrexec-v1 - qubes.VMRootExec+id");
    called.assert_code(if am_root() { 0 } else { 126 });
}

fn what_is_no_file_or_cannot_be_read_denies_everything() {
    for line in [
        "!include other",
        "* * *",
        "* * * * maybe",
        "* * * * allow colour=red",
        "* * * * allow user=root user=nobody",
        "* * * * allow user=nobody user=root",
        "* * * * allow target=@default target=@default",
    ] {
        assert_says(&format!("* * * * allow\n{line}\n"), 126, UNUSABLE);
    }
    let account = Account::new("* * * * allow\n");
    symlink(
        "30-test.policy",
        account.path(FILE).with_file_name("60.policy"),
    )
    .unwrap();
    assert_ends(&account, 126, UNUSABLE);
    let account = Account::new("* * * * allow\n");
    fs::create_dir(account.path(FILE).with_file_name("60.policy")).unwrap();
    assert_ends(&account, 126, UNUSABLE);
    let account = Account::new("* * * * allow\n");
    let fifo = account.path(FILE).with_file_name("60.policy");
    let made = std::process::Command::new("mkfifo").arg(fifo).status();
    assert!(made.unwrap().success());
    assert_ends(&account, 126, UNUSABLE);
    // Another name counts for nothing.
    let account = Account::new("* * * * allow\n");
    fs::write(
        account.path(FILE).with_file_name("60.policy.old"),
        "nonsense\n",
    )
    .unwrap();
    assert_ends(&account, 0, "");
}

fn what_belongs_to_somebody_else_denies_everything() {
    for name in [FILE].into_iter().chain(FOLDERS) {
        let account = Account::new("* * * * allow\n");
        chown(account.path(name), Some(12_345), None).unwrap();
        assert_ends(&account, 126, UNUSABLE);
    }
}

fn the_policy_of_the_machine_comes_before_that_of_the_account() {
    in_own_root(|| {
        let account = Account::new("* * * * allow\n");
        let folder = "/etc/qfile/policy.d";
        fs::create_dir_all(folder).unwrap();
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        let file = format!("{folder}/90-last.policy");
        fs::write(&file, "allowed * * * deny\n").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        assert_ends(&account, 126, "the policy denies it");
        fs::write(&file, "allowed * * * allow\n").unwrap();
        account.write(FILE, "* * * * deny\n");
        assert_ends(&account, 0, "");
        fs::write(&file, "nonsense\n").unwrap();
        assert_ends(&account, 126, UNUSABLE);
    });
}
