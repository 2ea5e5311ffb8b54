//! NetworkManager, where it has the interfaces: it gets a connection as a file
//! (`nm-settings-keyfile(5)`).

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use program::failure::Failure;
use program::services;

use crate::interface::Name;
use crate::keys::Mac;
use crate::uplink::Uplink;
use crate::{files, programs};

const FOLDER: &str = "/etc/NetworkManager/system-connections";

/// Has it the interfaces of this qube?
pub(crate) fn is_in_charge() -> bool {
    services::is_on("network-manager") && programs::is_there("nmcli")
}

/// Gives it the connection of an interface.
pub(crate) fn add(interface: &Name, mac: Mac, uplink: &Uplink) -> Result<(), Failure> {
    let (path, text) = (
        path(interface),
        text(interface, mac, uplink, &Wishes::now()),
    );
    let shown = text::file(&path);
    // What is so already is not touched, so that the connection is not started again.
    if files::holds(&path, text.as_bytes()) {
        return Ok(());
    }
    files::replace(&path, &text, 0o600).map_err(Failure::of(format_args!(
        "cannot write the connection of \"{interface}\" to {shown}"
    )))?;
    programs::run("nmcli", &["connection", "load", &path.to_string_lossy()]);
    Ok(())
}

/// Takes it away again.
pub(crate) fn remove(interface: &Name) -> Result<(), Failure> {
    let path = path(interface);
    if !path.exists() {
        return Ok(());
    }
    files::remove(&path).map_err(Failure::of(format_args!(
        "cannot remove the connection of \"{interface}\", {}",
        text::file(&path)
    )))?;
    programs::run("nmcli", &["connection", "reload"]);
    Ok(())
}

fn path(interface: &Name) -> PathBuf {
    Path::new(FOLDER).join(format!("qubes-uplink-{interface}"))
}

/// What the services of the qube switch off.
struct Wishes {
    has_default_route: bool,
    has_dns: bool,
}

impl Wishes {
    fn now() -> Self {
        Self {
            has_default_route: !services::is_on("disable-default-route"),
            has_dns: !services::is_on("disable-dns-server"),
        }
    }
}

fn text(interface: &Name, mac: Mac, uplink: &Uplink, wishes: &Wishes) -> String {
    let mut text = format!(
        "[connection]\nid=qubes-uplink-{interface}\ntype=ethernet\ninterface-name={interface}\n\n\
         [ethernet]\nmac-address={mac}\n"
    );
    for (section, is_v4) in [("ipv4", true), ("ipv6", false)] {
        let _fits = write!(text, "\n[{section}]\n");
        let of_family = |address: &IpAddr| address.is_ipv4() == is_v4;
        let mut sides = uplink.sides.iter();
        let Some(side) = sides.find(|side| of_family(&side.address.value)) else {
            text.push_str("method=disabled\n");
            continue;
        };
        let _fits = write!(
            text,
            "method=manual\nmay-fail=false\naddress1={}/{}",
            side.address.value, side.prefix
        );
        if let Some(gateway) = &side.gateway {
            let _fits = write!(text, ",{}", gateway.value);
        }
        text.push('\n');
        if !wishes.has_default_route {
            text.push_str("never-default=true\n");
        }
        let servers = uplink.dns.iter().map(|dns| dns.value).filter(of_family);
        let servers: String = servers.map(|server| format!("{server};")).collect();
        if wishes.has_dns && !servers.is_empty() {
            let _fits = writeln!(text, "dns={servers}");
        }
        text.push_str("ignore-auto-dns=true\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;
    use crate::uplink;

    #[test]
    fn the_file_has_what_the_keys_say() {
        let mut keys = Keys::default();
        for (key, value) in [
            ("/qubes-ip", "10.137.0.5"),
            ("/qubes-gateway", "10.138.0.1"),
            ("/qubes-primary-dns", "10.139.1.1"),
            ("/qubes-secondary-dns", "10.139.1.2"),
        ] {
            keys.insert(key, value.as_bytes());
        }
        let mac = Mac([0, 0x16, 0x3e, 0x5e, 0x6c, 0]);
        let uplink = uplink::read(&keys, mac).unwrap().unwrap();
        let name: Name = "eth0".parse().unwrap();
        let all = Wishes {
            has_default_route: true,
            has_dns: true,
        };
        assert_eq!(
            text(&name, mac, &uplink, &all),
            "[connection]\nid=qubes-uplink-eth0\ntype=ethernet\ninterface-name=eth0\n\n\
             [ethernet]\nmac-address=00:16:3e:5e:6c:00\n\n\
             [ipv4]\nmethod=manual\nmay-fail=false\naddress1=10.137.0.5/32,10.138.0.1\n\
             dns=10.139.1.1;10.139.1.2;\nignore-auto-dns=true\n\n[ipv6]\nmethod=disabled\n"
        );
        let none = Wishes {
            has_default_route: false,
            has_dns: false,
        };
        let text = text(&name, mac, &uplink, &none);
        assert!(text.contains("never-default=true\n"), "{text}");
        assert!(!text.contains("\ndns="), "{text}");
    }
}
