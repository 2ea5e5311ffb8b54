//! The name servers of this qube: those that it is given, and those that it uses.

use std::net::IpAddr;
use std::path::Path;

use firewall::{RESOLV_CONF, name_servers_in_use};
use program::failure::Failure;
use program::services;

use crate::interface::Name;
use crate::uplink::Of;
use crate::{files, programs};

/// Makes these the name servers of the qube.
pub(crate) fn set(interface: &Name, servers: &[Of<IpAddr>]) -> Result<(), Failure> {
    let servers: Vec<String> = match services::is_on("disable-dns-server") {
        true => Vec::new(),
        false => servers.iter().map(|dns| dns.value.to_string()).collect(),
    };
    if !files::is_protected(RESOLV_CONF) {
        let lines = servers
            .iter()
            .map(|server| format!("nameserver {server}\n"));
        let text: String = lines.collect();
        // What is so already is not touched: programs watch this file.
        if !files::holds(Path::new(RESOLV_CONF), text.as_bytes()) {
            files::replace(Path::new(RESOLV_CONF), &text, 0o644).map_err(Failure::of(
                format_args!(
                    "cannot write the name servers of \"{interface}\" to \"{RESOLV_CONF}\""
                ),
            ))?;
        }
    }
    if programs::says_yes(
        "systemctl",
        &["is-enabled", "--quiet", "systemd-resolved.service"],
    ) {
        let mut arguments = vec!["dns", interface.as_str()];
        match servers.is_empty() {
            // An empty word takes the servers of the interface away.
            true => arguments.push(""),
            false => arguments.extend(servers.iter().map(String::as_str)),
        }
        programs::run("resolvectl", &arguments);
    }
    Ok(())
}

/// The servers that this qube asks, in order, without those in this qube: packets from elsewhere
/// cannot be sent to them.
pub(crate) fn in_use() -> Vec<IpAddr> {
    // A list that cannot be read names no server.
    let mut all = name_servers_in_use(|file| files::read(Path::new(file)).unwrap_or_default());
    all.retain(|server| !server.is_loopback() && !server.is_unspecified());
    all
}
