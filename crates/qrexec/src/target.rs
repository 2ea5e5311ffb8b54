//! What a call can be addressed to.

use std::fmt;

use qfile_proto::QubeName;

use crate::client::Kind;
use crate::destination::Destination;

/// The target of a call, as `qrexec-client-vm` takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// `@default`: policy or the user chooses.
    #[default]
    Default,
    /// `@adminvm`: dom0.
    Admin,
    /// `@dispvm`, `@dispvm:TEMPLATE`: a fresh qube, removed when the call has ended.
    Disposable(Option<QubeName>),
    /// A qube, or a name in remotes.conf.
    Named(QubeName),
    /// Another machine, by what ssh calls it. No qube can have that name.
    Machine(Destination),
}

impl Target {
    /// Judges a target; `None` if it is none of the four. The old way to write the `@` in front is
    /// `$`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let name = |text: &str| QubeName::parse(text.as_bytes());
        let Some(keyword) = text.strip_prefix(['@', '$']) else {
            return name(text).map(Self::Named);
        };
        match keyword {
            "default" => Some(Self::Default),
            "adminvm" => Some(Self::Admin),
            "dispvm" => Some(Self::Disposable(None)),
            _ => {
                let template = keyword.strip_prefix("dispvm:")?;
                Some(Self::Disposable(Some(name(template)?)))
            }
        }
    }

    /// Judges what a person typed as the target of a call by such a client: over ssh, machines have names
    /// that no qube can have, such as `me@192.0.2.1`.
    #[must_use]
    pub fn parse_for(kind: Kind, text: &str) -> Option<Self> {
        let machine = || Destination::parse(text).map(Self::Machine);
        Self::parse(text).or_else(|| match kind {
            Kind::Qrexec => None,
            Kind::Ssh => machine(),
        })
    }

    /// True for a disposable that is made for the call and deleted after it.
    #[must_use]
    pub fn is_disposable(&self) -> bool {
        matches!(self, Self::Disposable(_))
    }

    /// True for a qube with the name that Qubes OS gives to disposables, such as `disp1234`.
    /// Whether it is one, only dom0 knows.
    #[must_use]
    pub fn is_called_like_a_disposable(&self) -> bool {
        let Self::Named(name) = self else {
            return false;
        };
        let number = name.as_str().strip_prefix("disp").unwrap_or_default();
        !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("@default"),
            Self::Admin => f.write_str("@adminvm"),
            Self::Disposable(None) => f.write_str("@dispvm"),
            Self::Disposable(Some(template)) => write!(f, "@dispvm:{template}"),
            Self::Named(name) => name.fmt(f),
            Self::Machine(destination) => destination.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_is_one_target_or_none() {
        let qube = |name: &str| QubeName::parse(name.as_bytes()).unwrap();
        for (text, target) in [
            ("@default", Some(Target::Default)),
            ("$default", Some(Target::Default)),
            ("@adminvm", Some(Target::Admin)),
            ("@dispvm", Some(Target::Disposable(None))),
            ("$dispvm", Some(Target::Disposable(None))),
            ("$dispvm:web", Some(Target::Disposable(Some(qube("web"))))),
            ("work", Some(Target::Named(qube("work")))),
            ("", None),
            ("@", None),
            ("@dispvm:", None),
            ("@dispvm:a/b", None),
            ("@dispvm:@dispvm", None),
            ("@dispvmx", None),
            ("@DISPVM", None),
            ("$@default", None),
            ("@dispvm:../x", None),
            ("@anyvm", None),
            ("../work", None),
        ] {
            assert_eq!(Target::parse(text), target, "{text}");
            let again = target
                .as_ref()
                .map(|target| Target::parse(&target.to_string()));
            assert_eq!(again, target.map(Some), "{text}");
        }
    }

    #[test]
    fn only_over_ssh_a_machine_may_have_a_name_that_no_qube_has() {
        for name in [
            "me@host",
            "192.0.2.1",
            "a-host-with-a-name-of-more-than-31-bytes",
        ] {
            assert_eq!(Target::parse_for(Kind::Qrexec, name), None);
            let target = Target::parse_for(Kind::Ssh, name).unwrap();
            assert_eq!(target.to_string(), name);
        }
        for kind in [Kind::Qrexec, Kind::Ssh] {
            assert_eq!(Target::parse_for(kind, "work"), Target::parse("work"));
            assert_eq!(Target::parse_for(kind, "-oProxyCommand=id"), None);
            assert_eq!(Target::parse_for(kind, "@nonsense"), None);
        }
    }

    #[test]
    fn a_disposable_is_known_by_its_keyword_and_guessed_by_its_name() {
        for (text, is, is_called_like) in [
            ("@dispvm", true, false),
            ("@dispvm:web", true, false),
            ("disp1", false, true),
            ("disp1234", false, true),
            ("disp", false, false),
            ("disp1a", false, false),
            ("disp12a", false, false),
            ("display", false, false),
            ("mydisp1", false, false),
            ("@default", false, false),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(target.is_disposable(), is, "{text}");
            assert_eq!(
                target.is_called_like_a_disposable(),
                is_called_like,
                "{text}"
            );
        }
    }
}
