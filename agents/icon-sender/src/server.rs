//! What the X server knows about windows and their icons.
//!
//! A window can vanish at any time, and it can name things that are not there. An error that the server
//! gives for that is no error here: the window has no icon.

use std::os::unix::net::UnixStream;

use desktop::x11::{Connection, Display, Limits};
use program::failure::Failure;
use rustix::event::{PollFd, PollFlags};
use x11rb::connection::Connection as _;
use x11rb::errors::{ConnectionError, ReplyError};
use x11rb::image::Image;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ChangeWindowAttributesAux, ConnectionExt as _, EventMask, GetPropertyReply,
    ImageFormat, Property, Window,
};

use crate::hints::{self, Hints, MASK_DEPTHS, PIXMAP_DEPTHS, Picture};
use crate::icon::{Icon, Size};
use crate::property::{HEADER, PIECE, Place, Search};

/// The name of the property with the icons of a window.
const ICONS: &[u8] = b"_NET_WM_ICON";

/// The format of a property that has elements of 32 bits.
const ELEMENTS: u8 = 32;

/// The connection to the X server.
#[derive(Debug)]
pub(crate) struct Server {
    connection: Connection,
    root: Window,
    icons: Atom,
}

/// What has happened to a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It can be seen from now on.
    Mapped(Window),
    /// It has another icon.
    Icon(Window),
    /// It is gone, or cannot be seen any more.
    Gone(Window),
    /// Nothing that matters.
    Nothing,
}

/// A look at what a window says about its icon. It takes several steps, because that can be long.
#[derive(Debug)]
pub(crate) struct Look {
    window: Window,
    search: Search,
}

impl Look {
    /// Nothing has been looked at.
    pub(crate) fn at(window: Window) -> Self {
        Self {
            window,
            search: Search::new(),
        }
    }

    pub(crate) fn window(&self) -> Window {
        self.window
    }
}

/// How far a look has come.
#[derive(Debug)]
pub(crate) enum Looked {
    /// There is more to look at.
    Piece,
    /// This is the icon; `None` if the window has none that can be sent.
    All(Option<Icon>),
}

impl Server {
    /// Connects to the server that `DISPLAY` names, and asks it to tell of windows. Whatever is asked,
    /// now or later, fails once `end` can be read.
    pub(crate) fn connect(end: UnixStream) -> Result<Self, Failure> {
        let limits = Limits {
            deadline: None,
            end: Some(end),
        };
        let connected = Display::of_session().and_then(|(display, screen)| {
            let connection = display.connect(screen, limits)?;
            Ok((connection, screen))
        });
        let (connection, screen) = connected.map_err(|why| {
            Failure::new("cannot connect to the X server")
                .because(why)
                .advise("DISPLAY names the X server. The program is started with the desktop")
        })?;
        let root = connection.setup().roots[screen].root;
        let icons = connection.intern_atom(false, ICONS);
        let icons = icons
            .map_err(ReplyError::from)
            .and_then(|icons| icons.reply());
        let icons = icons.map_err(Failure::of("cannot ask the X server about icons"))?;
        let server = Self {
            connection,
            root,
            icons: icons.atom,
        };
        server
            .select(root, EventMask::SUBSTRUCTURE_NOTIFY)
            .map_err(Failure::of("cannot watch the windows of the X server"))?;
        Ok(server)
    }

    /// The windows that are there.
    pub(crate) fn windows(&self) -> Result<Vec<Window>, ConnectionError> {
        let tree = of_window(self.connection.query_tree(self.root)?.reply())?;
        Ok(tree.map(|tree| tree.children).unwrap_or_default())
    }

    /// Asks the server to tell of the icons of a window.
    pub(crate) fn watch(&self, window: Window) -> Result<(), ConnectionError> {
        self.select(window, EventMask::PROPERTY_CHANGE)
    }

    /// An error arrives as an event, and does not matter: the window is gone.
    fn select(&self, window: Window, events: EventMask) -> Result<(), ConnectionError> {
        let changes = ChangeWindowAttributesAux::new().event_mask(events);
        let sent = self.connection.change_window_attributes(window, &changes);
        sent.map(drop)
    }

    /// What was told so far has been looked at; more can be read.
    pub(crate) fn read_more(&self) {
        self.connection.stream().read_more();
    }

    /// The next thing that the server has told; `None` if there is nothing more for now, or if enough was
    /// read at once.
    pub(crate) fn next_change(&self) -> Result<Option<Change>, ConnectionError> {
        let event = self.connection.poll_for_event()?;
        Ok(event.map(|event| match event {
            // Another client sent it, and can say what it likes.
            event if event.sent_event() => Change::Nothing,
            Event::MapNotify(event) if event.event == self.root => Change::Mapped(event.window),
            Event::UnmapNotify(event) if event.event == self.root => Change::Gone(event.window),
            Event::DestroyNotify(event) if event.event == self.root => Change::Gone(event.window),
            Event::ReparentNotify(event) if event.parent != self.root => Change::Gone(event.window),
            Event::PropertyNotify(event)
                if event.atom == self.icons && event.state == Property::NEW_VALUE =>
            {
                Change::Icon(event.window)
            }
            _ => Change::Nothing,
        }))
    }

    /// Sends what was asked for.
    pub(crate) fn flush(&self) -> Result<(), ConnectionError> {
        self.connection.flush()
    }

    /// The connection, for `poll(2)`.
    pub(crate) fn polled(&self) -> PollFd<'_> {
        PollFd::new(self.connection.stream(), PollFlags::IN)
    }

    /// Looks at the next piece of what a window says about its icon.
    pub(crate) fn look(&self, look: &mut Look) -> Result<Looked, ConnectionError> {
        if let Some(offset) = look.search.wants() {
            if let Some(piece) = self.elements(look.window, self.icons, offset, PIECE)? {
                let elements = piece.elements();
                let in_piece = u64::try_from(elements.len()).unwrap_or_default();
                let len = u64::from(offset) + in_piece + piece.elements_after();
                look.search.take(&elements, len);
                return Ok(Looked::Piece);
            }
            return Ok(Looked::All(self.icon_of_hints(look.window)?));
        }
        Ok(Looked::All(
            match self.icon_of_property(look.window, look.search)? {
                Some(icon) => Some(icon),
                None => self.icon_of_hints(look.window)?,
            },
        ))
    }

    fn icon_of_property(
        &self,
        window: Window,
        search: Search,
    ) -> Result<Option<Icon>, ConnectionError> {
        let Some(Place { offset, size }) = search.found() else {
            return Ok(None);
        };
        let wanted = HEADER + size.pixels();
        let whole = self.elements(window, self.icons, offset, wanted)?;
        Ok(whole.and_then(|whole| {
            // The property may have changed meanwhile. The window will be looked at again then.
            let header = [size.width(), size.height()].map(u32::from);
            let [width, height] = header.map(u32::to_ne_bytes);
            let pixels = whole.0.value.strip_prefix(&[width, height].concat()[..])?;
            Icon::from_argb(size, pixels.to_vec())
        }))
    }

    fn icon_of_hints(&self, window: Window) -> Result<Option<Icon>, ConnectionError> {
        let property = self.elements(window, AtomEnum::WM_HINTS.into(), 0, hints::LEN)?;
        let hints = property.and_then(|property| Hints::parse(&property.elements()));
        let Some(hints) = hints else { return Ok(None) };
        let Some((size, image)) = self.picture(hints.pixmap, &PIXMAP_DEPTHS)? else {
            return Ok(None);
        };
        let pixel = |column, row| image.get_pixel(column, row);
        let pixmap = picture(size, &image, &pixel);
        let Some(mask) = hints.mask else {
            return Ok(hints::icon(&pixmap, None));
        };
        let Some((mask_size, mask)) = self.picture(mask, &MASK_DEPTHS)? else {
            return Ok(None);
        };
        let mask_pixel = |column, row| mask.get_pixel(column, row);
        let mask = picture(mask_size, &mask, &mask_pixel);
        Ok(hints::icon(&pixmap, Some(&mask)))
    }

    /// What is drawn on a pixmap that may not be there, and may be none: an image of a window would be one
    /// of the screen.
    fn picture(
        &self,
        pixmap: u32,
        depths: &[u8],
    ) -> Result<Option<(Size, Image<'static>)>, ConnectionError> {
        let window = self.connection.get_window_attributes(pixmap)?;
        let geometry = self.connection.get_geometry(pixmap)?;
        let is_window = of_window(window.reply())?.is_some();
        let geometry = of_window(geometry.reply())?;
        let fits = geometry.filter(|geometry| !is_window && depths.contains(&geometry.depth));
        let size =
            fits.and_then(|geometry| Size::new(geometry.width.into(), geometry.height.into()));
        let Some(size) = size else { return Ok(None) };
        let (width, height) = (size.width(), size.height());
        let asked = self.connection.get_image(
            ImageFormat::Z_PIXMAP,
            pixmap,
            0,
            0,
            width,
            height,
            u32::MAX,
        )?;
        Ok(of_window(asked.reply())?.and_then(|reply| {
            let image = Image::get_from_reply(self.connection.setup(), width, height, reply);
            Some((size, image.ok()?))
        }))
    }

    /// Elements of a property; `None` if it has none.
    fn elements(
        &self,
        window: Window,
        property: Atom,
        offset: u32,
        len: u32,
    ) -> Result<Option<Elements>, ConnectionError> {
        let asked =
            self.connection
                .get_property(false, window, property, AtomEnum::ANY, offset, len)?;
        let reply = of_window(asked.reply())?;
        Ok(reply.filter(|reply| reply.format == ELEMENTS).map(Elements))
    }
}

/// A part of a property that has elements of 32 bits.
struct Elements(GetPropertyReply);

impl Elements {
    fn elements(&self) -> Vec<u32> {
        self.0.value32().into_iter().flatten().collect()
    }

    /// The number of elements that follow.
    fn elements_after(&self) -> u64 {
        u64::from(self.0.bytes_after / 4)
    }
}

fn picture<'a>(size: Size, image: &Image<'_>, pixel: &'a dyn Fn(u16, u16) -> u32) -> Picture<'a> {
    Picture {
        size,
        depth: image.depth(),
        pixel,
    }
}

/// What the server answers about a window; `None` if it refuses.
fn of_window<T>(answered: Result<T, ReplyError>) -> Result<Option<T>, ConnectionError> {
    match answered {
        Ok(answer) => Ok(Some(answer)),
        Err(ReplyError::X11Error(_)) => Ok(None),
        Err(ReplyError::ConnectionError(error)) => Err(error),
    }
}
