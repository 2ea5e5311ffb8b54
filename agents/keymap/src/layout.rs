//! The value of the key: `LAYOUT+VARIANT+OPTIONS` (`9-interface-data.md`, "Keyboard layout").
//!
//! Parts at the end can be missing. The characters are those that dom0 allows. Nothing else becomes an
//! argument of setxkbmap, which looks layouts up as files. It takes for an option what begins with `-`, also
//! in the place of options. dom0 allows a `-` at the beginning of the variant and of the options, but no
//! layout has such a name, and it is refused here.

use std::fmt::{self, Display};

/// The layout that everybody can fall back to, for shortcuts.
const SECOND: &str = "us";

/// Layouts that get no second one.
const ALONE: [&str; 2] = ["us", "si"];

/// A keyboard layout, as setxkbmap takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// One layout, or two with a comma between them.
    layouts: String,
    /// As many variants, each of which may be empty.
    variants: String,
    /// Options with commas between them; may be empty.
    options: String,
}

/// Why a value is no layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// More than three parts.
    Parts,
    /// A character of the layout.
    Layout,
    /// A character of the variant.
    Variant,
    /// A character of the options.
    Options,
    /// The variant or an option begins with `-`.
    Dash,
}

impl Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parts => "it has more than a layout, a variant and options",
            Self::Layout => "the layout has a character other than A-Z and a-z",
            Self::Variant => "the variant has a character other than A-Z, a-z, 0-9, _ and -",
            Self::Options => {
                "the options have a character other than A-Z, a-z, 0-9, _, -, : and the comma"
            }
            Self::Dash => "the variant or the options begin with -",
        })
    }
}

impl Layout {
    /// Reads the value of the key.
    pub(crate) fn parse(untrusted_value: &[u8]) -> Result<Self, Invalid> {
        let mut parts = untrusted_value.split(|byte| *byte == b'+');
        let mut next = || parts.next().unwrap_or_default();
        let [layout, variant, options] = [next(), next(), next()];
        if parts.next().is_some() {
            return Err(Invalid::Parts);
        }
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        let layout = only(layout, |byte| byte.is_ascii_alphabetic()).ok_or(Invalid::Layout)?;
        let variant = only(variant, is_word).ok_or(Invalid::Variant)?;
        let options = only(options, |byte| is_word(byte) || b":,".contains(&byte));
        let options = options.ok_or(Invalid::Options)?;
        if variant.starts_with('-') || options.starts_with('-') {
            return Err(Invalid::Dash);
        }
        let layout = match layout.is_empty() {
            true => SECOND,
            false => layout,
        };
        let (layouts, variants) = match ALONE.contains(&layout) {
            true => (layout.to_owned(), variant.to_owned()),
            false => (format!("{layout},{SECOND}"), format!("{variant},")),
        };
        Ok(Self {
            layouts,
            variants,
            options: options.to_owned(),
        })
    }

    /// The arguments of setxkbmap. The first option, which is empty, removes those that are set.
    pub(crate) fn arguments(&self) -> Vec<&str> {
        let mut arguments = vec!["-layout", &self.layouts, "-variant", &self.variants];
        arguments.extend(["-option", ""]);
        if !self.options.is_empty() {
            arguments.extend(["-option", &self.options]);
        }
        arguments
    }
}

impl Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            layouts,
            variants,
            options,
        } = self;
        write!(
            f,
            "layout \"{layouts}\", variant \"{variants}\", options \"{options}\""
        )
    }
}

/// The text, if all of its bytes are allowed.
fn only(untrusted: &[u8], is_allowed: impl Fn(u8) -> bool) -> Option<&str> {
    let all = untrusted.iter().all(|byte| is_allowed(*byte));
    all.then(|| std::str::from_utf8(untrusted).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(value: &str) -> (String, String, String) {
        let layout = Layout::parse(value.as_bytes()).unwrap();
        (layout.layouts, layout.variants, layout.options)
    }

    #[test]
    fn values_are_read_as_the_original_reads_them() {
        for (value, layouts, variants, options) in [
            ("fr+oss", "fr,us", "oss,", ""),
            ("fr+oss+", "fr,us", "oss,", ""),
            ("fr", "fr,us", ",", ""),
            ("pl++compose:caps", "pl,us", ",", "compose:caps"),
            ("us+dvorak+", "us", "dvorak", ""),
            ("us++", "us", "", ""),
            ("si", "si", "", ""),
            ("US", "US,us", ",", ""),
            ("", "us", "", ""),
            ("+dvorak", "us", "dvorak", ""),
            (
                "++caps:none,compose:ralt",
                "us",
                "",
                "caps:none,compose:ralt",
            ),
            ("de+neo_2-x+a", "de,us", "neo_2-x,", "a"),
        ] {
            let expected = (layouts.to_owned(), variants.to_owned(), options.to_owned());
            assert_eq!(read(value), expected, "{value}");
        }
    }

    #[test]
    fn what_dom0_would_not_set_is_refused() {
        for (value, why) in [
            ("fr ", Invalid::Layout),
            ("../fr", Invalid::Layout),
            ("*", Invalid::Layout),
            ("us,ru", Invalid::Layout),
            ("fr\n", Invalid::Layout),
            ("-I/tmp", Invalid::Layout),
            ("fr1", Invalid::Layout),
            ("é", Invalid::Layout),
            ("fr+a b", Invalid::Variant),
            ("fr+a,b", Invalid::Variant),
            ("fr+a(b)", Invalid::Variant),
            ("fr++a b", Invalid::Options),
            ("fr++*", Invalid::Options),
            ("fr++a/b", Invalid::Options),
            ("fr+a+b+", Invalid::Parts),
            ("fr+++", Invalid::Parts),
            ("fr+-option", Invalid::Dash),
            ("fr++-display", Invalid::Dash),
        ] {
            assert_eq!(Layout::parse(value.as_bytes()), Err(why), "{value}");
        }
    }

    #[test]
    fn options_are_always_set_whole() {
        let arguments = |value: &str| {
            Layout::parse(value.as_bytes())
                .unwrap()
                .arguments()
                .join(" ")
        };
        assert_eq!(arguments("us++"), "-layout us -variant  -option ");
        assert_eq!(
            arguments("pl++a:b"),
            "-layout pl,us -variant , -option  -option a:b"
        );
    }

    proptest! {
        #[test]
        fn what_dom0_sets_is_taken_unless_it_looks_like_an_option(
            layout in "[A-Za-z]{0,8}",
            variant in "([A-Za-z0-9_][A-Za-z0-9_-]{0,8})?",
            options in "([A-Za-z0-9_:,][A-Za-z0-9_:,-]{0,8})?",
        ) {
            let value = format!("{layout}+{variant}+{options}");
            let read = Layout::parse(value.as_bytes()).unwrap();
            prop_assert_eq!(&read.options, &options);
            prop_assert_eq!(read.layouts.matches(',').count(), read.variants.matches(',').count());
            let arguments = read.arguments();
            prop_assert_eq!(&arguments[4..6], &["-option", ""]);
        }

        #[test]
        fn nothing_becomes_an_option_or_a_path(value in prop::collection::vec(any::<u8>(), 0..40)) {
            crate::fuzzing::value(&value);
        }

        #[test]
        fn nor_do_values_that_are_nearly_right(value in "[a-c+,:*/. -]{0,12}") {
            crate::fuzzing::value(value.as_bytes());
        }
    }
}
