//! Policy: lines `SERVICE|* +ARG|* SOURCE TARGET allow|ask|deny [OPTIONS]`, first match wins.
//!
//! The format is that of dom0's `/etc/qubes/policy.d/*.policy`. Of its keywords those are understood
//! that can mean something between local qubes; where a line is wrong nothing is allowed at all, as
//! in dom0.

use std::fs;
use std::io;
use std::path::Path;

use qfile_proto::QubeName;

use crate::args::Service;
use qrexec::Target;

/// All lines of a folder of policy files.
#[derive(Debug, Default)]
pub(crate) struct Policy(Vec<Rule>);

/// What policy says to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Make it; `target` replaces the one asked for.
    Allow {
        /// Option `target=`.
        target: Option<Target>,
    },
    /// Let the user decide.
    Ask {
        /// Option `target=`: replaces the one asked for.
        target: Option<Target>,
        /// Option `default_target=`: replaces `@default`.
        default_target: Option<Target>,
    },
    /// Refuse it.
    Deny,
}

#[derive(Debug)]
struct Rule {
    service: Option<String>,
    argument: Option<String>,
    source: Pattern,
    target: Pattern,
    decision: Decision,
}

/// The SOURCE or TARGET of a rule.
#[derive(Debug)]
enum Pattern {
    /// `*` and `@anyvm`: there is no dom0 here in which they would differ.
    Any,
    /// `@tag:…`, `@type:…`, `@adminvm`: a local qube is never one of those.
    Never,
    /// This one.
    Only(Target),
}

impl Policy {
    /// Reads the `*.policy` files of `folder`, in the order of their names. A folder that is
    /// missing is one without lines.
    ///
    /// # Errors
    /// A file that cannot be read, or the first line that is wrong, with its place.
    pub(crate) fn load(folder: &Path) -> io::Result<Self> {
        let mut files = match fs::read_dir(folder) {
            Ok(entries) => entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<io::Result<Vec<_>>>()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        files.retain(|file| {
            file.extension()
                .is_some_and(|extension| extension == "policy")
        });
        files.sort();
        let mut policy = Self::default();
        for file in files {
            let name = text::path(&file);
            let place = |problem: String| io::Error::other(format!("{name}: {problem}"));
            let text = fs::read_to_string(&file).map_err(|error| place(error.to_string()))?;
            policy.0.append(&mut Self::parse(&text).map_err(place)?.0);
        }
        Ok(policy)
    }

    /// Parses the text of a file.
    ///
    /// # Errors
    /// The first line that is wrong, with its number.
    fn parse(text: &str) -> Result<Self, String> {
        let is_rule = |line: &&str| !line.is_empty() && !line.starts_with('#');
        let rule = |(index, line): (usize, &str)| {
            let line = Some(line.trim()).filter(is_rule)?;
            Some(Rule::parse(line).map_err(|problem| format!("line {}: {problem}", index + 1)))
        };
        text.lines()
            .enumerate()
            .filter_map(rule)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// What the first matching line says. Without any line at all everything is allowed, so that
    /// two local qubes are all that it takes to try something; else what no line allows is refused.
    #[must_use]
    pub(crate) fn decide(&self, source: &QubeName, target: &Target, service: &Service) -> Decision {
        let first = self
            .0
            .iter()
            .find(|rule| rule.matches(source, target, service));
        match first {
            Some(rule) => rule.decision.clone(),
            None if self.0.is_empty() => Decision::Allow { target: None },
            None => Decision::Deny,
        }
    }
}

impl Rule {
    fn parse(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [service, argument, source, target, action, options @ ..] = words.as_slice() else {
            return Err("a rule is SERVICE +ARG SOURCE TARGET ACTION [OPTIONS]".to_owned());
        };
        let argument = match (*argument, argument.strip_prefix('+')) {
            ("*", _) => None,
            (_, Some(argument)) => Some(argument.to_owned()),
            (_, None) => return Err(wrong("ARG, which is * or starts with +", argument)),
        };
        Ok(Self {
            service: (*service != "*").then(|| (*service).to_owned()),
            argument,
            source: Pattern::parse(source).ok_or_else(|| wrong("SOURCE", source))?,
            target: Pattern::parse(target).ok_or_else(|| wrong("TARGET", target))?,
            decision: decision(action, options)?,
        })
    }

    fn matches(&self, source: &QubeName, target: &Target, service: &Service) -> bool {
        let is = |wanted: &Option<String>, found| wanted.as_deref().is_none_or(|w| w == found);
        is(&self.service, service.name())
            && is(&self.argument, service.argument())
            && self.source.matches(&Target::Named(source.clone()))
            && self.target.matches(target)
    }
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        let never = ["@tag:", "@type:", "@dispvm:@tag:"];
        if text == "*" || text == "@anyvm" {
            Some(Self::Any)
        } else if text == "@adminvm" || never.iter().any(|prefix| text.starts_with(prefix)) {
            Some(Self::Never)
        } else {
            Target::parse(text).map(Self::Only)
        }
    }

    fn matches(&self, found: &Target) -> bool {
        match self {
            Self::Any => true,
            Self::Never => false,
            Self::Only(wanted) => wanted == found,
        }
    }
}

fn decision(action: &str, options: &[&str]) -> Result<Decision, String> {
    let (mut target, mut default_target) = (None, None);
    for option in options {
        let named = |name| Target::parse(name).ok_or_else(|| wrong("qube", name));
        match option.split_once('=') {
            Some(("target", name)) if action != "deny" => target = Some(named(name)?),
            Some(("default_target", name)) if action == "ask" => {
                default_target = Some(named(name)?);
            }
            // They say how dom0 goes about it; there is nothing to do for them here.
            Some(("user" | "notify" | "autostart", _)) => {}
            _ => return Err(wrong("option", option)),
        }
    }
    match action {
        "allow" => Ok(Decision::Allow { target }),
        "ask" => Ok(Decision::Ask {
            target,
            default_target,
        }),
        "deny" => Ok(Decision::Deny),
        other => Err(wrong("action", other)),
    }
}

fn wrong(what: &str, text: &str) -> String {
    format!("wrong {what}: \"{}\"", text::own(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(policy: &str, source: &str, target: &str, service: &str) -> Decision {
        let source = QubeName::parse(source.as_bytes()).unwrap();
        let target = Target::parse(target).unwrap();
        let service = Service::parse(service).unwrap();
        Policy::parse(policy)
            .unwrap()
            .decide(&source, &target, &service)
    }

    const ALLOW: Decision = Decision::Allow { target: None };

    #[test]
    fn without_any_line_all_is_allowed_and_with_one_nothing_else_is() {
        assert_eq!(decide("\n  # comment\n", "a", "b", "svc"), ALLOW);
        assert_eq!(decide("other * a b allow", "a", "b", "svc"), Decision::Deny);
    }

    #[test]
    fn the_first_match_wins() {
        let policy = "svc * a b deny\n* * * * allow\n";
        assert_eq!(decide(policy, "a", "b", "svc"), Decision::Deny);
        assert_eq!(decide(policy, "b", "a", "svc"), ALLOW);
    }

    #[test]
    fn each_field_matches_what_it_names_only() {
        for (rule, allowed) in [
            ("svc * a b allow", true),
            ("* * @anyvm @anyvm allow", true),
            ("svc +x a b allow", true),
            ("svc + a b allow", false),
            ("svc +y a b allow", false),
            ("sv * a b allow", false),
            ("svc * b b allow", false),
            ("svc * a c allow", false),
            ("svc * a @default allow", false),
            ("svc * @tag:x b allow", false),
            ("svc * a @adminvm allow", false),
        ] {
            let expected = if allowed { ALLOW } else { Decision::Deny };
            assert_eq!(decide(rule, "a", "b", "svc+x"), expected, "{rule}");
        }
    }

    #[test]
    fn a_lone_plus_means_no_argument() {
        assert_eq!(decide("svc + * * allow", "a", "b", "svc"), ALLOW);
        assert_eq!(decide("svc + * * allow", "a", "b", "svc+"), ALLOW);
    }

    #[test]
    fn the_keywords_of_targets_match_themselves_and_any_qube() {
        for target in ["@default", "@dispvm", "@dispvm:web"] {
            assert_eq!(
                decide(&format!("* * * {target} allow"), "a", target, "s"),
                ALLOW
            );
            assert_eq!(decide("* * * @anyvm allow", "a", target, "s"), ALLOW);
            assert_eq!(decide("* * * b allow", "a", target, "s"), Decision::Deny);
        }
        assert_eq!(
            decide("* * * @dispvm allow", "a", "@dispvm:web", "s"),
            Decision::Deny
        );
    }

    #[test]
    fn options_name_the_target() {
        let target = Target::parse;
        assert_eq!(
            decide("* * * * ask default_target=c user=root", "a", "b", "s"),
            Decision::Ask {
                target: None,
                default_target: target("c")
            }
        );
        assert_eq!(
            decide("* * * * allow target=@dispvm notify=no", "a", "b", "s"),
            Decision::Allow {
                target: target("@dispvm")
            }
        );
    }

    #[test]
    fn a_wrong_line_is_told_with_its_number() {
        for line in [
            "svc * a b",
            "svc x a b allow",
            "svc * a b maybe",
            "svc * a/b c allow",
            "svc * a @nonsense allow",
            "svc * a b allow default_target=c",
            "svc * a b deny target=c",
            "svc * a b allow target=../x",
            "svc * a b allow colour=red",
            "!include other",
        ] {
            let problem = Policy::parse(&format!("# one\n{line}\n")).unwrap_err();
            assert!(problem.starts_with("line 2: "), "{line}: {problem}");
        }
    }

    #[test]
    fn the_example_for_dom0_does_what_it_says() {
        let example = include_str!("../../../rpc/policy/30-qfile.policy");
        let ask = Decision::Ask {
            target: None,
            default_target: None,
        };
        for (source, target, service, decision) in [
            ("vault", "work", "qubes.Filecopy", Decision::Deny),
            ("work", "vault", "qubes.Filecopy", ALLOW),
            (
                "work",
                "vault",
                "qubes.Filecopy+allow-all-names",
                Decision::Deny,
            ),
            ("work", "@default", "qubes.Filecopy", ask.clone()),
            ("work", "@dispvm", "qubes.OpenInVM", ALLOW),
            ("work", "vault", "qubes.OpenURL", ask),
            ("work", "vault", "qubes.Other", Decision::Deny),
        ] {
            let decided = decide(example, source, target, service);
            assert_eq!(decided, decision, "{source} {target} {service}");
        }
    }

    #[test]
    fn files_are_read_in_order_and_only_if_they_are_policy() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name, text| fs::write(folder.path().join(name), text).unwrap();
        write("50-b.policy", "* * * * deny");
        write("30-a.policy", "svc * * * allow");
        write("10-c.policy.rpmsave", "nonsense");
        assert_eq!(Policy::load(folder.path()).unwrap().0.len(), 2);
        let policy = Policy::load(folder.path()).unwrap();
        let [a, b] = ["a", "b"].map(|name| QubeName::parse(name.as_bytes()).unwrap());
        let service = Service::parse("svc").unwrap();
        assert_eq!(policy.decide(&a, &Target::Named(b), &service), ALLOW);
        assert!(
            Policy::load(&folder.path().join("missing"))
                .unwrap()
                .0
                .is_empty()
        );
        write("60-d.policy", "* *");
        let error = Policy::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("60-d.policy: line 1: "), "{error}");
    }
}
