//! What the fuzz targets do with the bytes that the fuzzer makes up.
//!
//! It lives here so that a unit test runs it over the committed corpus with the stable toolchain;
//! the targets under `fuzz/` are one line each.

use crate::{Error, Format, Limits, formats, scale};

/// Few pixels, so that the fuzzer spends its time on something else.
const LIMITS: Limits = Limits {
    width: 512,
    height: 512,
    fit: Some(64),
};

/// Decodes a picture of this format, whatever it begins as.
///
/// # Panics
/// When something that must hold does not.
pub fn picture(untrusted: &[u8], format: Format) {
    match formats::decode(untrusted, format, &LIMITS) {
        Ok(picture) => {
            LIMITS
                .check(picture.width, picture.height)
                .expect("a size within the limits");
            assert_eq!(picture.rgba.len(), picture.len() * 4);
            let small = scale::fit(picture, 64);
            assert!(small.width <= 64 && small.height <= 64);
            assert_eq!(small.rgba.len(), small.len() * 4);
        }
        Err(error) => judge(&error),
    }
}

/// A message must be harmless.
fn judge(error: &Error) {
    let message = error.to_string();
    assert!(message.bytes().all(|byte| matches!(byte, b' '..=b'~')));
}

#[cfg(test)]
mod tests {
    use crate::NAMES;

    #[test]
    fn the_corpus_is_harmless() {
        for (name, format) in NAMES {
            if matches!(name, "jpg" | "svgz") {
                continue;
            }
            let target = format!("picture_{name}");
            test_support::corpus(&target, 1, |input| super::picture(input, format));
        }
    }
}
