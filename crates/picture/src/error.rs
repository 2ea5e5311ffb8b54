//! Why there is no picture.

use std::fmt::{self, Display};

use crate::format::Format;

/// Why there is no picture. What it displays is for people, whatever the picture contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The bytes begin as those of no known format do.
    Unknown,
    /// It is a picture of another format than was asked for.
    OtherFormat {
        /// What was asked for.
        wanted: Format,
        /// What the bytes begin as.
        found: Format,
    },
    /// It has no pixels.
    Empty,
    /// It has more pixels than is allowed.
    TooLarge {
        /// Its width and height.
        size: (u32, u32),
        /// Those that are allowed.
        limit: (u32, u32),
    },
    /// The decoder refuses it, or it ends too early.
    Broken {
        /// What it begins as.
        format: Format,
        /// What the decoder said, as legible text.
        why: String,
    },
}

impl Error {
    /// For `map_err`: what a decoder said.
    pub(crate) fn broken<W: Display>(format: Format) -> impl Fn(W) -> Self + Copy {
        move |why| Self::Broken {
            format,
            why: text::foreign(why.to_string().as_bytes()),
        }
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("it is not a picture of a known format"),
            Self::OtherFormat { wanted, found } => write!(f, "it is not {wanted}, but {found}"),
            Self::Empty => f.write_str("it has no pixels"),
            Self::TooLarge { size, limit } => write!(
                f,
                "it has {} x {} pixels, and at most {} x {} are allowed",
                size.0, size.1, limit.0, limit.1
            ),
            Self::Broken { format, why } => write!(f, "it is not complete {format}: {why}"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_decoder_quotes_of_a_picture_is_harmless() {
        let error = Error::broken(Format::Svg)("unknown \x1b[2J\u{202e}\n\"x\"");
        assert_eq!(
            error.to_string(),
            "it is not complete SVG: unknown _[2J____ _x_".replace("____ ", "____")
        );
    }
}
