//! Why an address is blocked.

use std::error;
use std::fmt;

use text::foreign;

/// The place in a rule, in bytes, from 1.
pub type Column = usize;

/// What is wrong with a rule, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// Where what is wrong begins.
    pub column: Column,
    /// What is wrong.
    pub kind: RuleErrorKind,
}

/// What is wrong with a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleErrorKind {
    /// A byte that is not printable ASCII.
    Byte(u8),
    /// A rule without a word.
    Empty,
    /// A blank at the beginning, at the end, or behind another.
    Blank,
    /// A word without `=`.
    NoEquals,
    /// A word with two `=`.
    TwoEquals,
    /// A key that the grammar does not have.
    UnknownKey,
    /// A key that was there already.
    Twice,
    /// A key that belongs before the last one.
    Order,
    /// A second one of `dst4`, `dst6` and `dsthost`.
    SecondDestination,
    /// The rule does not begin with `action=`.
    NoAction,
    /// Neither `accept` nor `drop`.
    Action,
    /// No IPv4 network.
    Dst4,
    /// No IPv6 network.
    Dst6,
    /// `dst6` for an IPv4 address, or `dst4` for an IPv6 address.
    OtherFamily,
    /// No name of a host.
    HostName,
    /// None of `tcp`, `udp` and `icmp`.
    Protocol,
    /// Not `dns`.
    SpecialTarget,
    /// No range of ports.
    Ports,
    /// `dstports` without `proto=tcp` or `proto=udp`.
    PortsWithoutProtocol,
    /// No number from 0 to 255.
    IcmpType,
    /// `icmptype` without `proto=icmp`.
    IcmpTypeWithoutProtocol,
}

impl fmt::Display for RuleErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Byte(byte) => return write!(f, "a rule has no byte 0x{byte:02x}"),
            Self::Empty => "the rule is empty",
            Self::Blank => "exactly one blank stands between two words, and none elsewhere",
            Self::NoEquals => "a word is KEY=VALUE",
            Self::TwoEquals => "a word has one \"=\"",
            Self::UnknownKey => "there is no such key",
            Self::Twice => "this key stands there twice",
            Self::Order => {
                "keys stand in the order action, dst4 or dst6 or dsthost, proto, specialtarget, \
                 dstports, icmptype"
            }
            Self::SecondDestination => "a rule has one of dst4, dst6 and dsthost",
            Self::NoAction => "a rule begins with action=accept or action=drop",
            Self::Action => "an action is \"accept\" or \"drop\"",
            Self::Dst4 => "dst4 is an IPv4 address, with or without /0 to /32",
            Self::Dst6 => "dst6 is an IPv6 address, with or without /0 to /128",
            Self::OtherFamily => "dst4 is for IPv4 addresses of qubes, dst6 for IPv6",
            Self::HostName => "dsthost is the name of a host, of a-z, 0-9, \".\", \"_\" and \"-\"",
            Self::Protocol => "proto is \"tcp\", \"udp\" or \"icmp\"",
            Self::SpecialTarget => "specialtarget is \"dns\"",
            Self::Ports => "dstports is FIRST-LAST, numbers from 0 to 65535, FIRST not above LAST",
            Self::PortsWithoutProtocol => "dstports stands behind proto=tcp or proto=udp only",
            Self::IcmpType => "icmptype is a number from 0 to 255",
            Self::IcmpTypeWithoutProtocol => "icmptype stands behind proto=icmp only",
        })
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.kind)
    }
}

impl error::Error for RuleError {}

/// Why the entries of an address are no policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyError {
    /// There is no entry `policy`.
    NoPolicy,
    /// The entry `policy` is neither `accept` nor `drop`.
    BadPolicy,
    /// An entry that is neither `policy` nor four digits.
    Key(Vec<u8>),
    /// A rule, with its number.
    Rule(u16, RuleError),
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPolicy => f.write_str("the entry \"policy\" is missing"),
            Self::BadPolicy => f.write_str("the entry \"policy\" is not \"accept\" or \"drop\""),
            Self::Key(key) => write!(
                f,
                "the entry \"{}\" is neither \"policy\" nor the number of a rule, four digits",
                foreign(key)
            ),
            Self::Rule(number, error) => write!(f, "rule {number:04}, {error}"),
        }
    }
}

impl error::Error for PolicyError {}
