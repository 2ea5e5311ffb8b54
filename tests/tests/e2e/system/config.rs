//! `qubes-config`: the keys of QubesDB as files and names. Host names are set in a namespace.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use qfile_tests::changes::until;
use qfile_tests::interfaces::{Qube, in_qube};
use qfile_tests::interrupted::uninterrupted;
use qfile_tests::process::{Finished, run, wrapped_in};
use qfile_tests::programs::program;
use qfile_tests::receiver::needs_strace;
use qfile_tests::speaking::Speaking;
use qfile_tests::user::needs_private_mounts;

qfile_tests::suite! {
    every_key_becomes_what_programs_look_for [needs_private_mounts],
    the_second_time_nothing_is_touched_or_said [needs_private_mounts],
    services_without_an_entry_depend_on_the_type [needs_private_mounts],
    entries_that_are_none_are_said_and_skipped [needs_private_mounts],
    a_wrong_type_or_persistence_changes_nothing [needs_private_mounts],
    a_name_or_zone_that_is_none_is_said_and_left_alone [needs_private_mounts],
    protected_files_are_left_alone [needs_private_mounts],
    what_another_program_has_is_left_to_it [needs_private_mounts],
    what_others_put_beside_the_services_stays [needs_private_mounts],
    the_seed_is_waited_for_at_the_first_time_only [needs_private_mounts],
    a_step_that_fails_is_said_and_keeps_no_other_back [needs_private_mounts],
    a_step_that_fails_at_the_start_does_not_end_the_watch [needs_private_mounts],
    hosts_that_cannot_be_read_whole_stay [needs_private_mounts],
    without_qubesdb_nothing_changes [needs_private_mounts],
    a_change_touches_its_own_file_and_says_so [needs_private_mounts],
    a_change_of_any_other_key_is_applied_too [needs_private_mounts],
    after_the_daemon_was_away_everything_is_applied [needs_private_mounts],
    between_two_changes_nothing_runs [needs_private_mounts, needs_strace],
}

const SERVICES: &str = "/run/qubes-service";
const ZONE: &str = "Europe/Warsaw";

const KEYS: [(&str, &str); 8] = [
    ("/qubes-vm-type", "DispVM"),
    ("/qubes-vm-persistence", "rw-only"),
    ("/name", "work"),
    ("/qubes-timezone", ZONE),
    ("/qubes-random-seed", "cmFuZG9t"),
    ("/qubes-service/cups", "1"),
    ("/qubes-service/getty@tty", "1"),
    ("/qubes-service/meminfo-writer", "0"),
];

/// What is said when these keys are applied for the first time.
const SAID: [&str; 10] = [
    "qubes-config: the type of this qube is DispVM",
    "qubes-config: the persistence of this qube is rw-only",
    "qubes-config: service \"cups\" is on",
    "qubes-config: service \"getty@tty\" is on",
    "qubes-config: service \"software-rendering\" is on",
    "qubes-config: the name of the host is \"work\"",
    "qubes-config: \"/etc/hosts\" has the name \"work\"",
    "qubes-config: the time zone is \"Europe/Warsaw\"",
    "qubes-config: the random seed of dom0 was used",
    "qubes-config: service \"x\" is on",
];

/// A qube with a time zone database and files of Debian.
fn in_qube_with_zones(body: impl FnOnce(&mut Qube) + Send) {
    in_qube(|qube| {
        // The real one may not be installed.
        let zones = Path::new("/usr/share/zoneinfo");
        if !zones.exists() {
            return with_made_up_zones(qube, body);
        }
        prepare();
        body(qube);
    });
}

/// The same on a machine without the database: its folder is made up.
fn with_made_up_zones(qube: &mut Qube, body: impl FnOnce(&mut Qube)) {
    qfile_tests::user::mount_tmpfs(Path::new("/usr/share"), 1 << 20, "");
    fs::create_dir_all("/usr/share/zoneinfo/Europe").unwrap();
    fs::write("/usr/share/zoneinfo/Europe/Warsaw", "TZif2").unwrap();
    prepare();
    body(qube);
}

fn prepare() {
    // As at the start of a qube.
    fs::remove_dir(SERVICES).unwrap();
    let _none = fs::remove_file("/run/qubes-service-environment");
    fs::write("/etc/debian_version", "12\n").unwrap();
    fs::write("/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 debian\n").unwrap();
    for file in ["/etc/timezone", "/etc/localtime"] {
        let _none = fs::remove_file(file);
    }
}

/// The program, with a name of the host of its own.
fn command(qube: &Qube, words: &str) -> Command {
    wrapped_in(&["unshare", "--uts"], &bare_command(qube, words))
}

fn bare_command(qube: &Qube, words: &str) -> Command {
    let mut command = Command::new(program("qubes-config"));
    command
        .args(words.split(' '))
        .env("QUBESDB_DIR", qube.database.sockets())
        .env_remove("NOTIFY_SOCKET");
    command
}

/// Runs it where the host is called `before`. What it is called at the end is on stdout.
fn apply(qube: &Qube) -> Finished {
    let name = "/proc/sys/kernel/hostname";
    let script = format!("echo before >{name}; \"$@\"; code=$?; cat {name}; exit $code");
    let shell = ["unshare", "--uts", "sh", "-c", &script, "sh"];
    run(wrapped_in(
        &shell,
        &bare_command(qube, "apply --seed-wait=0"),
    ))
}

/// The lines that it says.
fn lines(finished: &Finished) -> Vec<String> {
    finished.stderr().lines().map(str::to_owned).collect()
}

/// The services that are on, and what else is there.
fn services() -> Vec<String> {
    let names = fs::read_dir(SERVICES).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

/// The marks of the qube.
fn marks() -> Vec<String> {
    let names = fs::read_dir("/run/qubes").unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn every_key_becomes_what_programs_look_for() {
    in_qube_with_zones(|qube| {
        qube.write(&KEYS);
        let done = apply(qube);
        done.assert_code(0);
        assert_eq!(lines(&done), SAID[..9]);
        assert_eq!(done.stdout, b"work\n");
        assert_eq!(services(), ["cups", "getty@tty", "software-rendering"]);
        assert_eq!(marks(), ["persistent-rw-only", "this-is-dispvm"]);
        let hosts = fs::read_to_string("/etc/hosts").unwrap();
        assert_eq!(hosts, "127.0.0.1 localhost\n127.0.1.1 work\n::1\twork\n");
        let zone = fs::read_link("/etc/localtime").unwrap();
        assert_eq!(zone, Path::new("../usr/share/zoneinfo/Europe/Warsaw"));
        assert_eq!(
            fs::read_to_string("/etc/timezone").unwrap(),
            "Europe/Warsaw\n"
        );
        assert_eq!(qube.database.read("/qubes-random-seed"), None);
        assert_eq!(fs::read("/run/qubes-service-environment").unwrap(), b"");
        for folder in ["/run/xen", "/run/xen-hotplug"] {
            assert!(Path::new(folder).is_dir(), "{folder}");
        }
        for file in ["/run/qubes-service", "/etc/hosts", "/etc/timezone"] {
            let mode = fs::metadata(file).unwrap().permissions().mode();
            assert_eq!(mode & 0o044, 0o044, "{file}");
        }
    });
}

fn the_second_time_nothing_is_touched_or_said() {
    in_qube_with_zones(|qube| {
        qube.write(&KEYS);
        apply(qube).assert_code(0);
        let files = [
            SERVICES,
            "/etc/hosts",
            "/etc/timezone",
            "/run/qubes-service-environment",
        ];
        let inodes = || files.map(|file| fs::metadata(file).unwrap().ino());
        let before = inodes();
        let done = apply(qube);
        done.assert_code(0);
        // Each run has a name of the host of its own.
        assert_eq!(
            lines(&done),
            ["qubes-config: the name of the host is \"work\""]
        );
        assert_eq!(inodes(), before);
    });
}

fn services_without_an_entry_depend_on_the_type() {
    in_qube_with_zones(|qube| {
        for (kind, mark, expected) in [
            (
                "NetVM",
                "this-is-netvm",
                "meminfo-writer network-manager qubes-firewall qubes-network qubes-update-check \
                 qubes-updates-proxy software-rendering",
            ),
            (
                "ProxyVM",
                "this-is-proxyvm",
                "meminfo-writer qubes-firewall qubes-network qubes-update-check software-rendering",
            ),
            (
                "AppVM",
                "this-is-appvm",
                "evolution-data-server meminfo-writer qubes-update-check software-rendering tracker",
            ),
            (
                "TemplateVM",
                "this-is-templatevm",
                "evolution-data-server meminfo-writer qubes-update-check software-rendering tracker \
                 updates-proxy-setup",
            ),
            (
                "DispVM",
                "this-is-dispvm",
                "meminfo-writer software-rendering",
            ),
        ] {
            for (persistence, kept) in [("full", "persistent-full"), ("none", "persistent-none")] {
                qube.write(&[
                    ("/qubes-vm-type", kind),
                    ("/qubes-vm-persistence", persistence),
                ]);
                apply(qube).assert_code(0);
                assert_eq!(services().join(" "), expected, "{kind}");
                assert_eq!(marks(), [kept, mark]);
            }
        }
    });
}

fn entries_that_are_none_are_said_and_skipped() {
    in_qube_with_zones(|qube| {
        qube.write(&KEYS[..2]);
        qube.write(&[
            ("/qubes-service/on", "1"),
            ("/qubes-service/off", "0"),
            ("/qubes-service/meminfo-writer", "yes"),
            ("/qubes-service/empty", ""),
            ("/qubes-service/true", "True"),
            ("/qubes-service/a/b", "1"),
            ("/qubes-service/.hidden", "1"),
            ("/qubes-service/..", "1"),
            ("/qubes-service/-x", "1"),
        ]);
        qube.database.write("/qubes-service/odd", b"1\x1b[2J");
        let done = apply(qube);
        done.assert_code(0);
        assert_eq!(services(), ["meminfo-writer", "on", "software-rendering"]);
        for name in [
            "meminfo-writer",
            "empty",
            "true",
            "a/b",
            ".hidden",
            "..",
            "-x",
            "odd",
        ] {
            done.assert_says(&format!(
                "qubes-config: key \"/qubes-service/{name}\" is \""
            ));
        }
        done.assert_says("is \"1_[2J\": this is neither 1 nor 0, so it is skipped");
        assert!(!done.stderr().contains('\x1b'));
    });
}

fn a_wrong_type_or_persistence_changes_nothing() {
    in_qube_with_zones(|qube| {
        qube.write(&KEYS);
        for (key, value) in [
            ("/qubes-vm-type", Some("HVM")),
            ("/qubes-vm-type", Some("")),
            ("/qubes-vm-type", None),
            ("/qubes-vm-persistence", Some("rw")),
            ("/qubes-vm-persistence", None),
        ] {
            qube.write(&KEYS);
            match value {
                Some(value) => qube.write(&[(key, value)]),
                None => qube.database.remove(key),
            }
            let done = apply(qube);
            done.assert_code(1);
            done.assert_says(&format!("key \"{key}\""));
            done.assert_says("nothing was changed");
            for path in ["/run/qubes-service-environment", "/etc/timezone"] {
                assert!(!Path::new(path).exists(), "{path}");
            }
            // Other programs take the folders for granted, whatever this qube is.
            for path in [SERVICES, "/run/qubes", "/run/xen"] {
                assert_eq!(fs::read_dir(path).unwrap().count(), 0, "{path}");
            }
        }
    });
}

fn a_name_or_zone_that_is_none_is_said_and_left_alone() {
    in_qube_with_zones(|qube| {
        qube.write(&KEYS);
        for zone in [
            "../../../etc/passwd",
            "Europe/../Europe/Warsaw",
            "/etc/passwd",
            "No/Such",
        ] {
            qube.write(&[("/name", "a b"), ("/qubes-timezone", zone)]);
            let done = apply(qube);
            done.assert_code(0);
            done.assert_says("key \"/name\" is \"a b\": no qube has such a name, so it is skipped");
            done.assert_says(&format!("key \"/qubes-timezone\" is \"{zone}\": this "));
            assert_eq!(done.stdout, b"before\n");
            assert!(fs::symlink_metadata("/etc/localtime").is_err());
            assert!(!Path::new("/etc/timezone").exists());
            assert!(
                fs::read_to_string("/etc/hosts")
                    .unwrap()
                    .ends_with("127.0.1.1 debian\n")
            );
        }
        // The others are applied all the same.
        assert_eq!(services(), ["cups", "getty@tty", "software-rendering"]);
    });
}

fn protected_files_are_left_alone() {
    in_qube_with_zones(|qube| {
        qube.write(&KEYS);
        fs::create_dir_all("/rw/config/protected-files.d").unwrap();
        fs::create_dir_all("/etc/qubes/protected-files.d").unwrap();
        fs::write("/rw/config/protected-files.d/x", "/etc/hostname\n").unwrap();
        fs::write("/etc/qubes/protected-files.d/x", "# x\n/etc/timezone\n").unwrap();
        let done = apply(qube);
        done.assert_code(0);
        assert_eq!(done.stdout, b"before\n");
        assert!(
            fs::read_to_string("/etc/hosts")
                .unwrap()
                .ends_with("127.0.1.1 debian\n")
        );
        assert!(fs::symlink_metadata("/etc/localtime").is_err());
        assert!(!Path::new("/etc/timezone").exists());
        // Of two files only the one that is named.
        fs::write("/rw/config/protected-files.d/x", "/etc/hosts\n").unwrap();
        fs::write("/etc/qubes/protected-files.d/x", "/etc/localtime\n").unwrap();
        let done = apply(qube);
        assert_eq!(done.stdout, b"work\n");
        assert!(
            fs::read_to_string("/etc/hosts")
                .unwrap()
                .ends_with("127.0.1.1 debian\n")
        );
        assert!(fs::symlink_metadata("/etc/localtime").is_err());
        assert_eq!(
            fs::read_to_string("/etc/timezone").unwrap(),
            "Europe/Warsaw\n"
        );
    });
}

fn what_another_program_has_is_left_to_it() {
    in_qube_with_zones(|qube| {
        qube.write(&KEYS);
        run(command(qube, "apply --without-seed --without-names")).assert_code(0);
        assert!(qube.database.has("/qubes-random-seed"));
        assert!(fs::symlink_metadata("/etc/localtime").is_err());
        assert!(
            fs::read_to_string("/etc/hosts")
                .unwrap()
                .ends_with("127.0.1.1 debian\n")
        );
        let words = "apply --watch --without-seed --without-names";
        let watching = Speaking::start(command(qube, words));
        qube.write(&[
            ("/name", "home"),
            ("/qubes-timezone", ZONE),
            ("/qubes-service/x", "1"),
        ]);
        watching.assert_says(&SAID[9..]);
        assert!(fs::symlink_metadata("/etc/localtime").is_err());
    });
}

fn what_others_put_beside_the_services_stays() {
    in_qube_with_zones(|qube| {
        qube.write(&KEYS);
        apply(qube).assert_code(0);
        fs::write("/run/qubes-service/of-user", "text").unwrap();
        qube.write(&[("/qubes-service/cups", "0"), ("/qubes-service/new", "1")]);
        qube.database.remove("/qubes-service/getty@tty");
        let done = apply(qube);
        done.assert_code(0);
        assert_eq!(
            lines(&done)[..3],
            [
                "qubes-config: service \"new\" is on",
                "qubes-config: service \"cups\" is off",
                "qubes-config: service \"getty@tty\" is off",
            ]
        );
        assert_eq!(services(), ["new", "of-user", "software-rendering"]);
        assert_eq!(fs::read("/run/qubes-service/of-user").unwrap(), b"text");
    });
}

fn the_seed_is_waited_for_at_the_first_time_only() {
    in_qube_with_zones(|qube| {
        qube.write(&KEYS);
        qube.database.remove("/qubes-random-seed");
        let watched = Speaking::start(command(qube, "apply --seed-wait=600"));
        watched.assert_says(&SAID[..8]);
        qube.write(&[("/qubes-random-seed", "cmFuZG9t")]);
        watched.assert_says(&SAID[8..9]);
        drop(watched);
        assert_eq!(qube.database.read("/qubes-random-seed"), None);
        // Nobody gives another, and nothing waits for it.
        run(command(qube, "apply --seed-wait=600")).assert_code(0);
        // Bytes of any kind are good enough, and another program may be the one to use them.
        qube.database.write("/qubes-random-seed", b"\xff");
        run(command(qube, "apply --without-seed")).assert_code(0);
        assert!(qube.database.has("/qubes-random-seed"));
        run(command(qube, "apply")).assert_says("the random seed of dom0 was used");
        assert!(!qube.database.has("/qubes-random-seed"));
        fs::remove_file("/run/qubes-service-environment").unwrap();
        let done = run(command(qube, "apply --seed-wait=0"));
        done.assert_code(0);
        done.assert_says("dom0 gave no random seed");
    });
}

fn a_step_that_fails_is_said_and_keeps_no_other_back() {
    in_qube_with_zones(|qube| {
        qube.write(&KEYS);
        fs::remove_file("/etc/hosts").unwrap();
        fs::create_dir("/etc/hosts").unwrap();
        let done = apply(qube);
        done.assert_code(1);
        done.assert_says("cannot write the name of the host to \"/etc/hosts\": ");
        assert_eq!(services(), ["cups", "getty@tty", "software-rendering"]);
        assert!(fs::read_link("/etc/localtime").is_ok());
        assert!(Path::new("/run/qubes-service-environment").exists());
    });
}

/// The rest of the life of the qube is not left without its settings.
fn a_step_that_fails_at_the_start_does_not_end_the_watch() {
    in_qube_with_zones(|qube| {
        fs::remove_file("/etc/hosts").unwrap();
        fs::create_dir("/etc/hosts").unwrap();
        qube.write(&KEYS);
        let socket = UnixDatagram::bind("/run/notify").unwrap();
        let mut command = command(qube, "apply --watch");
        command.env("NOTIFY_SOCKET", "/run/notify");
        let watching = Speaking::start(command);
        watching.assert_says(&SAID[..6]);
        let mut state = [0; 20];
        let len = uninterrupted(|| socket.recv(&mut state)).unwrap();
        assert_eq!(&state[..len], b"READY=1");
        qube.write(&[("/qubes-service/x", "1")]);
        until(Path::new(SERVICES), || {
            Path::new("/run/qubes-service/x").exists()
        });
        drop(watching);
    });
}

fn hosts_that_cannot_be_read_whole_stay() {
    in_qube_with_zones(|qube| {
        qube.write(&KEYS);
        let long = "10.0.0.1 x\n".repeat(100_000);
        fs::write("/etc/hosts", &long).unwrap();
        let done = apply(qube);
        done.assert_code(1);
        done.assert_says("cannot write the name of the host to \"/etc/hosts\": ");
        assert_eq!(fs::read_to_string("/etc/hosts").unwrap(), long);
    });
}

fn without_qubesdb_nothing_changes() {
    in_qube_with_zones(|_qube| {
        let mut command = Command::new(program("qubes-config"));
        command
            .args(["apply", "--wait=0"])
            .env("QUBESDB_DIR", "/run/none");
        let done = run(command);
        done.assert_code(1);
        done.assert_says("qubes-config: cannot ask QubesDB: ");
        assert!(!Path::new(SERVICES).exists());
    });
}

/// The program that stays, with the keys applied.
fn watching(qube: &mut Qube) -> Speaking {
    qube.write(&KEYS);
    let socket = UnixDatagram::bind("/run/notify").unwrap();
    let mut command = command(qube, "apply --watch");
    command.env("NOTIFY_SOCKET", "/run/notify");
    let watching = Speaking::start(command);
    watching.assert_says(&SAID[..9]);
    let mut state = [0; 20];
    let len = uninterrupted(|| socket.recv(&mut state)).unwrap();
    assert_eq!(&state[..len], b"READY=1");
    fs::remove_file("/run/notify").unwrap();
    watching
}

fn a_change_touches_its_own_file_and_says_so() {
    in_qube_with_zones(|qube| {
        let watching = watching(qube);
        // What programs of the user do.
        fs::write("/run/qubes-service/of-user", "").unwrap();
        fs::remove_file("/run/qubes-service/software-rendering").unwrap();
        let folder = fs::metadata(SERVICES).unwrap().ino();
        qube.write(&[("/qubes-service/cups", "0")]);
        watching.assert_says(&["qubes-config: service \"cups\" is off"]);
        qube.write(&[("/qubes-service/cups", "0"), ("/qubes-service/x", "1")]);
        watching.assert_says(&SAID[9..]);
        // It falls back to what the type says.
        qube.database.remove("/qubes-service/meminfo-writer");
        watching.assert_says(&["qubes-config: service \"meminfo-writer\" is on"]);
        qube.database.remove("/qubes-service/x");
        watching.assert_says(&["qubes-config: service \"x\" is off"]);
        qube.write(&[("/qubes-service/a/b", "1")]);
        watching.assert_says(&[
            "qubes-config: key \"/qubes-service/a/b\" is \"1\": a service is named by letters, digits \
             and \"._@-\", a letter, a digit or \"_\" first, so it is skipped",
        ]);
        qube.write(&[("/qubes-service/meminfo-writer", "2")]);
        watching.assert_says(&[
            "qubes-config: key \"/qubes-service/meminfo-writer\" is \"2\": this is neither 1 nor 0, so \
             it is skipped",
        ]);
        assert_eq!(services(), ["getty@tty", "meminfo-writer", "of-user"]);
        assert_eq!(fs::metadata(SERVICES).unwrap().ino(), folder);
        qube.database.remove("/qubes-service/");
        watching.assert_says(&["qubes-config: service \"getty@tty\" is off"]);
        assert_eq!(services(), ["meminfo-writer", "of-user"]);
    });
}

fn a_change_of_any_other_key_is_applied_too() {
    in_qube_with_zones(|qube| {
        let watching = watching(qube);
        qube.write(&[("/name", "home")]);
        watching.assert_says(&[
            "qubes-config: the name of the host is \"home\"",
            "qubes-config: \"/etc/hosts\" has the name \"home\"",
        ]);
        qube.write(&[("/qubes-timezone", "../x")]);
        assert!(watching.line().contains("\"../x\""));
        qube.write(&[("/qubes-vm-persistence", "full")]);
        watching.assert_says(&["qubes-config: the persistence of this qube is full"]);
        qube.write(&[("/qubes-random-seed", "x")]);
        watching.assert_says(&SAID[8..9]);
        qube.write(&[("/qubes-vm-type", "ProxyVM")]);
        watching.assert_says(&[
            "qubes-config: the type of this qube is ProxyVM",
            "qubes-config: service \"qubes-firewall\" is on",
            "qubes-config: service \"qubes-network\" is on",
            "qubes-config: service \"qubes-update-check\" is on",
        ]);
        qube.write(&[("/qubes-vm-type", "x")]);
        assert!(watching.line().contains("key \"/qubes-vm-type\" is \"x\""));
        assert!(watching.line().contains("nothing was changed"));
        assert_eq!(marks(), ["persistent-full", "this-is-proxyvm"]);
        qube.write(&[("/qubes-vm-type", "DispVM")]);
        let said: Vec<String> = (0..4).map(|_| watching.line()).collect();
        assert_eq!(
            said[3],
            "qubes-config: service \"qubes-update-check\" is off"
        );
        assert_eq!(services(), ["cups", "getty@tty", "software-rendering"]);
    });
}

fn after_the_daemon_was_away_everything_is_applied() {
    in_qube_with_zones(|qube| {
        let watching = watching(qube);
        let database = std::mem::take(&mut qube.database);
        qube.database = database.restarted();
        // It is empty at first, and so there is no type.
        let mut said = watching.line();
        assert!(
            said.contains("there is no key \"/qubes-vm-type\""),
            "{said}"
        );
        qube.write(&[("/qubes-service/late", "1")]);
        while !said.contains("service \"late\" is on") {
            said = watching.line();
        }
        assert!(Path::new("/run/qubes-service/late").exists());
    });
}

fn between_two_changes_nothing_runs() {
    in_qube_with_zones(|qube| {
        qube.write(&KEYS);
        let log = qube.database.sockets().join("trace");
        let command = bare_command(qube, "apply --watch");
        let strace = [
            "strace",
            "--interruptible=waiting",
            "-o",
            log.to_str().unwrap(),
        ];
        let traced = wrapped_in(&[&["unshare", "--uts"], &strace[..]].concat(), &command);
        let watching = Speaking::start(traced);
        watching.assert_says(&SAID[..9]);
        qube.write(&[("/qubes-service/x", "1")]);
        watching.assert_says(&SAID[9..]);
        // The last call is one that has not ended, and has no end but an event.
        let last = || {
            let text = fs::read_to_string(&log).unwrap();
            text.lines().last().unwrap_or_default().to_owned()
        };
        until(log.parent().unwrap(), || {
            let last = last();
            (last.starts_with("poll([{fd=") && last.contains(", 1, -1"))
                || (last.starts_with("ppoll([{fd=") && last.contains(", 1, NULL"))
        });
    });
}
