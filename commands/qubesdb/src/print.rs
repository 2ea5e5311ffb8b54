//! How values are shown on stdout.

use std::io::{self, Write};

/// Writes a value: bytes from 0x20 to 0x7f as they are, all others as `\xHH`. The form is not
/// reversible, since `\` is shown as it is.
pub(crate) fn value(to: &mut impl Write, value: &[u8], raw: bool) -> io::Result<()> {
    if raw {
        return to.write_all(value);
    }
    for byte in value {
        match byte {
            0x20..=0x7f => to.write_all(&[*byte])?,
            _ => write!(to, "\\x{byte:02x}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_could_obey_is_shown_as_its_number() {
        let shown = |bytes, raw| {
            let mut shown = Vec::new();
            value(&mut shown, bytes, raw).unwrap();
            shown
        };
        let bytes = b"a\\ ~\x7f\x1f\n\x80\xff";
        assert_eq!(shown(bytes, false), b"a\\ ~\x7f\\x1f\\x0a\\x80\\xff");
        assert_eq!(shown(bytes, true), bytes);
    }
}
