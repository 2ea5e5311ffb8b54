//! The home folder of a service that root runs, in the password database.

use std::process::Command;

use nix::mount::{MsFlags, mount};
use qfile_tests::process::run;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::{suite, user};

suite! {
    root_has_the_qubes_home_in_the_password_database [user::needs_private_mounts],
    outside_the_password_database_stays_as_it_was [user::needs_private_mounts],
    where_mounting_is_forbidden_the_service_runs_all_the_same [user::needs_root, needs_setpriv],
    an_ordinary_user_has_it_in_home_only [user::needs_ordinary_user],
}

const PRINT_HOMES: &str = r#"getent passwd "$(id -u)" | cut -d: -f6; echo "$HOME""#;

fn needs_setpriv() -> Result<(), String> {
    let ran = Command::new("setpriv").arg("--version").output();
    ran.map(drop)
        .map_err(|error| format!("needs setpriv: {error}"))
}

/// The homes that a service of [`TARGET`] has, with the command that calls it made by `call`.
fn homes(qubes: &Qubes, call: impl FnOnce(Command) -> Command) -> (Vec<String>, String) {
    qubes.set_service(TARGET, "svc", PRINT_HOMES);
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    command.args([TARGET, "svc"]);
    let finished = run(call(command));
    finished.assert_code(0);
    let stdout = String::from_utf8(finished.stdout.clone()).unwrap();
    (
        stdout.lines().map(str::to_owned).collect(),
        finished.stderr(),
    )
}

fn password_home() -> String {
    let ran = Command::new("sh")
        .args(["-c", PRINT_HOMES])
        .output()
        .unwrap();
    let stdout = String::from_utf8(ran.stdout).unwrap();
    stdout.lines().next().unwrap().to_owned()
}

fn root_has_the_qubes_home_in_the_password_database() {
    let qubes = Qubes::new();
    let home = qubes.home(TARGET).to_str().unwrap().to_owned();
    assert_eq!(
        homes(&qubes, |call| call),
        (vec![home.clone(), home], String::new())
    );
}

fn outside_the_password_database_stays_as_it_was() {
    user::in_private_mounts(|| {
        // As on most machines: what is mounted somewhere is seen everywhere.
        let shared = MsFlags::MS_REC | MsFlags::MS_SHARED;
        mount(None::<&str>, "/", None::<&str>, shared, None::<&str>).unwrap();
        let before = password_home();
        let qubes = Qubes::new();
        let _inside = homes(&qubes, |call| call);
        assert_eq!(password_home(), before);
    });
}

fn where_mounting_is_forbidden_the_service_runs_all_the_same() {
    let qubes = Qubes::new();
    let home = qubes.home(TARGET).to_str().unwrap().to_owned();
    let (seen, said) = homes(&qubes, |call| {
        let mut confined = Command::new("setpriv");
        confined.args(["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]);
        confined.arg(call.get_program()).args(call.get_args());
        confined.envs(
            call.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        confined
    });
    assert_eq!(seen, [password_home(), home]);
    assert!(
        said.contains("cannot unshare the mount namespace"),
        "{said}"
    );
}

fn an_ordinary_user_has_it_in_home_only() {
    let qubes = Qubes::new();
    let home = qubes.home(TARGET).to_str().unwrap().to_owned();
    let (seen, said) = homes(&qubes, |call| call);
    assert_eq!(seen.last(), Some(&home));
    assert_eq!(said, "");
}
