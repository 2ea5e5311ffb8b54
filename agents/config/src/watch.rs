//! Each change of a key, for as long as this qube runs. Between two changes nothing runs.

use program::failure::Failure;
use qubesdb::Event;

use crate::apply::{
    Parts, apply, cannot, lock, needed, say_failure, say_line, service_folder, services, set_name,
    set_persistence, set_time_zone, set_type, take_seed,
};
use crate::database::Database;
use crate::keys::{
    NAME, PERSISTENCE, Persistence, QubeType, SEED, SERVICES, ServiceName, TIME_ZONE, TYPE,
};
use crate::services::Services;

/// The keys that are watched.
const WATCHED: [&str; 6] = [SERVICES, NAME, TIME_ZONE, TYPE, PERSISTENCE, SEED];

/// Asks to be told about every change. It comes before the keys are read for the first time.
pub(crate) fn begin(database: &mut Database) -> Result<(), Failure> {
    WATCHED.iter().try_for_each(|key| database.watch(key))
}

/// Applies every change, until this process is ended. A change that cannot be applied is said.
pub(crate) fn go_on(
    database: &mut Database,
    mut known: Services,
    parts: Parts,
) -> Result<(), Failure> {
    loop {
        let done = match database.next_event(None)? {
            None => Ok(()),
            Some(Event::Reconnected) => apply(database, parts).map(|now| known = now.services),
            Some(Event::Changed(path)) => change(database, &mut known, path.as_str(), parts),
        };
        if let Err(failure) = done {
            say_failure(&failure);
        }
    }
}

fn change(
    database: &mut Database,
    known: &mut Services,
    path: &str,
    parts: Parts,
) -> Result<(), Failure> {
    let _lock = lock()?;
    match path {
        NAME if parts.names => set_name(database),
        TIME_ZONE if parts.names => set_time_zone(database),
        SEED if parts.seed => take_seed(database),
        PERSISTENCE => set_persistence(needed(database, PERSISTENCE, Persistence::parse)?),
        TYPE => {
            let kind = needed(database, TYPE, QubeType::parse)?;
            set_type(kind)?;
            let mut now = known.clone();
            now.set_type(kind);
            switch_all(known, now)
        }
        // All of them were removed.
        SERVICES => {
            let now = services(database, known.kind())?;
            switch_all(known, now)
        }
        _ => match path.strip_prefix(SERVICES) {
            Some(name) => change_service(database, known, name),
            None => Ok(()),
        },
    }
}

/// One service was entered, or its entry removed.
fn change_service(
    database: &mut Database,
    known: &mut Services,
    untrusted_name: &str,
) -> Result<(), Failure> {
    let key = format!("{SERVICES}{untrusted_name}");
    let name = match database.read(&key)? {
        Some(value) => match known.enter(untrusted_name.as_bytes(), &value) {
            Ok(name) => name,
            Err(why) => {
                say_line(why);
                return Ok(());
            }
        },
        // One that is no name was never entered.
        None => match ServiceName::parse(untrusted_name.as_bytes()) {
            Ok(name) => {
                known.forget(&name);
                name
            }
            Err(_) => return Ok(()),
        },
    };
    switch(known, &name)
}

/// Switches what differs, and nothing else: others put files of their own there.
fn switch_all(known: &mut Services, now: Services) -> Result<(), Failure> {
    let mut names = known.decided();
    names.extend(now.decided());
    names.retain(|name| known.is_on(name) != now.is_on(name));
    *known = now;
    let mut last = Ok(());
    for name in &names {
        if let Err(failure) = switch(known, name) {
            // One that fails keeps no other back.
            if let Err(earlier) = std::mem::replace(&mut last, Err(failure)) {
                say_failure(&earlier);
            }
        }
    }
    last
}

fn switch(known: &Services, name: &ServiceName) -> Result<(), Failure> {
    let folder = service_folder();
    let switched = folder.set(name, known.is_on(name));
    let path = folder.path().display().to_string();
    if let Some(switched) = switched.map_err(cannot("make the files in", &path))? {
        say_line(switched);
    }
    Ok(())
}
