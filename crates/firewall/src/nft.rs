//! The rules as text for `nft -f`, for people who test a rule by hand, and for the tests, which
//! compare it with what the agent has sent to the kernel.
//!
//! Everything in the text comes from types: no byte of an entry gets there, but for host names,
//! which have `a-z 0-9 . _ -` only.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::net::IpAddr;

use crate::address::{Client, Family};
use crate::judge::KnownAddresses;
use crate::line::{Line, Match, SetName, Verdict};
use crate::policy::Policy;

/// The name of both tables.
pub const TABLE: &str = "qubes-firewall";

/// What interfaces of qubes behind this one are called.
pub const CLIENT_INTERFACES: &str = "vif";

impl Family {
    /// As nft calls the family of a table.
    #[must_use]
    pub fn table_family(self) -> &'static str {
        match self {
            Self::V4 => "ip",
            Self::V6 => "ip6",
        }
    }
}

/// Everything that one table holds.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Each address and its policy; `None`: it is blocked.
    pub clients: Vec<(Client, Option<Policy>)>,
    /// The addresses in the sets.
    pub known: KnownAddresses,
    /// The addresses of the qubes that are connected.
    pub connected: BTreeSet<IpAddr>,
}

impl Table {
    /// The text of the table of one family: what there was is replaced.
    #[must_use]
    pub fn text(&self, family: Family) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _never = self.write(family, &mut text);
        text
    }

    fn write(&self, family: Family, text: &mut String) -> fmt::Result {
        let name = family.table_family();
        let of_family = |address: &&IpAddr| Family::of(**address) == family;
        let clients = self.clients.iter();
        let mut clients: Vec<_> = clients
            .filter(|(client, _)| client.family() == family)
            .collect();
        clients.sort_by_key(|(client, _)| *client);
        let policies = clients.iter().filter_map(|(_, policy)| policy.as_ref());
        let hosts: BTreeSet<_> = policies.flat_map(Policy::hosts).collect();
        let connected: Vec<_> = self.connected.iter().filter(of_family).collect();

        writeln!(text, "table {name} {TABLE}\ndelete table {name} {TABLE}")?;
        writeln!(text, "table {name} {TABLE} {{")?;
        set(
            text,
            family,
            &SetName::Dns,
            self.known.dns.iter().filter(of_family),
        )?;
        for host in hosts {
            let known = self.known.hosts.get(&host).into_iter().flatten();
            set(text, family, &SetName::Host(host), known.filter(of_family))?;
        }
        let interfaces = format!("!= \"{CLIENT_INTERFACES}*\"");
        writeln!(
            text,
            "\tchain forward {{\n\
             \t\ttype filter hook forward priority filter; policy drop;\n\
             \t\tct state established,related accept\n\
             \t\tiifname {interfaces} accept\n\
             \t\tjump qubes-forward\n\t}}"
        )?;
        writeln!(text, "\tchain qubes-forward {{")?;
        for (client, _) in &clients {
            writeln!(text, "\t\t{name} saddr {client} jump {}", client.chain())?;
        }
        writeln!(text, "\t}}")?;
        for (chain, interface, address) in [
            ("prerouting", "iifname", "saddr"),
            ("postrouting", "oifname", "daddr"),
        ] {
            writeln!(
                text,
                "\tchain {chain} {{\n\
                 \t\ttype filter hook {chain} priority raw; policy accept;"
            )?;
            if !connected.is_empty() {
                let connected = list(connected.iter());
                writeln!(
                    text,
                    "\t\t{interface} {interfaces} {name} {address} {{ {connected} }} drop"
                )?;
            }
            writeln!(text, "\t}}")?;
        }
        for (client, policy) in clients {
            writeln!(text, "\tchain {} {{", client.chain())?;
            for line in lines(policy.as_ref()) {
                writeln!(text, "\t\t{}", line.text(family))?;
            }
            writeln!(text, "\t}}")?;
        }
        writeln!(text, "}}")
    }
}

/// The lines of the chain of an address; without a policy it is blocked.
pub fn lines(policy: Option<&Policy>) -> Vec<Line> {
    match policy {
        Some(policy) => policy.lines().collect(),
        None => vec![Line::reject_all()],
    }
}

impl Line {
    /// The line as nft writes it.
    #[must_use]
    pub fn text(&self, family: Family) -> String {
        let name = family.table_family();
        let mut words = Vec::new();
        let mut protocol = "meta l4proto";
        for needed in &self.matches {
            words.push(match needed {
                Match::ToNet(net) => format!("{name} daddr {net}"),
                Match::ToSet(set) => format!("{name} daddr @{set}"),
                Match::Protocol(number) => {
                    protocol = match number {
                        6 => "tcp",
                        17 => "udp",
                        58 => "icmpv6",
                        _ => "icmp",
                    };
                    format!(
                        "meta l4proto {}",
                        if *number == 58 { "ipv6-icmp" } else { protocol }
                    )
                }
                Match::ToPorts(ports) if ports.first() == ports.last() => {
                    format!("{protocol} dport {}", ports.first())
                }
                Match::ToPorts(ports) => {
                    format!("{protocol} dport {}-{}", ports.first(), ports.last())
                }
                Match::IcmpType(number) => format!("{protocol} type {number}"),
            });
        }
        words.push(match (self.verdict, family) {
            (Verdict::Accept, _) => "accept".to_owned(),
            (Verdict::Reject, Family::V4) => "reject with icmp type admin-prohibited".to_owned(),
            (Verdict::Reject, Family::V6) => "reject with icmpv6 type admin-prohibited".to_owned(),
        });
        words.join(" ")
    }
}

fn set<'a>(
    text: &mut String,
    family: Family,
    name: &SetName,
    elements: impl Iterator<Item = &'a IpAddr>,
) -> fmt::Result {
    let elements = list(elements);
    let elements = match elements.as_str() {
        "" => String::new(),
        elements => format!(" elements = {{ {elements} }};"),
    };
    let kind = match family {
        Family::V4 => "ipv4_addr",
        Family::V6 => "ipv6_addr",
    };
    writeln!(text, "\tset {name} {{ type {kind};{elements} }}")
}

fn list<T: fmt::Display>(items: impl Iterator<Item = T>) -> String {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    items.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Rule;

    fn lines(family: Family, rule: &str) -> Vec<String> {
        let rule = Rule::parse(family, rule.as_bytes()).unwrap();
        let lines = rule.lines(family).into_iter();
        lines.map(|line| line.text(family)).collect()
    }

    /// The table of what a rule becomes, row by row.
    #[test]
    fn a_rule_becomes_these_lines() {
        for (rule, expected) in [
            (
                "action=accept dst4=8.8.8.8/32 proto=udp dstports=53-53",
                &["ip daddr 8.8.8.8/32 meta l4proto udp udp dport 53 accept"][..],
            ),
            (
                "action=accept specialtarget=dns",
                &[
                    "ip daddr @dns-addr meta l4proto tcp tcp dport 53 accept",
                    "ip daddr @dns-addr meta l4proto udp udp dport 53 accept",
                ],
            ),
            (
                "action=drop proto=tcp specialtarget=dns",
                &["ip daddr @dns-addr meta l4proto tcp tcp dport 53 \
                   reject with icmp type admin-prohibited"],
            ),
            (
                "action=accept proto=icmp icmptype=8",
                &["meta l4proto icmp icmp type 8 accept"],
            ),
            (
                "action=accept dsthost=example.com",
                &["ip daddr @h-example.com accept"],
            ),
            (
                "action=accept proto=tcp specialtarget=dns dstports=80-80",
                &[],
            ),
            ("action=accept proto=icmp specialtarget=dns", &[]),
            (
                "action=accept proto=tcp specialtarget=dns dstports=1-1024",
                &["ip daddr @dns-addr meta l4proto tcp tcp dport 53 accept"],
            ),
            (
                "action=accept dst4=1.2.3.4/0 proto=tcp",
                &["meta l4proto tcp accept"],
            ),
            (
                "action=accept proto=tcp dstports=80-443",
                &["meta l4proto tcp tcp dport 80-443 accept"],
            ),
        ] {
            assert_eq!(lines(Family::V4, rule), expected, "{rule}");
        }
        assert_eq!(
            lines(
                Family::V6,
                "action=drop dst6=2000::/3 proto=icmp icmptype=8"
            ),
            ["ip6 daddr 2000::/3 meta l4proto ipv6-icmp icmpv6 type 8 \
              reject with icmpv6 type admin-prohibited"]
        );
    }

    #[test]
    fn a_table_holds_what_its_family_has() {
        let policy = |family| Policy::parse(family, [(&b"policy"[..], &b"accept"[..])]).unwrap();
        let client = |text: &str| Client::parse(text.as_bytes()).unwrap();
        let table = Table {
            clients: vec![
                (client("10.137.0.6"), None),
                (client("10.137.0.5"), Some(policy(Family::V4))),
                (client("fd09::5"), Some(policy(Family::V6))),
            ],
            connected: ["10.137.0.5".parse().unwrap()].into(),
            ..Table::default()
        };
        assert_eq!(
            table.text(Family::V4),
            "table ip qubes-firewall\n\
             delete table ip qubes-firewall\n\
             table ip qubes-firewall {\n\
             \tset dns-addr { type ipv4_addr; }\n\
             \tchain forward {\n\
             \t\ttype filter hook forward priority filter; policy drop;\n\
             \t\tct state established,related accept\n\
             \t\tiifname != \"vif*\" accept\n\
             \t\tjump qubes-forward\n\
             \t}\n\
             \tchain qubes-forward {\n\
             \t\tip saddr 10.137.0.5 jump qbs-10-137-0-5\n\
             \t\tip saddr 10.137.0.6 jump qbs-10-137-0-6\n\
             \t}\n\
             \tchain prerouting {\n\
             \t\ttype filter hook prerouting priority raw; policy accept;\n\
             \t\tiifname != \"vif*\" ip saddr { 10.137.0.5 } drop\n\
             \t}\n\
             \tchain postrouting {\n\
             \t\ttype filter hook postrouting priority raw; policy accept;\n\
             \t\toifname != \"vif*\" ip daddr { 10.137.0.5 } drop\n\
             \t}\n\
             \tchain qbs-10-137-0-5 {\n\
             \t\taccept\n\
             \t}\n\
             \tchain qbs-10-137-0-6 {\n\
             \t\treject with icmp type admin-prohibited\n\
             \t}\n\
             }\n"
        );
        let other = table.text(Family::V6);
        assert!(
            other.contains("ip6 saddr fd09::5 jump qbs-fd09--5"),
            "{other}"
        );
        assert!(!other.contains("10-137"), "{other}");
    }
}
