//! NetworkManager is told to let the devices go, and to take them again.

use std::time::Instant;

use tokio::runtime::Builder;
use tokio::time::timeout;
use zbus::{Connection, Error};

use super::Run;
use super::pre::tool;

const NAME: &str = "org.freedesktop.NetworkManager";
const PATH: &str = "/org/freedesktop/NetworkManager";
/// What it says if it is so already.
const ALREADY: &str = "org.freedesktop.NetworkManager.AlreadyAsleepOrAwake";
const UNIT: &str = "NetworkManager.service";

/// Has it sleep. If that cannot be, it is stopped.
pub(super) fn stop(run: &Run) -> Result<(), String> {
    ask_or_tell(run, |until| sleep(true, until), "stop")
}

/// Has it wake up. If that cannot be, it is started.
pub(super) fn start(run: &Run) -> Result<(), String> {
    ask_or_tell(run, |until| sleep(false, until), "start")
}

fn ask_or_tell(
    run: &Run,
    ask: impl FnOnce(Instant) -> Result<(), String>,
    verb: &str,
) -> Result<(), String> {
    let by_systemd = |until| tool("systemctl", &[verb, UNIT], until);
    one_after_the_other(run, ask, by_systemd).map_err(|(asked, told)| {
        format!("the bus says \"{asked}\", and systemctl {verb} \"{told}\"")
    })
}

/// Does the second if the first fails. The first may have used up its time, so the second has its own.
fn one_after_the_other(
    run: &Run,
    first: impl FnOnce(Instant) -> Result<(), String>,
    second: impl FnOnce(Instant) -> Result<(), String>,
) -> Result<(), (String, String)> {
    first(run.step_deadline())
        .or_else(|asked| second(run.step_deadline()).map_err(|told| (asked, told)))
}

fn sleep(is_asleep: bool, deadline: Instant) -> Result<(), String> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let left = deadline.saturating_duration_since(Instant::now());
    let asked = async {
        let bus = Connection::system().await?;
        let called = bus
            .call_method(Some(NAME), PATH, Some(NAME), "Sleep", &(is_asleep,))
            .await;
        match called {
            Err(Error::MethodError(error, _, _)) if error == ALREADY => Ok(()),
            called => called.map(drop),
        }
    };
    // The clock of the limit belongs to the runtime.
    let called = runtime.block_on(async { timeout(left, asked).await });
    match called {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(text::line(error.to_string().as_bytes())),
        Err(_elapsed) => Err("no answer in time".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;
    use crate::sleep::root::Root;

    #[test]
    fn systemd_has_time_when_the_bus_has_used_up_its_own() {
        let begin = Instant::now();
        let run = Run {
            root: Root::new("/".into()),
            deadline: begin + Duration::from_secs(600),
            seconds: 600,
            failed: 0,
        };
        let until_bus = Cell::new(begin);
        let bus = |until| {
            until_bus.set(until);
            // The time that it takes.
            let asked = Instant::now();
            while Instant::now() == asked {}
            Err("no answer in time".to_owned())
        };
        let systemd = |until| {
            assert!(until > until_bus.get());
            Err("no".to_owned())
        };
        let (asked, told) = one_after_the_other(&run, bus, systemd).unwrap_err();
        assert_eq!((asked.as_str(), told.as_str()), ("no answer in time", "no"));
    }
}
