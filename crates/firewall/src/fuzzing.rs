//! The body of the fuzz target: any bytes as the entries of an address.
#![expect(
    clippy::missing_panics_doc,
    reason = "a harness panics where its test has failed"
)]

use crate::address::{Client, Family};
use crate::error::PolicyError;
use crate::judge::{KnownAddresses, Packet, verdict};
use crate::nft::Table;
use crate::policy::Policy;
use crate::rule::{Action, Destination, Protocol, Rule};

/// Reads one rule of each line behind the first, which is the policy; the first byte chooses the
/// family. What is read is written again as dom0 writes it, and must be the same rule.
pub fn entries(untrusted: &[u8]) {
    let Some((choice, untrusted)) = untrusted.split_first() else {
        return;
    };
    let family = Family::ALL[usize::from(choice % 2)];
    let mut lines = untrusted.split(|byte| *byte == b'\n');
    let policy = lines.next().unwrap_or_default();
    let rules: Vec<&[u8]> = lines.take(100).collect();
    for rule in &rules {
        if let Ok(read) = Rule::parse(family, rule) {
            let written = written(&read);
            assert_eq!(Rule::parse(family, written.as_bytes()).as_ref(), Ok(&read));
        }
    }
    let numbers: Vec<String> = (0..rules.len())
        .map(|number| format!("{number:04}"))
        .collect();
    let entries = numbers
        .iter()
        .map(String::as_bytes)
        .zip(rules.iter().copied());
    let client = match family {
        Family::V4 => Client::parse(b"10.137.0.5"),
        Family::V6 => Client::parse(b"fd09::5"),
    };
    let client = client.expect("an address");
    let read = Policy::parse(family, entries.chain([(&b"policy"[..], policy)]));
    if let Err(PolicyError::Rule(number, error)) = &read {
        let rule = rules[usize::from(*number)];
        assert!((1..=rule.len() + 1).contains(&error.column), "{error}");
    }
    let table = Table {
        clients: vec![(client, read.clone().ok())],
        ..Table::default()
    };
    // Nothing of an entry gets into the chain that nft could take for its own syntax.
    let text = table.text(family);
    let chain = text.split(&client.chain()).last().unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" \t\n{}.:/-_@".contains(&byte);
    assert!(chain.bytes().all(is_plain), "{chain}");
    assert_eq!(chain.matches('{').count(), 1, "{chain}");
    if let Ok(policy) = read {
        let packet = Packet {
            destination: client.address(),
            protocol: *choice,
            port: Some(53),
            icmp_type: None,
        };
        let _any = verdict(&policy, &packet, &KnownAddresses::default());
    }
}

/// The rule as dom0 writes it.
#[must_use]
pub fn written(rule: &Rule) -> String {
    let mut words = vec![match rule.action() {
        Action::Accept => "action=accept".to_owned(),
        Action::Drop => "action=drop".to_owned(),
    }];
    match rule.destination() {
        Some(Destination::Net(net)) if net.address().is_ipv4() => words.push(format!("dst4={net}")),
        Some(Destination::Net(net)) => words.push(format!("dst6={net}")),
        Some(Destination::Host(name)) => words.push(format!("dsthost={name}")),
        None => {}
    }
    let (name, more) = match rule.protocol() {
        Some(Protocol::Tcp(ports)) => ("tcp", ports.map(ports_word)),
        Some(Protocol::Udp(ports)) => ("udp", ports.map(ports_word)),
        Some(Protocol::Icmp(icmp_type)) => (
            "icmp",
            icmp_type.map(|icmp_type| format!("icmptype={icmp_type}")),
        ),
        None => ("", None),
    };
    if !name.is_empty() {
        words.push(format!("proto={name}"));
    }
    if rule.is_to_dns() {
        words.push("specialtarget=dns".to_owned());
    }
    words.extend(more);
    words.join(" ")
}

fn ports_word(ports: crate::Ports) -> String {
    format!("dstports={}-{}", ports.first(), ports.last())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::entries;

    #[test]
    fn the_committed_inputs_find_no_fault() {
        test_support::corpus("firewall_rules", 1, entries);
    }

    proptest! {
        /// Pieces of the grammar in any order: most of them are no rule, many nearly one.
        #[test]
        fn no_bytes_are_read_as_something_else(
            choice: u8,
            words in proptest::collection::vec(prop_oneof![
                Just("action=accept"), Just("action=drop"), Just("dst4=1.2.3.4/8"), Just(" "),
                Just("dst6=2a00::/16"), Just("dsthost=a.b"), Just("proto=tcp"), Just("proto=udp"),
                Just("proto=icmp"), Just("specialtarget=dns"), Just("dstports=1-65535"),
                Just("icmptype=8"), Just("\n"), Just("="), Just("accept\n"), Just(";"),
            ], 0..20),
            odd: Vec<u8>,
        ) {
            let mut input = vec![choice];
            input.extend_from_slice(b"drop\n");
            input.extend_from_slice(words.join(" ").as_bytes());
            entries(&input);
            input.extend_from_slice(words.concat().as_bytes());
            input.extend_from_slice(&odd);
            entries(&input);
            entries(&odd);
        }
    }
}
