//! `setup-ip`: the interface of a qube.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use qfile_tests::changes::until_it_watches;
use qfile_tests::interfaces::{KEYS, MAC, Pair, in_qube, script};
use qfile_tests::network::{needs_networks, ping};
use qfile_tests::user::needs_private_mounts;

qfile_tests::suite! {
    an_interface_gets_what_the_keys_say [needs_networks, needs_private_mounts],
    the_second_time_changes_nothing [needs_networks, needs_private_mounts],
    remove_undoes_add [needs_networks, needs_private_mounts],
    what_the_keys_say_no_longer_goes [needs_networks, needs_private_mounts],
    what_others_have_made_stays [needs_networks, needs_private_mounts],
    a_key_that_is_not_understood_changes_nothing [needs_networks, needs_private_mounts],
    the_keys_of_the_interface_come_first [needs_networks, needs_private_mounts],
    an_interface_that_no_key_is_for_stays_as_it_is [needs_networks, needs_private_mounts],
    services_switch_off_the_route_and_the_name_servers [needs_networks, needs_private_mounts],
    which_services_are_on_is_waited_for [needs_networks, needs_private_mounts],
    a_protected_resolv_conf_stays [needs_networks, needs_private_mounts],
    resolved_is_told_when_it_is_enabled [needs_networks, needs_private_mounts],
    network_manager_gets_a_connection [needs_networks, needs_private_mounts],
    the_users_program_runs_at_the_end [needs_networks, needs_private_mounts],
    what_cannot_be_done_is_named [needs_networks, needs_private_mounts],
}

fn an_interface_gets_what_the_keys_say() {
    in_qube(|qube| {
        let pair = Pair::new();
        qube.write(&KEYS);
        let done = qube.run(&pair.qube, "setup-ip add eth0");
        done.assert_code(0);
        assert_eq!((done.stderr(), done.stdout.len()), (String::new(), 0));
        let state = pair.state();
        for expected in [
            "group 1, up: true\n",
            " inet 10.137.0.5/32 ",
            " inet6 fd09::5/128 ",
            "\ndefault via 10.138.0.1 proto static onlink",
            "\n10.138.0.1 proto static scope link",
            "\ndefault via fd0a::1 metric 1024 onlink",
            "\nfd0a::1 metric 1024",
            "\n10.138.0.1 lladdr fe:ff:ff:ff:ff:ff PERMANENT",
            "\nfd0a::1 lladdr fe:ff:ff:ff:ff:ff PERMANENT",
            "nameserver 10.139.1.1\nnameserver 10.139.1.2\n",
        ] {
            assert!(state.contains(expected), "{expected:?} is not in\n{state}");
        }
        pair.qube.run(|| {
            ping([192, 0, 2, 2].into()).unwrap();
            ping("2001:db8::2".parse().unwrap()).unwrap();
        });
        let mode = fs::metadata("/etc/resolv.conf")
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o644);
    });
}

fn the_second_time_changes_nothing() {
    in_qube(|qube| {
        let pair = Pair::new();
        qube.write(&KEYS);
        qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
        let (state, file) = (
            pair.state(),
            fs::metadata("/etc/resolv.conf").unwrap().ino(),
        );
        // By the name that udev and units of Qubes OS call.
        qube.run_as(&pair.qube, "setup-ip", "add eth0")
            .assert_code(0);
        assert_eq!(pair.state(), state);
        // Programs that watch the file are not woken up.
        assert_eq!(fs::metadata("/etc/resolv.conf").unwrap().ino(), file);
    });
}

fn remove_undoes_add() {
    in_qube(|qube| {
        let pair = Pair::new();
        let before = pair.kernel_state();
        qube.write(&KEYS);
        qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
        assert_ne!(pair.kernel_state(), before);
        // Whatever the keys are by then.
        qube.write(&[("/qubes-ip", "nonsense"), ("/qubes-mac", "nonsense")]);
        for _ in ["once", "twice"] {
            qube.run(&pair.qube, "setup-ip remove eth0").assert_code(0);
            assert_eq!(pair.kernel_state(), before);
        }
        pair.qube.ip("link delete eth0");
        qube.run(&pair.qube, "setup-ip remove eth0").assert_code(0);
    });
}

fn what_the_keys_say_no_longer_goes() {
    in_qube(|qube| {
        let [pair, other] = [Pair::new(), Pair::new()];
        qube.write(&KEYS);
        qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
        qube.write(&[
            ("/qubes-ip", "10.137.0.9"),
            ("/qubes-gateway", "10.138.0.9"),
            ("/qubes-secondary-dns", ""),
        ]);
        qube.database.remove("/qubes-ip6");
        for pair in [&pair, &other] {
            qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
        }
        // As if the old values had never been.
        assert_eq!(pair.state(), other.state());
        assert!(!pair.state().contains("fd09"), "{}", pair.state());
        assert!(pair.state().ends_with("nameserver 10.139.1.1\n"));
    });
}

fn what_others_have_made_stays() {
    in_qube(|qube| {
        let pair = Pair::new();
        qube.write(&KEYS);
        qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
        pair.qube
            .ip("route add 198.51.100.0/24 via 10.138.0.1 dev eth0 onlink");
        qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
        assert!(pair.state().contains("198.51.100.0/24"), "{}", pair.state());
    });
}

fn a_key_that_is_not_understood_changes_nothing() {
    in_qube(|qube| {
        let pair = Pair::new();
        let before = pair.state();
        let own = |name| format!("/net-config/{MAC}/{name}");
        let of_netvm = ["gateway", "gateway6", "primary-dns", "secondary-dns"];
        let keys = KEYS
            .iter()
            .map(|(key, _)| (*key).to_owned())
            .chain(["/qubes-netmask".to_owned()])
            .chain(of_netvm.map(|name| format!("/qubes-netvm-{name}")))
            .chain(
                [
                    "netmask", "gateway", "ip6", "netmask6", "gateway6", "custom", "ip",
                ]
                .map(own),
            );
        let long = [b'1'; 3071];
        let bad: [&[u8]; 9] = [
            b"x",
            b"10.137.0.5;",
            b"10.137.0.5 10.137.0.6",
            b"10.137.0.5\nnameserver 1.1.1.1",
            b"../../etc/passwd",
            b"$(reboot)",
            b"\xff\xfe\x1b[2J",
            b" ",
            &long,
        ];
        for key in keys {
            for value in bad {
                qube.database.remove("/");
                qube.write(&KEYS);
                if key.starts_with("/net-config/") {
                    qube.write(&[(&own("ip"), "10.137.0.5")]);
                }
                qube.database.write(&key, value);
                let done = qube.run(&pair.qube, "setup-ip add eth0");
                done.assert_code(1);
                done.assert_says("qubes-network: cannot set up \"eth0\"");
                done.assert_says(&format!("key \"{key}\""));
                assert!(!done.stderr.contains(&0x1b), "{}", done.stderr());
                assert_eq!(pair.state(), before, "{key}");
            }
        }
    });
}

fn the_keys_of_the_interface_come_first() {
    in_qube(|qube| {
        let pair = Pair::new();
        qube.write(&KEYS);
        for (name, value) in [
            ("ip", "192.0.2.130"),
            ("netmask", "255.255.255.128"),
            ("gateway", "192.0.2.129"),
            ("ip6", "2001:db8:1::7"),
            ("netmask6", "64"),
            ("gateway6", "fe80::1"),
            ("custom", "1"),
        ] {
            qube.write(&[(&format!("/net-config/{MAC}/{name}"), value)]);
        }
        qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
        let state = pair.state();
        for expected in [
            " inet 192.0.2.130/25 ",
            " inet6 2001:db8:1::7/64 ",
            "\ndefault via 192.0.2.129 proto static onlink",
            "\ndefault via fe80::1 metric 1024 onlink",
        ] {
            assert!(state.contains(expected), "{expected:?} is not in\n{state}");
        }
        // Another gateway than that of every qube says its MAC address itself.
        assert!(!state.contains("PERMANENT"), "{state}");
        assert!(!state.contains("\nfe80::1 "), "{state}");
    });
}

fn an_interface_that_no_key_is_for_stays_as_it_is() {
    in_qube(|qube| {
        let pair = Pair::new();
        let before = pair.state();
        for keys in [
            &KEYS[..0],
            &[
                ("/qubes-ip", "10.137.0.5"),
                ("/qubes-mac", "00:16:3e:5e:6c:01"),
            ],
        ] {
            qube.write(keys);
            let done = qube.run(&pair.qube, "setup-ip add eth0");
            done.assert_code(0);
            done.assert_says(&format!("QubesDB has no address for \"eth0\" ({MAC})"));
            assert_eq!(pair.state(), before);
        }
    });
}

fn services_switch_off_the_route_and_the_name_servers() {
    in_qube(|qube| {
        let pair = Pair::new();
        qube.write(&KEYS);
        qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
        qube.switch_on("disable-default-route");
        qube.switch_on("disable-dns-server");
        qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
        let state = pair.state();
        assert!(!state.contains("default"), "{state}");
        assert!(
            state.contains("\n10.138.0.1 proto static scope link"),
            "{state}"
        );
        assert_eq!(fs::read_to_string("/etc/resolv.conf").unwrap(), "");
    });
}

/// At boot, the services may be written at the same time.
fn which_services_are_on_is_waited_for() {
    in_qube(|qube| {
        let pair = Pair::new();
        qube.write(&KEYS);
        fs::remove_file("/run/qubes-service-environment").unwrap();
        let mut command = qube.command("setup-ip add eth0");
        let mut program = pair.qube.run(|| command.spawn().unwrap());
        until_it_watches(program.id());
        qube.switch_on("disable-dns-server");
        fs::write("/run/qubes-service-environment", "").unwrap();
        assert!(program.wait().unwrap().success());
        assert_eq!(fs::read_to_string("/etc/resolv.conf").unwrap(), "");
        assert!(pair.state().contains("default via 10.138.0.1"));
    });
}

fn a_protected_resolv_conf_stays() {
    in_qube(|qube| {
        let pair = Pair::new();
        qube.write(&KEYS);
        fs::write("/etc/resolv.conf", "nameserver 9.9.9.9\n").unwrap();
        for folder in [
            "/etc/qubes/protected-files.d",
            "/rw/config/protected-files.d",
        ] {
            fs::create_dir_all(folder).unwrap();
            let list = Path::new(folder).join("list");
            fs::write(&list, "/etc/hosts\n/etc/resolv.conf\n").unwrap();
            qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
            assert!(pair.state().ends_with("nameserver 9.9.9.9\n"));
            fs::remove_file(list).unwrap();
        }
        qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
        assert!(pair.state().ends_with("nameserver 10.139.1.2\n"));
    });
}

fn resolved_is_told_when_it_is_enabled() {
    in_qube(|qube| {
        let pair = Pair::new();
        qube.write(&KEYS);
        qube.stand_in("resolvectl", 0);
        qube.stand_in("systemctl", 1);
        let asked = "systemctl is-enabled --quiet systemd-resolved.service";
        qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
        assert_eq!(qube.notes(), [asked]);
        qube.stand_in("systemctl", 0);
        qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
        assert_eq!(
            qube.notes(),
            [asked, "resolvectl dns eth0 10.139.1.1 10.139.1.2"]
        );
        qube.switch_on("disable-dns-server");
        qube.stand_in("resolvectl", 7);
        let done = qube.run(&pair.qube, "setup-ip add eth0");
        done.assert_code(0);
        done.assert_says("\"/run/stand-ins/resolvectl\" ended");
        assert_eq!(qube.notes(), [asked, "resolvectl dns eth0 "]);
    });
}

fn network_manager_gets_a_connection() {
    in_qube(|qube| {
        let pair = Pair::new();
        qube.write(&KEYS);
        qube.switch_on("network-manager");
        let folder = Path::new("/etc/NetworkManager/system-connections");
        let _none = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).unwrap();
        // Without its program it is not there.
        qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
        qube.run(&pair.qube, "setup-ip remove eth0").assert_code(0);
        fs::write("/etc/resolv.conf", "").unwrap();
        qube.stand_in("nmcli", 0);
        let file = folder.join("qubes-uplink-eth0");
        for noted in [
            &["nmcli connection load /etc/NetworkManager/system-connections/qubes-uplink-eth0"][..],
            &[],
        ] {
            qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
            assert_eq!(qube.notes(), noted);
        }
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let text = fs::read_to_string(&file).unwrap();
        for line in [
            "interface-name=eth0",
            "mac-address=00:16:3e:5e:6c:00",
            "address1=10.137.0.5/32,10.138.0.1",
            "dns=10.139.1.1;10.139.1.2;",
            "address1=fd09::5/128,fd0a::1",
        ] {
            assert!(
                text.lines().any(|this| this == line),
                "{line} is not in\n{text}"
            );
        }
        // The rest is its business.
        let state = pair.state();
        assert!(
            !state.contains("inet") && !state.contains("nameserver"),
            "{state}"
        );
        assert!(
            state.contains("group 1") && state.contains("PERMANENT"),
            "{state}"
        );
        // The interface is off by the time the file goes.
        script(
            Path::new("/run/stand-ins/nmcli"),
            "echo nmcli \"$@\" >>/run/notes; ip -o link show dev eth0 up | wc -l >>/run/notes",
        );
        qube.run(&pair.qube, "setup-ip remove eth0").assert_code(0);
        assert_eq!(qube.notes(), ["nmcli connection reload", "0"]);
        assert!(!file.exists());
    });
}

fn the_users_program_runs_at_the_end() {
    in_qube(|qube| {
        let pair = Pair::new();
        qube.write(&KEYS);
        let hook = Path::new("/rw/config/qubes-ip-change-hook");
        // It may call the program itself.
        script(
            hook,
            "cat /etc/resolv.conf >>/run/notes; ip -4 route show default >>/run/notes; exit 3",
        );
        let done = qube.run(&pair.qube, "setup-ip add eth0");
        done.assert_code(0);
        done.assert_says("\"/rw/config/qubes-ip-change-hook\" ended");
        let notes = qube.notes().join("\n");
        assert!(
            notes.contains("nameserver 10.139.1.2\ndefault via 10.138.0.1"),
            "{notes}"
        );
        qube.switch_on("custom-persist");
        qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
        fs::remove_file("/run/qubes-service/custom-persist").unwrap();
        fs::set_permissions(hook, fs::Permissions::from_mode(0o644)).unwrap();
        qube.run(&pair.qube, "setup-ip add eth0").assert_code(0);
        assert_eq!(qube.notes(), [""; 0]);
    });
}

fn what_cannot_be_done_is_named() {
    in_qube(|qube| {
        let pair = Pair::new();
        qube.write(&KEYS);
        let done = qube.run(&pair.qube, "setup-ip add eth7");
        done.assert_code(1);
        done.assert_says("there is no interface \"eth7\"");
        // The kernel refuses an address of the loopback interface's name only here.
        pair.qube.set("ipv6/conf/eth0/disable_ipv6", "1");
        let done = qube.run(&pair.qube, "setup-ip add eth0");
        done.assert_code(1);
        done.assert_says("cannot set the address fd09::5 (key \"/qubes-ip6\") for \"eth0\"");
        pair.qube.set("ipv6/conf/eth0/disable_ipv6", "0");
        let mut command = qube.command("setup-ip add eth0");
        command.env("QUBESDB_DIR", "/no/such/folder");
        let done = pair.qube.run(|| qfile_tests::process::run(command));
        done.assert_code(1);
        done.assert_says("cannot ask QubesDB");
    });
}
