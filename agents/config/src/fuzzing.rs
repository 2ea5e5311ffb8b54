//! What the fuzz target does with the bytes that the fuzzer makes up.

use std::path::{Component, Path};

use crate::host::with_name;
use crate::keys::{Persistence, QubeType, ServiceName, Zone};
use crate::services::Services;

/// Judges bytes as every key that is read. Each line is also an entry of a service, `NAME=VALUE`.
///
/// # Panics
/// When something that must hold does not.
pub fn keys(untrusted: &[u8]) {
    let is_plain = |part| matches!(part, Component::Normal(_));
    if let Ok(zone) = Zone::parse(untrusted) {
        assert!(Path::new(zone.as_str()).components().all(is_plain));
    }
    let _judged = Persistence::parse(untrusted);
    let kind = QubeType::parse(untrusted).unwrap_or(QubeType::Disposable);
    let mut services = Services::of(kind);
    for line in untrusted.split(|byte| *byte == b'\n') {
        let (name, value) = match line.iter().position(|byte| *byte == b'=') {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &b""[..]),
        };
        match services.enter(name, value) {
            Ok(entered) => assert_eq!(services.is_on(&entered), value == b"1"),
            Err(said) => assert!(said.chars().all(|c| (' '..='~').contains(&c)), "{said:?}"),
        }
    }
    let is_one = |name: &ServiceName| Path::new(name.as_str()).components().count() == 1;
    assert!(services.decided().iter().all(is_one));
    let once = with_name(untrusted, "127.0.1.1", "work");
    assert_eq!(with_name(&once, "127.0.1.1", "work"), once);
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_corpus_holds() {
        test_support::corpus("qube_config", 4, super::keys);
    }
}
