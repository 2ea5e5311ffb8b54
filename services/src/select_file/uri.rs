//! The paths in the answers of the portal: `file:` URIs (RFC 8089).

/// The path of a file of this qube; `None` if it is none.
#[must_use]
pub fn path(untrusted_uri: &str) -> Option<Vec<u8>> {
    let rest = untrusted_uri.strip_prefix("file://")?;
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    if !rest.starts_with('/') || rest.contains(['?', '#']) {
        return None;
    }
    let mut path = Vec::with_capacity(rest.len());
    let mut bytes = rest.bytes();
    while let Some(byte) = bytes.next() {
        path.push(match byte {
            b'%' => 16 * digit(bytes.next()?)? + digit(bytes.next()?)?,
            byte => byte,
        });
    }
    (!path.contains(&0)).then_some(path)
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_is_decoded_once() {
        assert_eq!(
            path("file:///a%20b%C3%a9%2525").unwrap(),
            "/a bé%25".as_bytes()
        );
        assert_eq!(path("file://localhost/a").unwrap(), b"/a");
        for wrong in [
            "",
            "/a",
            "file:/a",
            "file://a",
            "file://other/a",
            "http:///a",
            "file:///a%",
            "file:///a%2",
            "file:///a%+1",
            "file:///a%00",
            "file:///a?b",
            "file:///a#b",
        ] {
            assert_eq!(path(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_path_comes_back(bytes in prop::collection::vec(1_u8.., 0..64)) {
            let encoded: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
            let expected = [b"/", &bytes[..]].concat();
            prop_assert_eq!(path(&format!("file:///{encoded}")), Some(expected));
        }

        #[test]
        fn no_text_ends_the_program(text in "(file://)?.{0,64}") {
            let _ends = path(&text);
        }
    }
}
