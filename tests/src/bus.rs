//! A private session bus, of the real `dbus-daemon`, and fakes on it: an application, and a
//! notification service. The fakes are this test's own; no desktop has to be installed.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use zbus::blocking::Connection;
use zbus::blocking::connection::Builder;
use zbus::zvariant::{OwnedValue, Value};

use crate::process::HANGS_AFTER;
use crate::tree::TempFolder;

/// A bus; dropped, it ends.
#[derive(Debug)]
pub struct Bus {
    folder: TempFolder,
    daemon: Child,
    address: String,
}

impl Default for Bus {
    fn default() -> Self {
        Self::new()
    }
}

impl Bus {
    /// A bus that can start nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let folder = TempFolder::new();
        fs::create_dir(folder.path().join("services")).expect("ours");
        let shown = folder.path().display();
        let settings = format!(
            "<busconfig><type>session</type><listen>unix:dir={shown}</listen>\
             <servicedir>{shown}/services</servicedir><policy context=\"default\">\
             <allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/>\
             <allow own=\"*\"/></policy></busconfig>"
        );
        let file = folder.path().join("settings");
        fs::write(&file, settings).expect("ours");
        let mut command = Command::new("dbus-daemon");
        command
            .args(["--nofork", "--nopidfile", "--nosyslog", "--print-address=1"])
            .arg(format!("--config-file={}", file.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut daemon = command.spawn().expect("dbus-daemon starts");
        let mut address = String::new();
        let stdout = daemon.stdout.take().expect("is a pipe");
        BufReader::new(stdout)
            .read_line(&mut address)
            .expect("is text");
        assert!(!address.is_empty(), "dbus-daemon has not started");
        Self {
            folder,
            daemon,
            address: address.trim_end().to_owned(),
        }
    }

    /// Makes this the session bus of `command`.
    pub fn prepare(&self, command: &mut Command) {
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.address);
    }

    /// Makes this the system bus of `command`.
    pub fn prepare_as_system(&self, command: &mut Command) {
        command.env("DBUS_SYSTEM_BUS_ADDRESS", &self.address);
    }

    /// Has the bus start this shell command when somebody calls `name`.
    pub fn starts(&self, name: &str, script: &str) {
        let path = self.folder.path().join(format!("{name}.sh"));
        fs::write(&path, format!("{script}\n")).expect("ours");
        let service = format!(
            "[D-BUS Service]\nName={name}\nExec=/bin/sh {}\n",
            path.display()
        );
        let file = self.folder.path().join(format!("services/{name}.service"));
        fs::write(file, service).expect("ours");
        let mut reload = Command::new("dbus-send");
        self.prepare(&mut reload);
        reload.args([
            "--session",
            "--print-reply",
            "--dest=org.freedesktop.DBus",
            "/",
        ]);
        reload
            .arg("org.freedesktop.DBus.ReloadConfig")
            .stdout(Stdio::null());
        assert!(
            reload.status().is_ok_and(|status| status.success()),
            "the bus reads its settings"
        );
    }

    fn connection(&self) -> Builder<'_> {
        Builder::address(&*self.address).expect("an address")
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _may_have_ended = self.daemon.kill();
        let _nothing_is_asked = self.daemon.wait();
    }
}

/// An application on a bus; dropped, it has left the bus.
#[derive(Debug)]
pub struct FakeApplication {
    activated: Receiver<usize>,
    _connection: Connection,
}

struct ApplicationObject {
    activated: Sender<usize>,
    refuses: bool,
}

#[zbus::interface(name = "org.freedesktop.Application")]
impl ApplicationObject {
    fn activate(&self, platform_data: HashMap<String, OwnedValue>) -> zbus::fdo::Result<()> {
        let _test_has_ended = self.activated.send(platform_data.len());
        match self.refuses {
            true => Err(zbus::fdo::Error::Failed("not today".to_owned())),
            false => Ok(()),
        }
    }
}

impl FakeApplication {
    /// One with this bus name and object path, which starts or refuses to.
    #[must_use]
    pub fn new(bus: &Bus, name: &str, path: &str, refuses: bool) -> Self {
        let (tell, activated) = channel();
        let object = ApplicationObject {
            activated: tell,
            refuses,
        };
        let connection = bus.connection().serve_at(path, object).expect("a path");
        let connection = connection.name(name).expect("a name").build();
        Self {
            activated,
            _connection: connection.expect("the bus gives it its name"),
        }
    }

    /// Waits until it is activated; how much platform data came with it.
    #[track_caller]
    pub fn activated(&self) -> usize {
        self.activated
            .recv_timeout(HANGS_AFTER)
            .expect("nobody activates it")
    }
}

/// A NetworkManager on a bus; dropped, it has left the bus.
#[derive(Debug)]
pub struct FakeNetworkManager {
    told: Receiver<bool>,
    _connection: Connection,
}

struct NetworkManagerObject {
    told: Sender<bool>,
}

#[zbus::interface(name = "org.freedesktop.NetworkManager")]
impl NetworkManagerObject {
    fn sleep(&self, is_asleep: bool) {
        let _test_has_ended = self.told.send(is_asleep);
    }
}

impl FakeNetworkManager {
    /// One that sleeps and wakes up when it is told to.
    #[must_use]
    pub fn new(bus: &Bus) -> Self {
        let (tell, told) = channel();
        let object = NetworkManagerObject { told: tell };
        let connection = bus.connection();
        let connection = connection.serve_at("/org/freedesktop/NetworkManager", object);
        let connection = connection.expect("a path");
        let connection = connection.name("org.freedesktop.NetworkManager");
        Self {
            told,
            _connection: connection.expect("a name").build().expect("it is free"),
        }
    }

    /// All that it was told until now: true is to sleep.
    #[must_use]
    pub fn told(&self) -> Vec<bool> {
        self.told.try_iter().collect()
    }
}

/// A notification service on a bus.
#[derive(Debug)]
pub struct FakeNotifications {
    shown: Receiver<Notification>,
    connection: Connection,
}

/// What it shows.
#[derive(Debug)]
pub struct Notification {
    /// One line.
    pub title: String,
    /// Markup, if the service knows it.
    pub text: String,
}

struct NotificationsObject {
    shown: Sender<Notification>,
    knows_markup: bool,
}

const NOTIFICATIONS: &str = "/org/freedesktop/Notifications";

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl NotificationsObject {
    fn get_capabilities(&self) -> Vec<&'static str> {
        match self.knows_markup {
            true => vec!["body", "body-markup"],
            false => vec!["body"],
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the interface has them")]
    fn notify(
        &self,
        _application: String,
        _replaces: u32,
        _icon: String,
        title: String,
        text: String,
        _actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _expires: i32,
    ) -> u32 {
        let _test_has_ended = self.shown.send(Notification { title, text });
        7
    }
}

impl FakeNotifications {
    /// One that knows markup in texts, or does not.
    #[must_use]
    pub fn new(bus: &Bus, knows_markup: bool) -> Self {
        let (tell, shown) = channel();
        let object = NotificationsObject {
            shown: tell,
            knows_markup,
        };
        let connection = bus
            .connection()
            .serve_at(NOTIFICATIONS, object)
            .expect("a path");
        let connection = connection
            .name("org.freedesktop.Notifications")
            .expect("a name");
        Self {
            shown,
            connection: connection.build().expect("the bus gives it its name"),
        }
    }

    /// Waits for the next one.
    #[track_caller]
    #[must_use]
    pub fn shown(&self) -> Notification {
        self.shown
            .recv_timeout(HANGS_AFTER)
            .expect("nothing is shown")
    }

    /// The user closes it.
    pub fn close(&self) {
        let closed: (u32, u32) = (7, 2);
        let path = NOTIFICATIONS;
        let told = self.connection.emit_signal(
            None::<&str>,
            path,
            "org.freedesktop.Notifications",
            "NotificationClosed",
            &closed,
        );
        told.expect("the bus is there");
    }
}

/// A portal with a chooser of files on a bus. It answers when it is told to.
#[derive(Debug)]
pub struct FakePortal {
    asked: Receiver<Request>,
    connection: Connection,
}

/// What a portal is asked.
#[derive(Debug)]
pub struct Request {
    /// Of the window.
    pub title: String,
    /// Is a folder to be chosen?
    pub of_folder: bool,
    /// The folder in which the chooser begins, with the NUL at its end.
    pub begins_in: Vec<u8>,
    /// Who asks.
    pub caller: String,
    /// The object that answers.
    pub handle: String,
}

struct PortalObject {
    asked: Sender<Request>,
    version: u32,
    how: Answers,
}

/// How a portal answers the call that asks for the chooser.
#[derive(Debug)]
enum Answers {
    Well,
    /// It has sent this URI before.
    Late(String),
    /// With an error.
    Badly,
    Never,
}

const PORTAL: &str = "org.freedesktop.portal.Desktop";
const REQUEST: &str = "org.freedesktop.portal.Request";

#[zbus::interface(name = "org.freedesktop.portal.FileChooser")]
impl PortalObject {
    #[zbus(property, name = "version")]
    fn version(&self) -> u32 {
        self.version
    }

    async fn open_file(
        &self,
        #[zbus(header)] header: zbus::message::Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
        _parent: String,
        title: String,
        options: HashMap<String, OwnedValue>,
    ) -> zbus::fdo::Result<zbus::zvariant::OwnedObjectPath> {
        let option = |name: &str| {
            options
                .get(name)
                .map(|value| value.try_clone().expect("ours"))
        };
        let caller = header.sender().expect("the bus says who").to_string();
        let token = option("handle_token").map(|token| String::try_from(token).expect("text"));
        let handle = format!(
            "/org/freedesktop/portal/desktop/request/{}/{}",
            caller.trim_start_matches(':').replace('.', "_"),
            token.expect("a token")
        );
        let begins_in =
            option("current_folder").map(|folder| Vec::try_from(folder).expect("bytes"));
        let of_folder = option("directory").map(|is| bool::try_from(is).expect("a bool"));
        let request = Request {
            title,
            of_folder: of_folder.unwrap_or(false),
            begins_in: begins_in.unwrap_or_default(),
            caller,
            handle,
        };
        match self.how {
            Answers::Well | Answers::Late(_) => {}
            Answers::Badly => {
                return Err(zbus::fdo::Error::Failed("no\u{1b}[2Jdisplay".to_owned()));
            }
            Answers::Never => std::future::pending().await,
        }
        if let Answers::Late(uri) = &self.how {
            let to = Some(request.caller.as_str());
            let path = request.handle.as_str();
            let body = (
                0_u32,
                HashMap::from([("uris", Value::from(vec![uri.as_str()]))]),
            );
            let told = connection.emit_signal(to, path, REQUEST, "Response", &body);
            told.await.expect("the bus is there");
        }
        let handle = request.handle.as_str().try_into().expect("a path");
        let _test_has_ended = self.asked.send(request);
        Ok(handle)
    }
}

impl FakePortal {
    /// One whose interface has this version.
    #[must_use]
    pub fn new(bus: &Bus, version: u32) -> Self {
        Self::serve(bus, version, Answers::Well)
    }

    /// One that answers every call with an error.
    #[must_use]
    pub fn refusing(bus: &Bus) -> Self {
        Self::serve(bus, 4, Answers::Badly)
    }

    /// One that does not answer any call.
    #[must_use]
    pub fn silent(bus: &Bus) -> Self {
        Self::serve(bus, 4, Answers::Never)
    }

    /// One that answers with this URI before it has answered the call.
    #[must_use]
    pub fn hasty(bus: &Bus, uri: &str) -> Self {
        Self::serve(bus, 4, Answers::Late(uri.to_owned()))
    }

    fn serve(bus: &Bus, version: u32, how: Answers) -> Self {
        let (tell, asked) = channel();
        let object = PortalObject {
            asked: tell,
            version,
            how,
        };
        let connection = bus.connection();
        let connection = connection.serve_at("/org/freedesktop/portal/desktop", object);
        let connection = connection.expect("a path").name(PORTAL).expect("a name");
        Self {
            asked,
            connection: connection.build().expect("the bus gives it its name"),
        }
    }

    /// Waits until it is asked.
    #[track_caller]
    #[must_use]
    pub fn asked(&self) -> Request {
        self.asked
            .recv_timeout(HANGS_AFTER)
            .expect("nobody asks it")
    }

    /// True if nobody has asked it.
    #[must_use]
    pub fn is_unasked(&self) -> bool {
        self.asked.try_recv().is_err()
    }

    /// The user has chosen these, or has ended it in another way.
    pub fn answer(&self, request: &Request, result: u32, uris: &[&str]) {
        respond(&self.connection, request, result, uris);
    }
}

/// Somebody else on the bus answers in the place of the portal.
pub fn forge_answer(bus: &Bus, request: &Request, uri: &str) {
    let connection = bus.connection().build().expect("a connection");
    respond(&connection, request, 0, &[uri]);
    // The bus has passed it on before it answers this.
    let names = zbus::blocking::fdo::DBusProxy::new(&connection).expect("the bus is there");
    names.list_names().expect("the bus is there");
}

fn respond(connection: &Connection, request: &Request, result: u32, uris: &[&str]) {
    let results = HashMap::from([("uris", Value::from(uris.to_vec()))]);
    let to = Some(request.caller.as_str());
    let told = connection.emit_signal(
        to,
        request.handle.as_str(),
        REQUEST,
        "Response",
        &(result, results),
    );
    told.expect("the bus is there");
}
