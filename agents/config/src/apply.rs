//! All keys, once.

use std::fmt::Display;
use std::io;
use std::path::Path;

use ::files::{Lock, is_protected, replace};
use program::failure::Failure;
use qfile_proto::QubeName;
use text::foreign;

use crate::database::Database;
use crate::folder::Folder;
use crate::keys::{NAME, PERSISTENCE, Persistence, QubeType, SERVICES, TIME_ZONE, TYPE, Zone};
use crate::services::Services;
use crate::{host, marks, seed, zone};

/// Where everything is that is new at each start.
pub(crate) const RUN: &str = "/run";
/// The marks of this qube.
pub(crate) const OF_QUBES: &str = "/run/qubes";
/// The services that are on.
const SERVICE_FOLDER: &str = "/run/qubes-service";
/// Written last: scripts wait for it.
const ENVIRONMENT: &str = "/run/qubes-service-environment";
const LOCK: &str = "/run/qubes-config.lock";

/// The parts of the settings that another program may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The name of the host and the time zone.
    pub(crate) names: bool,
    /// The random seed.
    pub(crate) seed: bool,
}

/// What came of applying all keys.
#[derive(Debug)]
pub(crate) struct Applied {
    /// The services, as they are now.
    pub(crate) services: Services,
    /// A step failed, and was said.
    pub(crate) has_failed: bool,
}

impl Applied {
    /// How a program ends that does nothing else.
    pub(crate) fn end(&self) -> Result<(), Failure> {
        match self.has_failed {
            true => Err(Failure::said(program::failure::FAILED)),
            false => Ok(()),
        }
    }
}

/// Says something on stderr.
pub(crate) fn say_line(text: impl Display) {
    program::say::say(format_args!("qubes-config: {text}"));
}

/// Says why a step failed.
pub(crate) fn say_failure(failure: &Failure) {
    program::say::say(failure.lines("qubes-config"));
}

/// The folder of the services.
pub(crate) fn service_folder() -> Folder {
    Folder::at(Path::new(SERVICE_FOLDER))
}

/// Was everything applied since the start of this qube?
pub(crate) fn was_applied() -> bool {
    Path::new(ENVIRONMENT).exists()
}

/// Keeps another process of this program from changing the same files.
pub(crate) fn lock() -> Result<Lock, Failure> {
    Lock::take(Path::new(LOCK))
        .map_err(Failure::of(format_args!("cannot take the lock \"{LOCK}\"")))
}

/// Applies all keys. The folders come first: other programs take them for granted, whatever this qube
/// is. Then the type and what the qube keeps are judged: without them nothing else is changed. Of all others each that is not understood is said and left alone, and a step that fails
/// is said and keeps none of the others back.
pub(crate) fn apply(database: &mut Database, parts: Parts) -> Result<Applied, Failure> {
    let _lock = lock()?;
    marks::make_folders(Path::new(RUN)).map_err(cannot("make the folders in", RUN))?;
    let kind = needed(database, TYPE, QubeType::parse)?;
    let kept = needed(database, PERSISTENCE, Persistence::parse)?;
    let services = services(database, kind)?;
    let mut has_failed = false;
    let mut step = |done: Result<(), Failure>| {
        if let Err(failure) = done {
            say_failure(&failure);
            has_failed = true;
        }
    };
    step(set_type(kind));
    step(set_persistence(kept));
    let switched = service_folder().apply(&services);
    step(
        switched
            .map_err(cannot("make the files in", SERVICE_FOLDER))
            .map(|switched| {
                switched.iter().for_each(say_line);
            }),
    );
    if parts.names {
        step(set_name(database));
        step(set_time_zone(database));
    }
    if !was_applied() {
        let written = replace(Path::new(ENVIRONMENT), b"", 0o644);
        step(written.map_err(cannot("write", ENVIRONMENT)));
    }
    if parts.seed {
        step(take_seed(database));
    }
    Ok(Applied {
        services,
        has_failed,
    })
}

/// The services, as QubesDB has them.
pub(crate) fn services(database: &mut Database, kind: QubeType) -> Result<Services, Failure> {
    let mut services = Services::of(kind);
    for (name, value) in database.below(SERVICES)? {
        if let Err(why) = services.enter(&name, value.as_bytes()) {
            say_line(why);
        }
    }
    Ok(services)
}

/// What a key holds that must be there, as `judge` reads it.
pub(crate) fn needed<T>(
    database: &mut Database,
    key: &str,
    judge: impl FnOnce(&[u8]) -> Result<T, &'static str>,
) -> Result<T, Failure> {
    let advice = "nothing was changed. dom0 writes this key at each start of a qube";
    let Some(untrusted_value) = database.read(key)? else {
        return Err(
            Failure::new(format_args!("there is no key \"{key}\" in QubesDB")).advise(advice),
        );
    };
    judge(&untrusted_value).map_err(|why| {
        Failure::new(format_args!(
            "key \"{key}\" is \"{}\"",
            foreign(&untrusted_value)
        ))
        .because(why)
        .advise(advice)
    })
}

/// What a key holds, as `judge` reads it. What is not understood is said.
fn wanted<T>(
    database: &mut Database,
    key: &str,
    judge: impl FnOnce(&[u8]) -> Result<T, &'static str>,
) -> Result<Option<T>, Failure> {
    let value = database.read(key)?.filter(|value| !value.is_empty());
    let Some(untrusted_value) = value else {
        return Ok(None);
    };
    match judge(&untrusted_value) {
        Ok(judged) => Ok(Some(judged)),
        Err(why) => {
            let shown = foreign(&untrusted_value);
            say_line(format_args!(
                "key \"{key}\" is \"{shown}\": {why}, so it is skipped"
            ));
            Ok(None)
        }
    }
}

/// Marks the type of this qube.
pub(crate) fn set_type(kind: QubeType) -> Result<(), Failure> {
    let is_new = marks::set_type(Path::new(OF_QUBES), kind);
    if is_new.map_err(cannot("write the type of this qube to", OF_QUBES))? {
        say_line(format_args!("the type of this qube is {}", kind.as_str()));
    }
    Ok(())
}

/// Marks what this qube keeps.
pub(crate) fn set_persistence(kept: Persistence) -> Result<(), Failure> {
    let is_new = marks::set_persistence(Path::new(OF_QUBES), kept);
    if is_new.map_err(cannot("write what this qube keeps to", OF_QUBES))? {
        say_line(format_args!(
            "the persistence of this qube is {}",
            kept.as_str()
        ));
    }
    Ok(())
}

/// Sets the name of the host.
pub(crate) fn set_name(database: &mut Database) -> Result<(), Failure> {
    let judge = |value: &[u8]| QubeName::parse(value).ok_or("no qube has such a name");
    let Some(name) = wanted(database, NAME, judge)? else {
        return Ok(());
    };
    if is_protected(host::HOSTNAME) {
        return Ok(());
    }
    let is_new = host::set_name(&name);
    if is_new.map_err(Failure::of(format_args!(
        "cannot set the name of the host to \"{name}\""
    )))? {
        say_line(format_args!("the name of the host is \"{name}\""));
    }
    if is_protected(host::HOSTS) {
        return Ok(());
    }
    let is_new = host::set_hosts(Path::new(host::HOSTS), &name, host::is_debian());
    if is_new.map_err(cannot("write the name of the host to", host::HOSTS))? {
        say_line(format_args!("\"{}\" has the name \"{name}\"", host::HOSTS));
    }
    Ok(())
}

/// Sets the time zone.
pub(crate) fn set_time_zone(database: &mut Database) -> Result<(), Failure> {
    let place = zone::Place::new(Path::new("/"), host::is_debian());
    let judge = |value: &[u8]| {
        let zone = Zone::parse(value)?;
        let is_known = place.knows(&zone);
        is_known
            .then_some(zone)
            .ok_or("this qube knows no such time zone (package tzdata)")
    };
    let Some(zone) = wanted(database, TIME_ZONE, judge)? else {
        return Ok(());
    };
    if is_protected(zone::TIMEZONE) {
        return Ok(());
    }
    let is_new = place.set(&zone, !is_protected(zone::LOCALTIME));
    if is_new.map_err(cannot("set the time zone by", zone::LOCALTIME))? {
        say_line(format_args!("the time zone is \"{}\"", zone.as_str()));
    }
    Ok(())
}

/// Uses the random seed, if there is one.
pub(crate) fn take_seed(database: &mut Database) -> Result<(), Failure> {
    if seed::take(database)? {
        say_seed();
    }
    Ok(())
}

/// Says that the seed was used.
pub(crate) fn say_seed() {
    say_line("the random seed of dom0 was used");
}

/// That a step failed at a path.
pub(crate) fn cannot(step: &str, path: &str) -> impl FnOnce(io::Error) -> Failure {
    let shown = text::name(path.as_bytes());
    Failure::of(format!("cannot {step} {shown}"))
}
