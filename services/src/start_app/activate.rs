//! Starting an application by the session bus, and waiting until it has left it.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::StreamExt as _;
use tokio::time::timeout;
use zbus::fdo::DBusProxy;
use zbus::names::{BusName, WellKnownName};
use zbus::zvariant::Value;
use zbus::{Connection, Error};

const INTERFACE: &str = "org.freedesktop.Application";

/// How long a bus that does not answer is waited for.
const TO_CONNECT: Duration = Duration::from_secs(25);

/// What the bus says of an application that took the call and ended without an answer.
const NO_REPLY: &str = "org.freedesktop.DBus.Error.NoReply";

/// Activates the application that has the bus name `id`, and returns when the name has no owner any
/// more.
///
/// # Errors
/// It was not started: `id` is no bus name, there is no bus, or the bus or the application refuses.
pub(crate) async fn activate(id: &OsStr) -> Result<(), Error> {
    let id = id.to_str().ok_or(Error::Unsupported)?;
    let name = BusName::from(WellKnownName::try_from(id)?);
    // The owners are asked for before the call, so that no change is missed.
    let connected = timeout(TO_CONNECT, async {
        let connection = Connection::session().await?;
        let bus = DBusProxy::new(&connection).await?;
        let owners = bus.receive_name_owner_changed_with_args(&[(0, id)]).await?;
        Ok::<_, Error>((connection, bus, owners))
    });
    let no_answer = |_| Error::InputOutput(Arc::new(io::ErrorKind::TimedOut.into()));
    let (connection, bus, mut owners) = connected.await.map_err(no_answer)??;
    let platform_data: HashMap<&str, Value<'_>> = HashMap::new();
    let called = connection
        .call_method(
            Some(&name),
            object_path(id).as_str(),
            Some(INTERFACE),
            "Activate",
            &(platform_data,),
        )
        .await;
    match called {
        Err(Error::MethodError(error, _, _)) if error == NO_REPLY => return Ok(()),
        called => called?,
    };
    // From here it has been started, and only its end is awaited; that of the bus is one too.
    if !bus.name_has_owner(name).await.unwrap_or(false) {
        return Ok(());
    }
    while let Some(change) = owners.next().await {
        let is_gone = change
            .args()
            .is_ok_and(|change| change.new_owner().is_none());
        if is_gone {
            break;
        }
    }
    Ok(())
}

/// The object of the application whose bus name is `id`.
fn object_path(id: &str) -> String {
    format!("/{}", id.replace('.', "/").replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_is_named_after_the_application() {
        assert_eq!(
            object_path("org.gnome.Text-Editor"),
            "/org/gnome/Text_Editor"
        );
    }
}
