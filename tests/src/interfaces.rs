//! A qube whose network is set up by `qubes-network`: with an `/etc`, an `/rw` and a `/run` of its
//! own, and QubesDB.
//!
//! systemd, resolved and NetworkManager do not run in a test, so scripts stand in `PATH` for the
//! programs by which they are told, and note what they are told. All else is real.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::firewall::Database;
use crate::network::Namespace;
use crate::own_root::in_own_root;
use crate::process::{Finished, run};
use crate::programs::program;
use crate::user::mount_tmpfs;

/// The MAC address of the interface of a qube.
pub const MAC: &str = "00:16:3e:5e:6c:00";

/// The keys of a qube with IPv4 and IPv6.
pub const KEYS: [(&str, &str); 7] = [
    ("/qubes-mac", MAC),
    ("/qubes-ip", "10.137.0.5"),
    ("/qubes-gateway", "10.138.0.1"),
    ("/qubes-ip6", "fd09::5"),
    ("/qubes-gateway6", "fd0a::1"),
    ("/qubes-primary-dns", "10.139.1.1"),
    ("/qubes-secondary-dns", "10.139.1.2"),
];

/// Where the stand-ins note what they are told.
const NOTES: &str = "/run/notes";

/// The part of a qube that is no namespace.
#[derive(Debug)]
pub struct Qube {
    /// Its QubesDB.
    pub database: Database,
}

/// Runs `body` in a qube. Needs [`needs_networks`](crate::network::needs_networks) and
/// [`needs_private_mounts`](crate::user::needs_private_mounts).
pub fn in_qube(body: impl FnOnce(&mut Qube) + Send) {
    in_own_root(|| {
        mount_tmpfs(Path::new("/run"), 8 << 20, "");
        for folder in ["/run/qubes-service", "/run/stand-ins"] {
            fs::create_dir(folder).expect("it is ours");
        }
        // As the boot does when it has switched on the services.
        fs::write("/run/qubes-service-environment", "").expect("it is ours");
        // The copy may be a link into what /run was.
        let _none = fs::remove_file("/etc/resolv.conf");
        fs::write("/etc/resolv.conf", "").expect("it is ours");
        body(&mut Qube {
            database: Database::new(),
        });
    });
}

impl Qube {
    /// Writes keys.
    pub fn write(&mut self, entries: &[(&str, &str)]) {
        for (key, value) in entries {
            self.database.write(key, value.as_bytes());
        }
    }

    /// Switches a service on.
    pub fn switch_on(&self, service: &str) {
        fs::write(Path::new("/run/qubes-service").join(service), "").expect("it is ours");
    }

    /// Lets a program be there, which notes how it is called and ends with this status.
    pub fn stand_in(&self, name: &str, status: u8) {
        let path = Path::new("/run/stand-ins").join(name);
        script(
            &path,
            &format!("echo {name} \"$@\" >>{NOTES}\nexit {status}"),
        );
    }

    /// What the stand-ins noted, and forgets it.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let notes = fs::read_to_string(NOTES).unwrap_or_default();
        let _none = fs::remove_file(NOTES);
        notes.lines().map(str::to_owned).collect()
    }

    /// The command `qubes-network` with these words, and with nothing in `PATH` but the stand-ins
    /// and what is needed to run them.
    #[must_use]
    pub fn command(&self, words: &str) -> Command {
        self.command_as(program("qubes-network"), words)
    }

    fn command_as(&self, program: PathBuf, words: &str) -> Command {
        let mut command = Command::new(program);
        command
            .args(words.split(' ').filter(|word| !word.is_empty()))
            .env("QUBESDB_DIR", self.database.sockets())
            .env("PATH", "/run/stand-ins");
        command
    }

    /// Runs `qubes-network` in a network namespace.
    pub fn run(&self, namespace: &Namespace, words: &str) -> Finished {
        namespace.run(|| run(self.command(words)))
    }

    /// Runs it by another name.
    pub fn run_as(&self, namespace: &Namespace, name: &str, words: &str) -> Finished {
        let link = Path::new("/run").join(name);
        let _there = std::os::unix::fs::symlink(program("qubes-network"), &link);
        namespace.run(|| run(self.command_as(link, words)))
    }
}

/// Writes an executable script.
pub fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("it has one")).expect("it is ours");
    fs::write(
        path,
        format!("#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n{text}\n"),
    )
    .expect("it is ours");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// A qube with an interface, and the qube that provides its network.
#[derive(Debug)]
pub struct Pair {
    /// The qube. Its interface is `eth0`, and switched off.
    pub qube: Namespace,
    /// The other, which also has 192.0.2.2 and 2001:db8::2.
    pub provider: Namespace,
}

impl Default for Pair {
    fn default() -> Self {
        Self::new()
    }
}

impl Pair {
    /// Both, joined.
    #[must_use]
    pub fn new() -> Self {
        let [qube, provider] = std::array::from_fn(|_| Namespace::new());
        provider.join("vif1.0", &qube, "eth0");
        qube.ip(&format!("link set eth0 down\nlink set eth0 address {MAC}"));
        qube.set("ipv4/ping_group_range", "0 2147483647");
        provider.ip("link set vif1.0 address fe:ff:ff:ff:ff:ff\n\
             addr add 10.138.0.1/32 dev vif1.0\naddr add fd0a::1/128 dev vif1.0 nodad\n\
             route add 10.137.0.0/24 dev vif1.0\nroute add fd09::/64 dev vif1.0\n\
             addr add 192.0.2.2/32 dev lo\naddr add 2001:db8::2/128 dev lo nodad");
        Self { qube, provider }
    }

    /// All that the qube's kernel knows of `eth0`, and its name servers.
    #[must_use]
    pub fn state(&self) -> String {
        let resolv_conf = fs::read_to_string("/etc/resolv.conf").expect("it is there");
        format!("{}{resolv_conf}", self.kernel_state())
    }

    /// All that the qube's kernel knows of `eth0`.
    #[must_use]
    pub fn kernel_state(&self) -> String {
        let of = |arguments: &[&str]| self.qube.feed("ip", arguments, "");
        let link = of(&["-o", "link", "show", "dev", "eth0"]);
        let words: Vec<&str> = link.split(' ').collect();
        let group = words.iter().position(|word| *word == "group");
        let group = group.map_or("", |at| words[at + 1]);
        let is_up = link.contains(",UP");
        [
            format!("group {group}, up: {is_up}\n"),
            of(&["-o", "addr", "show", "dev", "eth0", "scope", "global"]),
            of(&["-4", "route", "show", "dev", "eth0"]),
            // The kernel makes routes of the link's own addresses.
            of(&["-6", "route", "show", "dev", "eth0", "proto", "static"]),
            of(&["neigh", "show", "dev", "eth0", "nud", "permanent"]),
        ]
        .concat()
    }
}
