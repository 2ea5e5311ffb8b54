//! One rule: `action=accept dst4=192.0.2.0/24 proto=tcp dstports=80-80`.

use crate::address::Family;
use crate::error::{RuleError, RuleErrorKind as Kind};
use crate::host_name::HostName;
use crate::net::Net;

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It passes.
    Accept,
    /// It does not, and the sender is told so.
    Drop,
}

impl Action {
    /// Reads `accept` or `drop`.
    #[must_use]
    pub fn parse(untrusted_text: &[u8]) -> Option<Self> {
        match untrusted_text {
            b"accept" => Some(Self::Accept),
            b"drop" => Some(Self::Drop),
            _ => None,
        }
    }
}

/// Where a packet goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// To a network.
    Net(Net),
    /// To a host, whose addresses change.
    Host(HostName),
}

/// A range of ports, the last one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ports {
    first: u16,
    last: u16,
}

impl Ports {
    /// From `first` to `last`; `None`: that is no range.
    #[must_use]
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The lowest port.
    #[must_use]
    pub fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    #[must_use]
    pub fn last(self) -> u16 {
        self.last
    }

    /// Is this port one of them?
    #[must_use]
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        Self::new(number(first, u16::MAX)?, number(last, u16::MAX)?)
    }
}

/// The protocol of a packet, with what only it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP, to any port or to these.
    Tcp(Option<Ports>),
    /// UDP, to any port or to these.
    Udp(Option<Ports>),
    /// ICMP, or ICMPv6 for an IPv6 address: of any type or of this.
    Icmp(Option<u8>),
}

/// A rule. A packet that has all that it names is treated by its action.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    action: Action,
    destination: Option<Destination>,
    protocol: Option<Protocol>,
    to_dns: bool,
}

/// The keys, in their order. The three destinations have one place.
const KEYS: [(&str, u8); 8] = [
    ("action", 0),
    ("dst4", 1),
    ("dst6", 1),
    ("dsthost", 1),
    ("proto", 2),
    ("specialtarget", 3),
    ("dstports", 4),
    ("icmptype", 5),
];

impl Rule {
    /// Reads a rule of an address of this family.
    ///
    /// # Errors
    /// It is not in the grammar of docs/firewall.md.
    pub fn parse(family: Family, untrusted_bytes: &[u8]) -> Result<Self, RuleError> {
        let text = printable(untrusted_bytes)?;
        let mut last: Option<&(&str, u8)> = None;
        let mut rule = Self {
            action: Action::Drop,
            destination: None,
            protocol: None,
            to_dns: false,
        };
        let mut column = 1;
        for word in text.split(' ') {
            let at = |offset: usize, kind| RuleError {
                column: column + offset,
                kind,
            };
            let (key, value) = key_and_value(word).map_err(|(offset, kind)| at(offset, kind))?;
            let known = KEYS.iter().find(|(name, _)| *name == key);
            let known = known.ok_or_else(|| at(0, Kind::UnknownKey))?;
            check_order(last, known).map_err(|kind| at(0, kind))?;
            last = Some(known);
            rule.take_in(family, key, value)
                .map_err(|kind| at(if is_about_key(kind) { 0 } else { key.len() + 1 }, kind))?;
            column += word.len() + 1;
        }
        Ok(rule)
    }

    fn take_in(&mut self, family: Family, key: &str, value: &str) -> Result<(), Kind> {
        match key {
            "action" => self.action = Action::parse(value.as_bytes()).ok_or(Kind::Action)?,
            "dst4" => self.destination = Some(net(family, Family::V4, value, Kind::Dst4)?),
            "dst6" => self.destination = Some(net(family, Family::V6, value, Kind::Dst6)?),
            "dsthost" => {
                let name = HostName::parse(value).ok_or(Kind::HostName)?;
                self.destination = Some(Destination::Host(name));
            }
            "proto" => {
                self.protocol = Some(match value {
                    "tcp" => Protocol::Tcp(None),
                    "udp" => Protocol::Udp(None),
                    "icmp" => Protocol::Icmp(None),
                    _ => return Err(Kind::Protocol),
                });
            }
            "specialtarget" if value == "dns" => self.to_dns = true,
            "specialtarget" => return Err(Kind::SpecialTarget),
            "dstports" => match &mut self.protocol {
                Some(Protocol::Tcp(ports) | Protocol::Udp(ports)) => {
                    *ports = Some(Ports::parse(value).ok_or(Kind::Ports)?);
                }
                _ => return Err(Kind::PortsWithoutProtocol),
            },
            "icmptype" => match &mut self.protocol {
                Some(Protocol::Icmp(icmp_type)) => {
                    *icmp_type = Some(number(value, u8::MAX).ok_or(Kind::IcmpType)?);
                }
                _ => return Err(Kind::IcmpTypeWithoutProtocol),
            },
            _ => return Err(Kind::UnknownKey),
        }
        Ok(())
    }

    /// What happens to a packet that it matches.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// Where a packet must go; `None`: anywhere.
    #[must_use]
    pub fn destination(&self) -> Option<&Destination> {
        self.destination.as_ref()
    }

    /// The protocol that a packet must have; `None`: any.
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        self.protocol
    }

    /// Must a packet go to a DNS server of this qube, to the port of DNS?
    #[must_use]
    pub fn is_to_dns(&self) -> bool {
        self.to_dns
    }
}

/// A decimal number of at most `most`, without a sign and without zeros before it.
pub(crate) fn number<T: TryFrom<u32> + Into<u32>>(text: &str, most: T) -> Option<T> {
    let is_plain = text == "0" || !text.starts_with('0');
    let is_decimal = is_plain && text.bytes().all(|byte| byte.is_ascii_digit());
    let number: u32 = is_decimal.then(|| text.parse().ok()).flatten()?;
    T::try_from(number).ok().filter(|_| number <= most.into())
}

fn printable(untrusted_bytes: &[u8]) -> Result<&str, RuleError> {
    let odd = untrusted_bytes
        .iter()
        .position(|byte| !matches!(byte, b' '..=b'~'));
    if let Some(at) = odd {
        return Err(RuleError {
            column: at + 1,
            kind: Kind::Byte(untrusted_bytes[at]),
        });
    }
    match std::str::from_utf8(untrusted_bytes) {
        Ok(text) if !text.is_empty() => Ok(text),
        _ => Err(RuleError {
            column: 1,
            kind: Kind::Empty,
        }),
    }
}

/// The two sides of the one `=`; or how far into the word the error is.
fn key_and_value(word: &str) -> Result<(&str, &str), (usize, Kind)> {
    if word.is_empty() {
        return Err((0, Kind::Blank));
    }
    let (key, value) = word.split_once('=').ok_or((0, Kind::NoEquals))?;
    match value.find('=') {
        Some(second) => Err((key.len() + 1 + second, Kind::TwoEquals)),
        None => Ok((key, value)),
    }
}

fn check_order(last: Option<&(&str, u8)>, this: &(&str, u8)) -> Result<(), Kind> {
    match last {
        None if this.1 != 0 => Err(Kind::NoAction),
        Some(last) if last.0 == this.0 => Err(Kind::Twice),
        Some(last) if last.1 == this.1 => Err(Kind::SecondDestination),
        Some(last) if last.1 > this.1 => Err(Kind::Order),
        _ => Ok(()),
    }
}

/// Is the word as a whole wrong, and not its value?
fn is_about_key(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::OtherFamily | Kind::PortsWithoutProtocol | Kind::IcmpTypeWithoutProtocol
    )
}

fn net(family: Family, of: Family, value: &str, kind: Kind) -> Result<Destination, Kind> {
    if family != of {
        return Err(Kind::OtherFamily);
    }
    Net::parse(of, value).map(Destination::Net).ok_or(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(family: Family, text: &[u8]) -> (usize, Kind) {
        match Rule::parse(family, text) {
            Ok(rule) => panic!("{}: {rule:?}", text.escape_ascii()),
            Err(error) => (error.column, error.kind),
        }
    }

    #[test]
    fn the_examples_of_the_documentation_are_rules() {
        let rule = Rule::parse(
            Family::V4,
            b"action=accept dst4=8.8.8.8 proto=udp dstports=53-53",
        )
        .unwrap();
        assert_eq!(rule.action(), Action::Accept);
        let net = Net::new("8.8.8.8".parse().unwrap(), 32).unwrap();
        assert_eq!(rule.destination(), Some(&Destination::Net(net)));
        assert_eq!(rule.protocol(), Some(Protocol::Udp(Ports::new(53, 53))));
        assert!(!rule.is_to_dns());
        for good in [
            &b"action=drop dst6=2a00:1450:4000::/37 proto=tcp"[..],
            b"action=accept specialtarget=dns",
            b"action=drop proto=tcp specialtarget=dns",
            b"action=drop",
            b"action=accept dsthost=www.example.com proto=tcp dstports=0-65535",
            b"action=accept proto=icmp icmptype=255",
            b"action=accept proto=udp specialtarget=dns dstports=53-53",
        ] {
            Rule::parse(Family::V6, good).unwrap();
        }
    }

    /// The rows of the table of errors that are about one rule, each with its column.
    #[test]
    fn everything_else_is_an_error_with_its_column() {
        use Kind::*;
        for (text, column, kind) in [
            (&b""[..], 1, Empty),
            (b" action=drop", 1, Blank),
            (b"action=drop ", 13, Blank),
            (b"action=drop  proto=tcp", 13, Blank),
            (b" ", 1, Blank),
            (b"action=drop\tproto=tcp", 12, Byte(9)),
            (b"action=drop\nproto=tcp", 12, Byte(10)),
            (b"action=drop\n", 12, Byte(10)),
            (b"action=drop \xff", 13, Byte(0xff)),
            (b"action=drop dsthost=\xc3\xa9", 21, Byte(0xc3)),
            (b"action=drop proto", 13, NoEquals),
            (b"action", 1, NoEquals),
            (b"action=drop proto==tcp", 19, TwoEquals),
            (b"action=drop proto=tcp=", 22, TwoEquals),
            (b"action=drop dpi=NO", 13, UnknownKey),
            (b"action=drop =", 13, UnknownKey),
            (b"action=drop expire=1", 13, UnknownKey),
            (b"action=drop PROTO=tcp", 13, UnknownKey),
            (b"proto=tcp", 1, NoAction),
            (b"proto=tcp action=drop", 1, NoAction),
            (b"action=DROP", 8, Action),
            (b"action=reject", 8, Action),
            (b"action=", 8, Action),
            (b"action=accept action=accept", 15, Twice),
            (b"action=accept dst4=1.2.3.4 dst4=1.2.3.4", 28, Twice),
            (b"action=accept proto=tcp dst4=1.2.3.4", 25, Order),
            (b"action=accept proto=tcp dstports=1-1 proto=tcp", 38, Order),
            (
                b"action=accept dst4=1.2.3.4 dsthost=a",
                28,
                SecondDestination,
            ),
            (
                b"action=accept dsthost=a dst4=1.2.3.4",
                25,
                SecondDestination,
            ),
            (b"action=accept dst6=::1", 15, OtherFamily),
            (b"action=accept dst4=1.2.3.4;", 20, Dst4),
            (b"action=accept dst4=1.2.3.4;accept", 20, Dst4),
            (b"action=accept dst4=1.2.3.4-1.2.3.9", 20, Dst4),
            (b"action=accept dst4={1.2.3.4}", 20, Dst4),
            (b"action=accept dst4=@dns-addr", 20, Dst4),
            (b"action=accept dst4=\"1.2.3.4\"", 20, Dst4),
            (b"action=accept dst4=1.2.3.4#", 20, Dst4),
            (b"action=accept dst4=localhost", 20, Dst4),
            (b"action=accept dst4=1.2.3.4/33", 20, Dst4),
            (b"action=accept dst4=::1", 20, Dst4),
            (b"action=accept dst4=", 20, Dst4),
            (b"action=accept dsthost=", 23, HostName),
            (b"action=accept dsthost=EXAMPLE.com", 23, HostName),
            (b"action=accept dsthost=a;b", 23, HostName),
            (b"action=accept dsthost=a..b", 23, HostName),
            (b"action=accept proto=6", 21, Protocol),
            (b"action=accept proto=TCP", 21, Protocol),
            (b"action=accept proto={tcp,udp}", 21, Protocol),
            (b"action=accept proto=icmpv6", 21, Protocol),
            (b"action=accept proto=sctp", 21, Protocol),
            (b"action=accept proto=", 21, Protocol),
            (b"action=accept specialtarget=foo", 29, SpecialTarget),
            (b"action=accept specialtarget=DNS", 29, SpecialTarget),
            (b"action=accept specialtarget=", 29, SpecialTarget),
            (b"action=accept dstports=80-80", 15, PortsWithoutProtocol),
            (
                b"action=accept proto=icmp dstports=80-80",
                26,
                PortsWithoutProtocol,
            ),
            (
                b"action=accept specialtarget=dns dstports=53-53",
                33,
                PortsWithoutProtocol,
            ),
            (b"action=accept proto=tcp dstports=80", 34, Ports),
            (b"action=accept proto=tcp dstports=http-http", 34, Ports),
            (b"action=accept proto=tcp dstports={80,443}", 34, Ports),
            (b"action=accept proto=tcp dstports=0x50-0x50", 34, Ports),
            (b"action=accept proto=tcp dstports=81-80", 34, Ports),
            (b"action=accept proto=tcp dstports=0-65536", 34, Ports),
            (b"action=accept proto=tcp dstports=080-080", 34, Ports),
            (b"action=accept proto=tcp dstports=+80-80", 34, Ports),
            (b"action=accept proto=tcp dstports=-", 34, Ports),
            (b"action=accept proto=tcp dstports=80-80-80", 34, Ports),
            (
                b"action=accept proto=tcp icmptype=8",
                25,
                IcmpTypeWithoutProtocol,
            ),
            (b"action=accept icmptype=8", 15, IcmpTypeWithoutProtocol),
            (
                b"action=accept proto=icmp icmptype=echo-request",
                35,
                IcmpType,
            ),
            (b"action=accept proto=icmp icmptype=256", 35, IcmpType),
            (b"action=accept proto=icmp icmptype=08", 35, IcmpType),
            (b"action=accept proto=icmp icmptype=", 35, IcmpType),
        ] {
            let found = error(Family::V4, text);
            assert_eq!(found, (column, kind), "{}", text.escape_ascii());
        }
        assert_eq!(
            error(Family::V6, b"action=accept dst4=1.2.3.4"),
            (15, OtherFamily)
        );
        assert_eq!(error(Family::V6, b"action=accept dst6=1.2.3.4"), (20, Dst6));
        assert_eq!(
            error(Family::V6, b"action=accept dst6=fe80::1%eth0"),
            (20, Dst6)
        );
    }
}
