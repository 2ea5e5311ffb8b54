//! What the keys may hold. Nothing here reads or writes anything.
//!
//! A qube may overwrite its keys, so every value is judged here before it becomes the name of a file
//! or the content of one.

use std::fmt;
use std::str;

/// The folder of the services.
pub(crate) const SERVICES: &str = "/qubes-service/";
/// The name of this qube.
pub(crate) const NAME: &str = "/name";
/// Its time zone.
pub(crate) const TIME_ZONE: &str = "/qubes-timezone";
/// Its type.
pub(crate) const TYPE: &str = "/qubes-vm-type";
/// What it keeps between its starts.
pub(crate) const PERSISTENCE: &str = "/qubes-vm-persistence";
/// Random bytes of dom0.
pub(crate) const SEED: &str = "/qubes-random-seed";

/// The type of a qube, as far as its services depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QubeType {
    /// A qube with applications, also a standalone one.
    App,
    /// A disposable. dom0 never writes it.
    Disposable,
    /// A qube that provides network and has the hardware for it.
    Net,
    /// A qube that provides the network of another.
    Proxy,
    /// A template.
    Template,
}

impl QubeType {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::App,
        Self::Disposable,
        Self::Net,
        Self::Proxy,
        Self::Template,
    ];

    /// Judges the value of a key.
    pub(crate) fn parse(untrusted_value: &[u8]) -> Result<Self, &'static str> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str().as_bytes() == untrusted_value)
            .ok_or("this is not AppVM, DispVM, NetVM, ProxyVM or TemplateVM")
    }

    /// As dom0 writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::App => "AppVM",
            Self::Disposable => "DispVM",
            Self::Net => "NetVM",
            Self::Proxy => "ProxyVM",
            Self::Template => "TemplateVM",
        }
    }

    /// The name of the file that says so.
    pub(crate) fn mark(self) -> &'static str {
        match self {
            Self::App => "this-is-appvm",
            Self::Disposable => "this-is-dispvm",
            Self::Net => "this-is-netvm",
            Self::Proxy => "this-is-proxyvm",
            Self::Template => "this-is-templatevm",
        }
    }
}

/// What a qube keeps between its starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// Everything.
    Full,
    /// Its private volume.
    PrivateOnly,
    /// Nothing.
    Nothing,
}

impl Persistence {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Full, Self::PrivateOnly, Self::Nothing];

    /// Judges the value of a key.
    pub(crate) fn parse(untrusted_value: &[u8]) -> Result<Self, &'static str> {
        Self::ALL
            .into_iter()
            .find(|kept| kept.as_str().as_bytes() == untrusted_value)
            .ok_or("this is not full, rw-only or none")
    }

    /// As dom0 writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::PrivateOnly => "rw-only",
            Self::Nothing => "none",
        }
    }

    /// The name of the file that says so.
    pub(crate) fn mark(self) -> &'static str {
        match self {
            Self::Full => "persistent-full",
            Self::PrivateOnly => "persistent-rw-only",
            Self::Nothing => "persistent-none",
        }
    }
}

/// The name of a service: `[A-Za-z0-9_][A-Za-z0-9._@-]*`. It is also the name of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ServiceName(String);

impl ServiceName {
    /// Judges a name.
    pub(crate) fn parse(untrusted_name: &[u8]) -> Result<Self, &'static str> {
        let error =
            "a service is named by letters, digits and \"._@-\", a letter, a digit or \"_\" first";
        let (first, rest) = untrusted_name.split_first().ok_or(error)?;
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let is_allowed = |byte: &u8| is_word(byte) || b".@-".contains(byte);
        // Longest name of a file.
        let is_short = untrusted_name.len() <= 255;
        let text = str::from_utf8(untrusted_name).map_err(|_| error)?;
        match is_word(first) && rest.iter().all(is_allowed) && is_short {
            true => Ok(Self(text.to_owned())),
            false => Err(error),
        }
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Judges the value of a service: is it on?
pub(crate) fn switch(untrusted_value: &[u8]) -> Result<bool, &'static str> {
    match untrusted_value {
        b"1" => Ok(true),
        b"0" => Ok(false),
        _ => Err("this is neither 1 nor 0"),
    }
}

/// The name of a time zone, such as `Europe/Warsaw`: a path below a folder that it cannot leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zone(String);

impl Zone {
    /// Longest name in bytes. The longest of the time zone database has 32.
    const MAX_LEN: usize = 128;

    /// Judges a name.
    pub(crate) fn parse(untrusted_value: &[u8]) -> Result<Self, &'static str> {
        let error = "this is not the name of a time zone";
        let is_part = |part: &[u8]| {
            part.first().is_some_and(u8::is_ascii_alphanumeric)
                && part
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(byte))
        };
        let is_zone = untrusted_value.len() <= Self::MAX_LEN
            && untrusted_value.split(|byte| *byte == b'/').all(is_part);
        let text = str::from_utf8(untrusted_value).map_err(|_| error)?;
        is_zone.then(|| Self(text.to_owned())).ok_or(error)
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_service_may_have_an_at_sign_and_cannot_be_a_path() {
        for good in ["cups", "getty@tty", "_x", "9p", "a.b-c_d", "A"] {
            assert_eq!(ServiceName::parse(good.as_bytes()).unwrap().as_str(), good);
        }
        for bad in [
            "", ".", "..", ".x", "-x", "@x", "a/b", "a b", "a\nb", "é", "a\u{e9}", "a\0",
        ] {
            assert!(ServiceName::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(ServiceName::parse(&[b'a'; 255]).is_ok());
        assert!(ServiceName::parse(&[b'a'; 256]).is_err());
        assert!(ServiceName::parse(b"a\xff").is_err());
    }

    #[test]
    fn a_service_is_on_or_off_and_nothing_else() {
        assert_eq!(switch(b"1"), Ok(true));
        assert_eq!(switch(b"0"), Ok(false));
        for bad in ["", "2", "True", "01", "1 ", "1\n", "on"] {
            assert!(switch(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_zone_stays_in_its_folder() {
        for good in [
            "UTC",
            "Europe/Warsaw",
            "Etc/GMT+1",
            "Etc/GMT-14",
            "America/Argentina/Salta",
        ] {
            assert_eq!(Zone::parse(good.as_bytes()).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "/etc/shadow",
            "../../../etc/shadow",
            "Europe/../../x",
            "Europe/..",
            "Europe/",
            "Europe//Warsaw",
            "./UTC",
            "Europe/.x",
            "Europe/Warsaw\n",
            "Europe Warsaw",
            "-x",
            "\"",
            "$(x)",
        ] {
            assert!(Zone::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(Zone::parse(&[b'a'; 129]).is_err());
    }

    #[test]
    fn types_and_persistence_are_single_words() {
        for kind in QubeType::ALL {
            assert_eq!(QubeType::parse(kind.as_str().as_bytes()), Ok(kind));
            assert_eq!(
                kind.mark(),
                format!("this-is-{}", kind.as_str().to_lowercase())
            );
        }
        for kept in Persistence::ALL {
            assert_eq!(Persistence::parse(kept.as_str().as_bytes()), Ok(kept));
            assert_eq!(kept.mark(), format!("persistent-{}", kept.as_str()));
        }
        for bad in ["", "appvm", "AppVM ", "HVM", "full\n", "rw"] {
            assert!(QubeType::parse(bad.as_bytes()).is_err(), "{bad:?}");
            assert!(Persistence::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_a_zone_is_a_relative_path_without_dots(text in "[a-zA-Z0-9./+_-]{0,40}|\\PC{0,20}") {
            if let Ok(zone) = Zone::parse(text.as_bytes()) {
                let is_plain = |part| matches!(part, Component::Normal(_));
                prop_assert!(Path::new(zone.as_str()).components().all(is_plain));
                prop_assert_eq!(zone.as_str(), text);
            }
        }

        #[test]
        fn whatever_is_a_service_is_one_name(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(name) = ServiceName::parse(&bytes) {
                prop_assert_eq!(Path::new(name.as_str()).file_name(), Some(name.as_str().as_ref()));
                prop_assert!(!name.as_str().starts_with(['.', '-']));
            }
            let _judged = (switch(&bytes), QubeType::parse(&bytes), Persistence::parse(&bytes));
        }
    }
}
