//! The lists of connected qubes, `/connected-ips` and `/connected-ips6`: addresses with blanks
//! between them. Nothing here reads or writes anything.

use std::net::IpAddr;

use firewall::{Client, Family};

/// The key of a family.
pub(crate) fn key(family: Family) -> &'static str {
    match family {
        Family::V4 => "/connected-ips",
        Family::V6 => "/connected-ips6",
    }
}

/// A list with what is to be in it, and without what is not; `None`: it is so already. Words that
/// are no address of the family are left out when it is written.
pub(crate) fn changed(
    family: Family,
    untrusted_list: &[u8],
    with: &[IpAddr],
    without: &[IpAddr],
) -> Option<String> {
    let of_family = |address: &IpAddr| Family::of(*address) == family;
    let mut list: Vec<IpAddr> = untrusted_list
        .split(|byte| *byte == b' ')
        .filter_map(|word| Some(Client::parse(word)?.address()))
        .filter(of_family)
        .collect();
    let before = list.clone();
    list.retain(|address| !without.contains(address));
    for address in with.iter().filter(|address| of_family(address)) {
        if !list.contains(address) {
            list.push(*address);
        }
    }
    let texts: Vec<String> = list.iter().map(IpAddr::to_string).collect();
    (list != before).then(|| texts.join(" "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_list_is_written_only_when_it_changes() {
        let change = |list: &str, with: &[&str], without: &[&str]| {
            let ips = |texts: &[&str]| texts.iter().map(|text| ip(text)).collect::<Vec<_>>();
            changed(Family::V4, list.as_bytes(), &ips(with), &ips(without))
        };
        assert_eq!(change("", &["10.0.0.1"], &[]).as_deref(), Some("10.0.0.1"));
        assert_eq!(change("10.0.0.1 10.0.0.2", &["10.0.0.1"], &[]), None);
        assert_eq!(change("10.0.0.1  10.0.0.2", &[], &["10.0.0.3"]), None);
        assert_eq!(
            change(
                "10.0.0.2 x 10.0.0.1 fd09::1",
                &["fd09::2", "10.0.0.3"],
                &["10.0.0.1"]
            )
            .as_deref(),
            Some("10.0.0.2 10.0.0.3")
        );
        assert_eq!(change("10.0.0.1", &[], &["10.0.0.1"]).as_deref(), Some(""));
    }

    proptest! {
        #[test]
        fn whatever_is_in_the_list_what_is_written_can_be_read(
            list in proptest::collection::vec(any::<u8>(), 0..80), number in any::<u8>()
        ) {
            let address = IpAddr::from([10, 137, 0, number]);
            let written = changed(Family::V4, &list, &[address], &[]).unwrap();
            prop_assert!(written.split(' ').all(|word| word.parse::<IpAddr>().is_ok()));
            prop_assert_eq!(changed(Family::V4, written.as_bytes(), &[address], &[]), None);
        }
    }
}
