//! The chooser of xdg-desktop-portal: the interface `org.freedesktop.portal.FileChooser`.
//!
//! A choice is a request, which answers later with the signal `Response`. The program listens before
//! the call, so no answer is missed, and only the portal itself is believed. The portal closes the
//! window when this program leaves the bus.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use desktop::dialog::Choice;
use futures_lite::StreamExt as _;
use program::failure::Failure;
use tokio::time::timeout;
use zbus::fdo::{DBusProxy, NameOwnerChangedStream};
use zbus::message::Type;
use zbus::names::OwnedUniqueName;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};
use zbus::{Connection, MatchRule, MessageStream, Proxy};

use super::cannot;
use super::uri;

const SERVICE: &str = "org.freedesktop.portal.Desktop";
const OBJECT: &str = "/org/freedesktop/portal/desktop";
const INTERFACE: &str = "org.freedesktop.portal.FileChooser";
const REQUEST: &str = "org.freedesktop.portal.Request";

/// The version of the interface that can choose a folder.
const VERSION_WITH_FOLDERS: u32 = 3;

/// How long a portal that does not answer is waited for, before another chooser is taken.
const TO_ANSWER: Duration = Duration::from_secs(10);

/// The last part of the path of a request. There is one request at a time, and only answers of the
/// portal count, so it need not be a secret.
const TOKEN: &str = "qubes_select_file";

/// The results of a request. Any other one means that it was ended in another way.
const CHOSEN: u32 = 0;
const CANCELLED: u32 = 1;

/// A portal that can show the chooser.
#[derive(Debug)]
pub(super) struct Portal {
    connection: Connection,
    bus: DBusProxy<'static>,
    /// Who it is, so that nobody else answers in its place.
    owner: OwnedUniqueName,
}

impl Portal {
    /// `None`: there is none, or it cannot let the user choose this.
    pub(super) async fn find(choice: Choice) -> Option<Self> {
        timeout(TO_ANSWER, Self::find_now(choice))
            .await
            .ok()?
            .ok()?
    }

    async fn find_now(choice: Choice) -> zbus::Result<Option<Self>> {
        let connection = Connection::session().await?;
        // Starts it if need be. Without a backend for the desktop it does not have the interface.
        let version: u32 = Proxy::new(&connection, SERVICE, OBJECT, INTERFACE)
            .await?
            .get_property("version")
            .await?;
        if choice == Choice::Folder && version < VERSION_WITH_FOLDERS {
            return Ok(None);
        }
        let bus = DBusProxy::new(&connection).await?;
        let owner = bus.get_name_owner(SERVICE.try_into()?).await?;
        Ok(Some(Self {
            connection,
            bus,
            owner,
        }))
    }

    /// The path that the user chooses; `None`: the user cancels.
    pub(super) async fn choose(
        &self,
        choice: Choice,
        title: &str,
        start: &Path,
    ) -> Result<Option<Vec<u8>>, NotChosen> {
        let failed = |why: &dyn std::fmt::Display| {
            let why = text::foreign(why.to_string().as_bytes());
            cannot(choice).because(format_args!("xdg-desktop-portal: {why}"))
        };
        let asked = timeout(TO_ANSWER, self.ask(choice, title, start)).await;
        let request = match asked {
            Ok(Ok(request)) => request,
            Ok(Err(error)) => return Err(NotChosen::NotShown(failed(&error))),
            Err(_) => return Err(NotChosen::NotShown(failed(&"it does not answer"))),
        };
        let answer = request.answer(self).await;
        let failed = |why: &dyn std::fmt::Display| NotChosen::Failed(failed(why));
        let Some((result, answer)) = answer.map_err(|error| failed(&error))? else {
            return Err(failed(&"it has ended"));
        };
        match result {
            CHOSEN => {}
            CANCELLED => return Ok(None),
            _ => return Err(failed(&"it ended the choice, and the user did not")),
        }
        let uris = answer.get("uris").and_then(|uris| {
            let uris = uris.try_clone().ok()?;
            Vec::<String>::try_from(uris).ok()
        });
        match uris.as_deref() {
            Some([untrusted_uri]) => match uri::path(untrusted_uri) {
                Some(path) => Ok(Some(path)),
                None => Err(failed(&format_args!(
                    "{untrusted_uri} is no file of this qube"
                ))),
            },
            _ => Err(failed(&"its answer has not one file")),
        }
    }

    /// Has the portal show the chooser.
    async fn ask(&self, choice: Choice, title: &str, start: &Path) -> zbus::Result<Request> {
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(self.owner.as_str())?
            .interface(REQUEST)?
            .member("Response")?
            .build();
        let responses = MessageStream::for_match_rule(rule, &self.connection, None).await?;
        let owners = self
            .bus
            .receive_name_owner_changed_with_args(&[(0, SERVICE)])
            .await?;
        let mut folder = start.as_os_str().as_bytes().to_vec();
        folder.push(0);
        let mut options = HashMap::from([
            ("handle_token", Value::from(TOKEN)),
            ("current_folder", Value::from(folder)),
            ("modal", Value::from(false)),
        ]);
        if choice == Choice::Folder {
            options.insert("directory", Value::from(true));
        }
        let no_parent = "";
        let handle: OwnedObjectPath = self
            .connection
            .call_method(
                Some(self.owner.as_str()),
                OBJECT,
                Some(INTERFACE),
                "OpenFile",
                &(no_parent, title, options),
            )
            .await?
            .body()
            .deserialize()?;
        Ok(Request {
            handle,
            responses,
            owners,
        })
    }
}

/// Why a portal gives no path.
#[derive(Debug)]
pub(super) enum NotChosen {
    /// It shows no chooser. Another one can be used.
    NotShown(Failure),
    /// The user has seen a chooser, or may have.
    Failed(Failure),
}

/// A request that the portal has taken.
struct Request {
    handle: OwnedObjectPath,
    responses: MessageStream,
    owners: NameOwnerChangedStream,
}

impl Request {
    /// Its result and what comes with it; `None`: the portal has left the bus.
    async fn answer(
        mut self,
        portal: &Portal,
    ) -> zbus::Result<Option<(u32, HashMap<String, OwnedValue>)>> {
        let response = async {
            while let Some(message) = self.responses.next().await {
                let message = message?;
                let header = message.header();
                let is_answer = header.path().is_some_and(|path| *path == *self.handle)
                    && header
                        .sender()
                        .is_some_and(|sender| *sender == *portal.owner);
                if is_answer {
                    return message.body().deserialize().map(Some);
                }
            }
            Ok(None)
        };
        let end = async {
            while let Some(change) = self.owners.next().await {
                let is_gone = change
                    .args()
                    .is_ok_and(|change| change.new_owner().as_ref() != Some(&portal.owner));
                if is_gone {
                    break;
                }
            }
            Ok(None)
        };
        futures_lite::future::or(response, end).await
    }
}
