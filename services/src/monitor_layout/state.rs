//! What an X server has of RandR: its screen, outputs, CRTCs and modes.

use std::cell::Cell;

use desktop::x11::Connection;
use x11rb::connection::Connection as _;
use x11rb::errors::ReplyError;
use x11rb::protocol::Event;
use x11rb::protocol::randr::{ConnectionExt as _, NotifyMask, Rotation, ScreenChangeNotifyEvent};
use x11rb::protocol::xproto::{Atom, AtomEnum, ConnectionExt as _, Window};

/// The properties of an output that say how large its monitor is.
const MM: [&[u8]; 2] = [b"WIDTH_MM", b"HEIGHT_MM"];

/// A screen of an X server.
#[derive(Debug)]
pub(crate) struct Screen<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) root: Window,
    /// The atoms of [`MM`]; 0 where no output has it.
    pub(crate) mm: [Atom; 2],
    /// Its width and height in millimetres. The server tells them at the beginning, and when they change.
    size_mm: Cell<[u32; 2]>,
}

/// All of it at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// The width and height of the screen in pixels.
    pub(crate) size: [u16; 2],
    /// The same in millimetres.
    pub(crate) size_mm: [u32; 2],
    pub(crate) crtcs: Vec<Crtc>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) modes: Vec<Mode>,
    /// When this was made: for the requests that change it.
    pub(crate) config_timestamp: u32,
}

/// What is shown on an output, and where on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crtc {
    pub(crate) id: u32,
    pub(crate) setting: Setting,
}

/// How a CRTC is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) x: i16,
    pub(crate) y: i16,
    /// 0 if it is off.
    pub(crate) mode: u32,
    pub(crate) rotation: Rotation,
    pub(crate) outputs: Vec<u32>,
}

/// Where a monitor can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) id: u32,
    pub(crate) name: Vec<u8>,
    /// The CRTC that it shows; 0 if it is off.
    pub(crate) crtc: u32,
    /// Those that it can show.
    pub(crate) crtcs: Vec<u32>,
    pub(crate) modes: Vec<u32>,
    /// Its width and height in millimetres, 0 if they are not known; `None` if it does not tell.
    pub(crate) mm: Option<[u32; 2]>,
}

/// A size that outputs can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mode {
    pub(crate) id: u32,
    pub(crate) size: [u16; 2],
    pub(crate) name: Vec<u8>,
}

impl Setting {
    /// Nothing is shown.
    pub(crate) fn off() -> Self {
        Self {
            x: 0,
            y: 0,
            mode: 0,
            rotation: Rotation::ROTATE0,
            outputs: Vec::new(),
        }
    }

    /// The same without some of the outputs; off if none is left.
    pub(crate) fn without(&self, left_out: impl Fn(&u32) -> bool) -> Self {
        let outputs = self.outputs.iter().copied();
        let outputs: Vec<u32> = outputs.filter(|output| !left_out(output)).collect();
        match outputs.is_empty() {
            true => Self::off(),
            false => Self {
                outputs,
                ..self.clone()
            },
        }
    }

    pub(crate) fn is_off(&self) -> bool {
        self.mode == 0
    }
}

impl<'a> Screen<'a> {
    pub(crate) fn new(connection: &'a Connection, screen: usize) -> Result<Self, ReplyError> {
        // Answers of an older version lack what is needed.
        connection.randr_query_version(1, 3)?.reply()?;
        let screen = &connection.setup().roots[screen];
        connection
            .randr_select_input(screen.root, NotifyMask::SCREEN_CHANGE)?
            .check()?;
        let [width, height] = MM.map(|name| connection.intern_atom(true, name));
        let size_mm = [screen.width_in_millimeters, screen.height_in_millimeters];
        Ok(Self {
            connection,
            root: screen.root,
            mm: [width?.reply()?.atom, height?.reply()?.atom],
            size_mm: Cell::new(size_mm.map(u32::from)),
        })
    }

    /// The size in millimetres that the server told last. What it told before the last reply is known.
    fn size_mm(&self) -> Result<[u32; 2], ReplyError> {
        while let Some(event) = self.connection.poll_for_event()? {
            if let Event::RandrScreenChangeNotify(event) = event {
                self.size_mm.set(mm_of(&event));
            }
        }
        Ok(self.size_mm.get())
    }

    /// Reads all of it.
    pub(crate) fn read(&self) -> Result<State, ReplyError> {
        let geometry = self.connection.get_geometry(self.root)?.reply()?;
        let resources = self
            .connection
            .randr_get_screen_resources_current(self.root)?;
        let resources = resources.reply()?;
        let timestamp = resources.config_timestamp;
        let mut crtcs = Vec::new();
        for id in resources.crtcs {
            let crtc = self
                .connection
                .randr_get_crtc_info(id, timestamp)?
                .reply()?;
            let setting = match crtc.mode {
                0 => Setting::off(),
                mode => Setting {
                    x: crtc.x,
                    y: crtc.y,
                    mode,
                    rotation: crtc.rotation,
                    outputs: crtc.outputs,
                },
            };
            crtcs.push(Crtc { id, setting });
        }
        let mut outputs = Vec::new();
        for id in resources.outputs {
            let output = self
                .connection
                .randr_get_output_info(id, timestamp)?
                .reply()?;
            outputs.push(Output {
                id,
                name: output.name,
                crtc: output.crtc,
                crtcs: output.crtcs,
                modes: output.modes,
                mm: self.read_mm(id)?,
            });
        }
        let mut names = &resources.names[..];
        let modes = resources.modes.iter().map(|mode| {
            let len = usize::from(mode.name_len).min(names.len());
            let (name, rest) = names.split_at(len);
            names = rest;
            Mode {
                id: mode.id,
                size: [mode.width, mode.height],
                name: name.to_vec(),
            }
        });
        Ok(State {
            size: [geometry.width, geometry.height],
            size_mm: self.size_mm()?,
            crtcs,
            outputs,
            modes: modes.collect(),
            config_timestamp: timestamp,
        })
    }

    fn read_mm(&self, output: u32) -> Result<Option<[u32; 2]>, ReplyError> {
        let mut mm = [0; 2];
        for (value, property) in mm.iter_mut().zip(self.mm) {
            if property == 0 {
                return Ok(None);
            }
            let read = self.connection.randr_get_output_property(
                output,
                property,
                AtomEnum::INTEGER,
                0,
                1,
                false,
                false,
            )?;
            let data = read.reply()?.data;
            let Ok(bytes) = <[u8; 4]>::try_from(data) else {
                return Ok(None);
            };
            *value = u32::from_ne_bytes(bytes);
        }
        Ok(Some(mm))
    }
}

/// If the first monitor is turned, the event has the sides exchanged.
fn mm_of(event: &ScreenChangeNotifyEvent) -> [u32; 2] {
    let [width, height] = [event.mwidth, event.mheight].map(u32::from);
    let turned = u16::from(Rotation::ROTATE90) | u16::from(Rotation::ROTATE270);
    match u16::from(event.rotation) & turned {
        0 => [width, height],
        _ => [height, width],
    }
}

impl State {
    /// The outputs of monitors that this qube is given, in order: `DUMMY0`, `DUMMY1`, ….
    pub(crate) fn dummies(&self) -> Vec<&Output> {
        let named = |name: String| {
            let mut outputs = self.outputs.iter();
            outputs.find(|output| output.name == name.as_bytes())
        };
        let dummies = (0..self.outputs.len()).map_while(|at| named(format!("DUMMY{at}")));
        dummies.collect()
    }

    /// Does a CRTC show an output that is not one of them?
    pub(crate) fn shows_another(&self, crtc: u32) -> bool {
        let dummies = self.dummies();
        let is_dummy = |output: &u32| dummies.iter().any(|dummy| dummy.id == *output);
        let crtc = self.crtc(crtc);
        crtc.is_some_and(|crtc| !crtc.setting.outputs.iter().all(is_dummy))
    }

    pub(crate) fn crtc(&self, id: u32) -> Option<&Crtc> {
        self.crtcs.iter().find(|crtc| crtc.id == id)
    }

    pub(crate) fn output(&self, id: u32) -> Option<&Output> {
        self.outputs.iter().find(|output| output.id == id)
    }

    /// Does it show the same as another one? Modes and times can differ.
    pub(crate) fn is_set_as(&self, other: &Self) -> bool {
        let mm = |state: &Self| -> Vec<_> {
            let outputs = state.outputs.iter();
            outputs.map(|output| (output.id, output.mm)).collect()
        };
        self.size == other.size
            && self.size_mm == other.size_mm
            && self.crtcs == other.crtcs
            && mm(self) == mm(other)
    }

    pub(crate) fn mode_named(&self, name: &str) -> Option<&Mode> {
        self.modes.iter().find(|mode| mode.name == name.as_bytes())
    }
}
