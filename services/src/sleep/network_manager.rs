//! NetworkManager is told to let the devices go, and to take them again.

use std::time::Instant;

use tokio::runtime::Builder;
use tokio::time::timeout;
use zbus::{Connection, Error};

use super::pre::tool;

const NAME: &str = "org.freedesktop.NetworkManager";
const PATH: &str = "/org/freedesktop/NetworkManager";
/// What it says if it is so already.
const ALREADY: &str = "org.freedesktop.NetworkManager.AlreadyAsleepOrAwake";
const UNIT: &str = "NetworkManager.service";

/// Has it sleep. If that cannot be, it is stopped.
pub(super) fn stop(deadline: Instant) -> Result<(), String> {
    sleep(true, deadline).or_else(|asked| by_systemd("stop", &asked, deadline))
}

/// Has it wake up. If that cannot be, it is started.
pub(super) fn start(deadline: Instant) -> Result<(), String> {
    sleep(false, deadline).or_else(|asked| by_systemd("start", &asked, deadline))
}

fn by_systemd(verb: &str, asked: &str, deadline: Instant) -> Result<(), String> {
    let done = tool("systemctl", &[verb, UNIT], deadline);
    done.map_err(|told| format!("the bus says \"{asked}\", and systemctl {verb} \"{told}\""))
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
