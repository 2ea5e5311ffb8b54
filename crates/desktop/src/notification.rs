//! A message for whoever looks at the desktop, where no program has a window yet: by the
//! notification service of the session, else in a window. It shows errors and speaks D-Bus itself.
//! [`notifier`](crate::notifier) shows news instead, with a button, by starting `notify-send`.

use std::collections::HashMap;
use std::time::Duration;

use futures_lite::StreamExt as _;
use tokio::time::timeout;
use zbus::zvariant::Value;
use zbus::{Connection, Proxy};

use crate::dialog::Dialogs;
use crate::plain::{escaped, visible};

/// What notifications call the sender.
const APPLICATION: &str = "Qubes OS";

/// How long a notification service that does not answer is waited for.
const TO_ANSWER: Duration = Duration::from_secs(10);

/// In the specification of notifications: critical, so that it stays until it is read.
const CRITICAL: u8 = 2;

/// A message.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// One line.
    pub title: &'a str,
    /// It may have several lines.
    pub text: &'a str,
    /// How long at most to wait until the user has closed a notification. `None`: it stays when
    /// this program has ended, so there is nothing to wait for.
    pub to_read: Option<Duration>,
}

/// Shows an error. Where nothing can show it, nothing happens: it has been said on stderr.
pub async fn error(message: Shown<'_>) {
    let notified = async {
        let notified = timeout(TO_ANSWER, notify(message)).await;
        notified.map_err(|_| zbus::Error::Unsupported)?
    };
    match notified.await {
        Ok(notification) => {
            if let Some(limit) = message.to_read {
                let _closed_or_not = timeout(limit, notification.closed()).await;
            }
        }
        Err(_) => {
            if let Some(dialogs) = Dialogs::find() {
                let _was_said_already = dialogs.error(message.title, message.text);
            }
        }
    }
}

/// A notification that is shown.
struct Notification {
    id: u32,
    closings: zbus::proxy::SignalStream<'static>,
}

impl Notification {
    /// Waits until the user, or the service, has closed it.
    async fn closed(mut self) {
        while let Some(closing) = self.closings.next().await {
            let closed = closing.body().deserialize::<(u32, u32)>();
            if closed.is_ok_and(|(id, _reason)| id == self.id) {
                return;
            }
        }
    }
}

async fn notify(message: Shown<'_>) -> zbus::Result<Notification> {
    let connection = Connection::session().await?;
    let service = Proxy::new_owned(
        connection,
        "org.freedesktop.Notifications",
        "/org/freedesktop/Notifications",
        "org.freedesktop.Notifications",
    )
    .await?;
    let closings = service.receive_signal("NotificationClosed").await?;
    let abilities: Vec<String> = service.call("GetCapabilities", &()).await?;
    // Only a service that knows markup takes escapes for what they stand for.
    let text = match abilities.iter().any(|ability| ability == "body-markup") {
        true => escaped(message.text),
        false => visible(message.text),
    };
    let hints = HashMap::from([("urgency", Value::U8(CRITICAL))]);
    // An array would go over the bus as a structure.
    let no_actions: Vec<&str> = Vec::new();
    let id = service
        .call(
            "Notify",
            &(
                APPLICATION,
                0_u32,
                "dialog-error",
                visible(message.title),
                text,
                no_actions,
                hints,
                // The service decides how long it stays.
                -1_i32,
            ),
        )
        .await?;
    Ok(Notification { id, closings })
}
