//! `--profile dom0`: the limits by which dom0 takes what other qubes send it, such as updates and
//! backups, in one option. Each limit is an option of its own too, and options that follow it override it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::environment::UpdateLimits;
use crate::error::Error;
use crate::options::{self, Options};

/// Most bytes of content: 4 GiB.
const MAX_BYTES: u64 = 4 << 30;

/// Most files, folders and links.
const MAX_FILES: u64 = 4096;

/// Most of the free space, in percent.
const MAX_FILL: u64 = 90;

/// Sets what the profile is made of.
///
/// # Errors
/// [`Error::Usage`] for a variable that is no number.
pub(crate) fn dom0(options: &mut Options, limits: &UpdateLimits) -> Result<(), Error> {
    let UpdateLimits {
        untrusted_bytes,
        untrusted_files,
    } = limits;
    options.canonical_symlinks = true;
    options.max_bytes = Some(number("UPDATES_MAX_BYTES", untrusted_bytes, MAX_BYTES)?);
    options.max_files = Some(number("UPDATES_MAX_FILES", untrusted_files, MAX_FILES)?);
    options.max_fill = Some(MAX_FILL);
    Ok(())
}

fn number(name: &str, untrusted: &Option<OsString>, default: u64) -> Result<u64, Error> {
    match untrusted {
        None => Ok(default),
        Some(value) => options::number(value.as_bytes())
            .ok_or_else(|| Error::Usage(format!("the variable {name} is not a number"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(bytes: Option<&str>, files: Option<&str>) -> Result<(u64, u64), String> {
        let limits = UpdateLimits {
            untrusted_bytes: bytes.map(OsString::from),
            untrusted_files: files.map(OsString::from),
        };
        let mut options = Options::default();
        dom0(&mut options, &limits).map_err(|error| error.to_string())?;
        assert!(options.canonical_symlinks);
        assert_eq!(options.max_fill, Some(90));
        Ok((options.max_bytes.unwrap(), options.max_files.unwrap()))
    }

    #[test]
    fn variables_replace_the_limits_of_the_profile() {
        assert_eq!(limits(None, None), Ok((4_294_967_296, 4096)));
        assert_eq!(limits(Some("5"), None), Ok((5, 4096)));
        assert_eq!(limits(None, Some("0")), Ok((4_294_967_296, 0)));
    }

    #[test]
    fn a_variable_that_is_no_number_is_named() {
        for value in ["", "x", "-1", "1G", "99999999999999999999"] {
            let message = limits(Some(value), None).unwrap_err();
            assert!(message.contains("UPDATES_MAX_BYTES"), "{message}");
            let message = limits(None, Some(value)).unwrap_err();
            assert!(message.contains("UPDATES_MAX_FILES"), "{message}");
        }
    }
}
