//! Policy: lines `SERVICE|* +ARG|* SOURCE TARGET allow|ask|deny [OPTIONS]`, first match wins.
//!
//! The format is that of dom0's `/etc/qubes/policy.d/*.policy`. Of its keywords those are understood
//! that can mean something without dom0; where a line is wrong nothing is allowed at all, as in dom0.
//! [`trusted`] reads policy, and other settings, that somebody else might have written.
//! [`place`] judges the way to them.

pub mod place;
pub mod trusted;

use std::fs;
use std::io;
use std::path::Path;

use qfile_proto::QubeName;

use qrexec::{Service, Target};

/// All lines of a folder of policy files.
#[derive(Debug, Default)]
pub struct Policy(Vec<Rule>);

/// What policy says to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Make it; `target` replaces the one asked for.
    Allow {
        /// Option `target=`.
        target: Option<Target>,
        /// Option `user=`: the account that the service runs as.
        user: Option<String>,
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
    pub fn load(folder: &Path) -> io::Result<Self> {
        let mut files = match fs::read_dir(folder) {
            Ok(entries) => entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<io::Result<Vec<_>>>()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        files.retain(|file| is_policy(file));
        files.sort();
        let mut policy = Self::default();
        for file in files {
            let name = text::file(&file);
            let place = |problem: String| io::Error::other(format!("{name}: {problem}"));
            let bytes = fs::read(&file).map_err(|error| place(error.to_string()))?;
            let text = text_of(bytes).map_err(place)?;
            policy.0.append(&mut Self::parse(&text).map_err(place)?.0);
        }
        Ok(policy)
    }

    /// Is there not a single line?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Parses the text of a file.
    ///
    /// # Errors
    /// The first line that is wrong, with its number.
    pub fn parse(text: &str) -> Result<Self, String> {
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

    /// What the first matching line says; `None` if there is none.
    #[must_use]
    pub fn decide(
        &self,
        source: &QubeName,
        target: &Target,
        service: &Service,
    ) -> Option<&Decision> {
        let mut rules = self.0.iter();
        let first = rules.find(|rule| rule.matches(source, target, service));
        first.map(|rule| &rule.decision)
    }
}

/// The text of a file.
///
/// # Errors
/// The first line that is none, with its number.
pub(crate) fn text_of(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let number = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {number}: it is not text in UTF-8")
    })
}

fn is_policy(file: &Path) -> bool {
    file.extension()
        .is_some_and(|extension| extension == "policy")
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
        // A line that no call can match is a mistake, and the line after it might allow the call.
        let can_match = |service: &str, argument: &str| {
            !service.contains('+') && Service::parse(&format!("{service}+{argument}")).is_some()
        };
        if *service != "*" && !can_match(service, "") {
            return Err(wrong("SERVICE", service));
        }
        if let Some(argument) = argument.as_deref().filter(|it| !can_match("x", it)) {
            return Err(wrong("ARG", argument));
        }
        let source = match Pattern::parse(source) {
            None | Some(Pattern::Only(Target::Default | Target::Disposable(_))) => {
                return Err(wrong("SOURCE", source));
            }
            Some(source) => source,
        };
        Ok(Self {
            service: (*service != "*").then(|| (*service).to_owned()),
            argument,
            source,
            target: Pattern::parse(target).ok_or_else(|| wrong("TARGET", target))?,
            decision: decision(action, options)?,
        })
    }

    /// True if a call from another machine to a plain host, which has no qubes, can match it.
    fn fits_plain_host(&self) -> bool {
        let is_here = matches!(self.target, Pattern::Any | Pattern::Only(Target::Default));
        is_here && !matches!(self.source, Pattern::Never)
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
    let (mut target, mut default_target, mut user) = (None, None, None);
    let name = |option: &&str| option.split_once('=').map(|(name, _)| name.to_owned());
    for (at, option) in options.iter().enumerate() {
        // Two readers could take two values for the one that counts.
        if options[..at]
            .iter()
            .any(|before| name(before) == name(option))
        {
            return Err(wrong("option, which stands there twice", option));
        }
        let named = |name| Target::parse(name).ok_or_else(|| wrong("qube", name));
        match option.split_once('=') {
            Some(("target", name)) if action != "deny" => target = Some(named(name)?),
            Some(("default_target", name)) if action == "ask" => {
                default_target = Some(named(name)?);
            }
            Some(("user", name)) => user = Some(name.to_owned()),
            // They say how dom0 goes about it; there is nothing to do for them here.
            Some(("notify" | "autostart", _)) => {}
            _ => return Err(wrong("option", option)),
        }
    }
    match action {
        "allow" => Ok(Decision::Allow { target, user }),
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

    fn decide(policy: &str, source: &str, target: &str, service: &str) -> Option<Decision> {
        let source = QubeName::parse(source.as_bytes()).unwrap();
        let target = Target::parse(target).unwrap();
        let service = Service::parse(service).unwrap();
        let policy = Policy::parse(policy).unwrap();
        policy.decide(&source, &target, &service).cloned()
    }

    const ALLOW: Option<Decision> = Some(Decision::Allow {
        target: None,
        user: None,
    });
    const DENY: Option<Decision> = Some(Decision::Deny);

    #[test]
    fn what_no_line_names_is_not_decided() {
        assert_eq!(decide("\n  # comment\n", "a", "b", "svc"), None);
        assert_eq!(decide("other * a b allow", "a", "b", "svc"), None);
        assert!(Policy::parse("\n # comment").unwrap().is_empty());
        assert!(!Policy::parse("* * a b deny").unwrap().is_empty());
    }

    #[test]
    fn the_first_match_wins() {
        let policy = "svc * a b deny\n* * * * allow\n";
        assert_eq!(decide(policy, "a", "b", "svc"), DENY);
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
            let expected = if allowed { ALLOW } else { None };
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
            assert_eq!(decide("* * * b allow", "a", target, "s"), None);
        }
        assert_eq!(decide("* * * @dispvm allow", "a", "@dispvm:web", "s"), None);
    }

    #[test]
    fn options_name_the_target() {
        let target = Target::parse;
        assert_eq!(
            decide("* * * * ask default_target=c user=root", "a", "b", "s"),
            Some(Decision::Ask {
                target: None,
                default_target: target("c")
            })
        );
        assert_eq!(
            decide(
                "* * * * allow target=@dispvm notify=no user=me",
                "a",
                "b",
                "s"
            ),
            Some(Decision::Allow {
                target: target("@dispvm"),
                user: Some("me".to_owned())
            })
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
            "svc * a b allow user=me user=root",
            "svc * a b allow user=root user=me",
            "svc * a b allow user=me user=me",
            "svc * a b allow target=b target=c",
            "svc * a b allow target=c notify=no target=b",
            "svc * a b ask default_target=b default_target=c",
            "svc * a b allow notify=no notify=yes",
            "!include other",
        ] {
            let problem = Policy::parse(&format!("# one\n{line}\n")).unwrap_err();
            assert!(problem.starts_with("line 2: "), "{line}: {problem}");
        }
    }

    #[test]
    fn the_example_for_dom0_does_what_it_says() {
        let example = include_str!("../../../rpc/policy/30-qfile.policy");
        let ask = Some(Decision::Ask {
            target: None,
            default_target: None,
        });
        for (source, target, service, decision) in [
            ("vault", "work", "qubes.Filecopy", DENY),
            ("work", "vault", "qubes.Filecopy", ALLOW),
            ("work", "vault", "qubes.Filecopy+allow-all-names", DENY),
            ("work", "@default", "qubes.Filecopy", ask.clone()),
            ("work", "@dispvm", "qubes.OpenInVM", ALLOW),
            ("work", "vault", "qubes.OpenURL", ask),
            ("work", "vault", "qubes.Other", None),
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
        let decision = policy.decide(&a, &Target::Named(b), &service);
        assert_eq!(decision.cloned(), ALLOW);
        assert!(
            Policy::load(&folder.path().join("missing"))
                .unwrap()
                .0
                .is_empty()
        );
        write("60-d.policy", "* *");
        let error = Policy::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("60-d.policy\": line 1: "), "{error}");
    }
}
