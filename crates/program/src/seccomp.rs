//! Filters of system calls (`seccomp(2)`), for programs that read what others made up.

use std::io;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter,
};

/// A call that is allowed with some arguments only: its number, and what one of its arguments must
/// be. Two of the same call allow either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The number of the call (`SYS_…`).
    pub call: i64,
    /// The number of the argument, from 0. Its lower 32 bits count.
    pub argument: u8,
    /// The bits that are looked at.
    pub mask: i32,
    /// What they must be.
    pub bits: i32,
}

impl Rule {
    /// The call `call` is allowed if argument number `argument` has, of the bits in `mask`, exactly
    /// those in `bits`.
    #[must_use]
    pub fn new(call: i64, argument: u8, mask: i32, bits: i32) -> Self {
        Self {
            call,
            argument,
            mask,
            bits,
        }
    }
}

/// Limits this process for good to `calls`, whatever their arguments are, and to what `rules` allow. A
/// call that has rules is allowed by them only, even if it is one of `calls`. Any other call ends the
/// process with `SIGSYS`.
///
/// # Errors
/// The processor is not known, or the kernel refuses the filter.
pub fn allow_only(calls: impl IntoIterator<Item = i64>, rules: &[Rule]) -> io::Result<()> {
    let program = program(calls, rules).map_err(io::Error::other)?;
    apply_filter(&program).map_err(io::Error::other)
}

fn program(
    calls: impl IntoIterator<Item = i64>,
    rules: &[Rule],
) -> Result<BpfProgram, BackendError> {
    let mut allowed: std::collections::BTreeMap<i64, Vec<SeccompRule>> =
        calls.into_iter().map(|call| (call, Vec::new())).collect();
    for rule in rules {
        let operator = SeccompCmpOp::MaskedEq(unsigned(rule.mask));
        let length = SeccompCmpArgLen::Dword;
        let bits = unsigned(rule.bits);
        let condition = SeccompCondition::new(rule.argument, length, operator, bits)?;
        let rules = allowed.entry(rule.call).or_default();
        rules.push(SeccompRule::new(vec![condition])?);
    }
    let filter = SeccompFilter::new(
        allowed,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?;
    filter.try_into()
}

fn unsigned(bits: i32) -> u64 {
    u32::from_ne_bytes(bits.to_ne_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_with_rules_is_allowed_by_them_only() {
        let rule = Rule {
            call: 2,
            argument: 1,
            mask: 3,
            bits: 0,
        };
        let only_by_rule = program([1], &[rule]).unwrap();
        assert_eq!(program([1, 2], &[rule]).unwrap(), only_by_rule);
        assert_ne!(program([1, 2], &[]).unwrap(), only_by_rule);
    }
}
