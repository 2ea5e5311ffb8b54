//! Where a call goes, if it goes anywhere: what dom0 decides between policy and its user.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};

use program::failure::Failure;
use program::question;
use qfile_proto::QubeName;
use tracing::debug;

use crate::args::Request;
use crate::local_qubes::LocalQubes;
use policy::{Decision, Policy};
use qrexec::Target;
use qrexec::status::REFUSED;

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// To a qube that exists.
    Qube(QubeName),
    /// To a fresh one, which copies this template, if any.
    Disposable(Option<QubeName>),
}

/// Decides by policy, and by asking on the terminal where policy says so.
///
/// # Errors
/// The refusal, with its reason.
pub(crate) fn decide(
    qubes: &LocalQubes,
    source: &QubeName,
    request: &Request,
) -> Result<Destination, Failure> {
    let policy = Policy::load(&qubes.policy())
        .map_err(|error| refused(format!("the policy cannot be used: {error}")))?;
    let decision = policy.decide(source, &request.target, &request.service);
    debug!(%source, target = %request.target, service = %request.service, ?decision);
    let asked_for = &request.target;
    // Two local qubes are all that it takes to try something.
    let without_any_line = Decision::Allow {
        target: None,
        user: None,
    };
    let otherwise = match policy.is_empty() {
        true => without_any_line,
        false => Decision::Deny,
    };
    match decision.cloned().unwrap_or(otherwise) {
        Decision::Deny => Err(refused(format!(
            "policy refuses {} from {source} to {asked_for}",
            request.service
        ))),
        Decision::Allow { target, .. } => {
            let target = target.unwrap_or_else(|| asked_for.clone());
            destination(qubes, source, only_choice(qubes, source, target)?)
        }
        Decision::Ask {
            target,
            default_target,
        } => {
            let mut target = target.unwrap_or_else(|| asked_for.clone());
            if target == Target::Default {
                target = default_target.unwrap_or(Target::Default);
            }
            let question = format!("{source} wants {}", request.service);
            let target = ask(&question, target, &qubes.choices(source))?;
            destination(qubes, source, target)
        }
    }
}

/// `@default` means the only other qube.
fn only_choice(qubes: &LocalQubes, source: &QubeName, target: Target) -> Result<Target, Failure> {
    if target != Target::Default {
        return Ok(target);
    }
    match qubes.choices(source).as_slice() {
        [only] => Ok(Target::Named(only.clone())),
        [] => Err(refused("there is no other local qube")),
        several => Err(refused(format!(
            "@default could be any of {}: name one, or set default_target= in policy.d",
            listed(several)
        ))),
    }
}

fn destination(
    qubes: &LocalQubes,
    source: &QubeName,
    target: Target,
) -> Result<Destination, Failure> {
    let unknown = |name: &QubeName| refused(format!("there is no local qube {name}"));
    match target {
        Target::Named(name) if name == *source => Err(refused("a qube cannot call itself")),
        Target::Named(name) if qubes.has(&name) => Ok(Destination::Qube(name)),
        Target::Disposable(Some(template)) if !qubes.has(&template) => Err(unknown(&template)),
        Target::Named(name) => Err(unknown(&name)),
        Target::Disposable(template) => Ok(Destination::Disposable(template)),
        Target::Admin => Err(refused("there is no dom0 here".to_owned())),
        Target::Machine(_) => Err(refused("there are no other machines here".to_owned())),
        Target::Default => Err(refused("policy names no qube for @default")),
    }
}

/// Asks on the terminal: whether, if the target is known, else also which.
fn ask(question: &str, target: Target, choices: &[QubeName]) -> Result<Target, Failure> {
    let no_terminal = |error| refused(format!("policy says ask, and {error}"));
    let chosen = if target == Target::Default {
        let prompt = format!("{question}. In which qube ({})? ", listed(choices));
        let answer = answer(&prompt).map_err(no_terminal)?;
        let is_chosen = |qube: &&QubeName| qube.as_str() == answer;
        choices.iter().find(is_chosen).cloned().map(Target::Named)
    } else {
        let mut terminal = terminal().map_err(no_terminal)?;
        let mut input = BufReader::new(terminal.try_clone().map_err(no_terminal)?);
        let question = format!("{question} in {target}. Allow it?");
        let answer = question::ask(&mut input, &mut terminal, &question);
        answer.map_err(no_terminal)?.then_some(target)
    };
    chosen.ok_or_else(|| refused("the user did not allow it"))
}

/// One line from the terminal that controls this process, whatever stdin and stdout are.
fn answer(prompt: &str) -> io::Result<String> {
    let mut terminal = terminal()?;
    terminal.write_all(prompt.as_bytes())?;
    let mut line = String::new();
    BufReader::new(terminal).read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

fn terminal() -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("there is no terminal to ask on: {error}"),
            )
        })
}

fn listed(qubes: &[QubeName]) -> String {
    let names: Vec<_> = qubes.iter().map(QubeName::as_str).collect();
    names.join(", ")
}

fn refused(message: impl std::fmt::Display) -> Failure {
    Failure::new("refused")
        .because(message)
        .with_status(REFUSED)
}
