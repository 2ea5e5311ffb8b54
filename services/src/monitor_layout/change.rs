//! The change from one layout to another: all of it, or nothing.
//!
//! The server is grabbed meanwhile, so no other client sees a layout in between, or changes it.

use std::collections::BTreeSet;

use program::failure::Failure;
use program::say::say;
use x11rb::errors::{ConnectionError, ReplyError};
use x11rb::protocol::randr::{ConnectionExt as _, Rotation, SetConfig};
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _, PropMode};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use super::NAME;
use super::lines::{Layout, Monitor};
use super::mode;
use super::state::{Screen, Setting, State};

/// Millimetres of an inch, in tenths, and the pixels of one on a screen of which nothing is known.
const TENTHS_OF_MM: u32 = 254;
const PIXELS: u32 = 96;

/// Sets a layout on a screen of an X server.
///
/// # Errors
/// It cannot be set; then it is as it was, unless the message says otherwise.
pub(crate) fn set(
    connection: &RustConnection,
    screen: usize,
    layout: &Layout,
) -> Result<(), Failure> {
    let asked = |what| move |error| Failure::new(what).because(explained(error));
    let screen = Screen::new(connection, screen)
        .map_err(asked("cannot use RandR, by which monitors are set"))?;
    let grabbed = connection.grab_server().map_err(ReplyError::from);
    grabbed
        .and_then(|grabbed| grabbed.check())
        .map_err(asked("cannot grab the X server"))?;
    let before = screen.read().map_err(asked("cannot read the monitors"));
    let set = before.and_then(|before| set_grabbed(screen, &before, layout));
    let ungrabbed = connection
        .ungrab_server()
        .and_then(|_| connection.sync().map_err(connection_error));
    set.and(ungrabbed.map_err(|error| asked("cannot end the change of monitors")(error.into())))
}

fn connection_error(error: ReplyError) -> ConnectionError {
    match error {
        ReplyError::ConnectionError(error) => error,
        ReplyError::X11Error(_) => ConnectionError::UnknownError,
    }
}

/// Sets it, or puts the layout back that there was.
fn set_grabbed(screen: Screen<'_>, before: &State, layout: &Layout) -> Result<(), Failure> {
    let wanted = assign(before, layout)?;
    let mut change = Change {
        screen,
        before,
        made: Vec::new(),
        added: Vec::new(),
    };
    match change.make(&wanted, layout.screen()) {
        Ok(()) => {
            change.remove_unused_modes();
            all_sizes_are_told(before, &wanted)
        }
        Err(failure) => Err(match change.undo() {
            Ok(true) => failure.advise("the monitors are as they were"),
            Ok(false) => failure.advise("the monitors could not be put back as they were"),
            Err(error) => failure.advise(format_args!(
                "the monitors could not be put back as they were: {}",
                explained(error)
            )),
        }),
    }
}

/// A monitor, and what shows it.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    monitor: Monitor,
    /// The number of its output: `DUMMY0`, ….
    number: usize,
    output: u32,
    crtc: u32,
}

/// Finds an output and a CRTC for each monitor.
fn assign(state: &State, layout: &Layout) -> Result<Vec<Wanted>, Failure> {
    let dummies = state.dummies();
    let count = layout.monitors().len();
    let mut used = BTreeSet::new();
    let mut wanted = Vec::new();
    for (number, monitor) in layout.monitors().iter().enumerate() {
        let Some(output) = dummies.get(number) else {
            return Err(
                Failure::new(format_args!("cannot set {count} monitors")).because(format_args!(
                    "the X server has {} of the outputs DUMMY0, DUMMY1, …",
                    dummies.len()
                )),
            );
        };
        let own = (output.crtc != 0).then_some(output.crtc);
        let crtcs = own.into_iter().chain(output.crtcs.iter().copied());
        let Some(crtc) = crtcs.into_iter().find(|crtc| !used.contains(crtc)) else {
            return Err(Failure::new(format_args!("cannot set {count} monitors"))
                .because(format_args!("no CRTC is left for DUMMY{number}")));
        };
        used.insert(crtc);
        wanted.push(Wanted {
            monitor: *monitor,
            number,
            output: output.id,
            crtc,
        });
    }
    Ok(wanted)
}

/// A size in millimetres can be told only to an output that has the properties for it.
fn all_sizes_are_told(state: &State, wanted: &[Wanted]) -> Result<(), Failure> {
    let dummies = state.dummies();
    let is_told =
        |wanted: &&Wanted| wanted.monitor.mm.is_none() || dummies[wanted.number].mm.is_some();
    match wanted.iter().find(|wanted| !is_told(wanted)) {
        None => Ok(()),
        Some(wanted) => Err(Failure::new(format_args!(
            "the layout is set, but not how large the monitors are in millimetres: DUMMY{} does not \
             have the properties WIDTH_MM and HEIGHT_MM",
            wanted.number
        ))),
    }
}

/// A change that has begun.
struct Change<'a> {
    screen: Screen<'a>,
    before: &'a State,
    /// The modes that were made for it.
    made: Vec<u32>,
    /// The outputs that were given a mode for it, with the modes.
    added: Vec<(u32, u32)>,
}

impl Change<'_> {
    fn make(&mut self, wanted: &[Wanted], size: [u16; 2]) -> Result<(), Failure> {
        let mut settings = Vec::new();
        for wanted in wanted {
            let Monitor {
                width,
                height,
                x,
                y,
                ..
            } = wanted.monitor;
            let mode = self.mode(wanted).map_err(|error| {
                Failure::new(format_args!("cannot make a mode of {width} x {height}"))
                    .because(explained(error))
            })?;
            let place = |place: u16| i16::try_from(place).unwrap_or(i16::MAX);
            let setting = Setting {
                x: place(x),
                y: place(y),
                mode,
                rotation: Rotation::ROTATE0,
                outputs: vec![wanted.output],
            };
            settings.push((wanted.crtc, setting));
        }
        let state = self.screen.read().map_err(cannot_read)?;
        let dummies = state.dummies();
        let is_dummy = |output: &u32| dummies.iter().any(|dummy| dummy.id == *output);
        // What changes is switched off first: a screen cannot become smaller than what it shows.
        for crtc in &state.crtcs {
            let is_ours = crtc.setting.outputs.iter().any(is_dummy);
            let stays = settings.contains(&(crtc.id, crtc.setting.clone()));
            if is_ours && !stays {
                self.set_crtc(&state, crtc.id, &Setting::off())?;
            }
        }
        self.set_size(state.size, size)?;
        for (crtc, setting) in &settings {
            if state
                .crtc(*crtc)
                .is_none_or(|crtc| crtc.setting != *setting)
            {
                self.set_crtc(&state, *crtc, setting)?;
            }
        }
        for (number, dummy) in dummies.iter().enumerate() {
            let mm = wanted.get(number).and_then(|wanted| wanted.monitor.mm);
            let mm = mm.unwrap_or_default().map(u32::from);
            if dummy.mm.is_some_and(|before| before != mm) {
                self.set_mm(dummy.id, mm).map_err(|error| {
                    Failure::new(format_args!("cannot set the size of DUMMY{number} in mm"))
                        .because(explained(error))
                })?;
            }
        }
        self.verify(wanted, &settings, size)
    }

    /// The mode of exactly the size of a monitor, which its output can have.
    fn mode(&mut self, wanted: &Wanted) -> Result<u32, ReplyError> {
        let Monitor { width, height, .. } = wanted.monitor;
        let state = self.screen.read()?;
        let names = mode::names(width, height);
        let connection = self.screen.connection;
        let existing = names.iter().filter_map(|name| state.mode_named(name));
        let mode = existing
            .into_iter()
            .find(|mode| mode.size == [width, height]);
        let id = match mode {
            Some(mode) => mode.id,
            None => {
                // That of the original can have a name with which its width does not agree.
                let free = names.iter().find(|name| state.mode_named(name).is_none());
                let name = free.unwrap_or(&names[0]);
                let mut info = mode::of(width, height);
                info.name_len = u16::try_from(name.len()).unwrap_or_default();
                let made = connection.randr_create_mode(self.screen.root, info, name.as_bytes())?;
                let id = made.reply()?.mode;
                self.made.push(id);
                id
            }
        };
        let output = state
            .outputs
            .iter()
            .find(|output| output.id == wanted.output);
        if !output.is_some_and(|output| output.modes.contains(&id)) {
            connection
                .randr_add_output_mode(wanted.output, id)?
                .check()?;
            self.added.push((wanted.output, id));
        }
        Ok(id)
    }

    fn set_size(&self, now: [u16; 2], size: [u16; 2]) -> Result<(), Failure> {
        if now == size {
            return Ok(());
        }
        let [width, height] = size;
        let [mm_width, mm_height] = size.map(in_mm);
        let connection = self.screen.connection;
        connection
            .randr_set_screen_size(self.screen.root, width, height, mm_width, mm_height)
            .map_err(ReplyError::from)
            .and_then(|sent| sent.check())
            .map_err(|error| {
                Failure::new(format_args!("cannot make the screen {width} x {height}"))
                    .because(explained(error))
            })
    }

    fn set_crtc(&self, state: &State, crtc: u32, setting: &Setting) -> Result<(), Failure> {
        let connection = self.screen.connection;
        let set = connection
            .randr_set_crtc_config(
                crtc,
                x11rb::CURRENT_TIME,
                state.config_timestamp,
                setting.x,
                setting.y,
                setting.mode,
                setting.rotation,
                &setting.outputs,
            )
            .map_err(ReplyError::from)
            .and_then(|sent| sent.reply());
        let why = match set {
            Ok(set) if set.status == SetConfig::SUCCESS => return Ok(()),
            Ok(set) => format!("the X server refuses it: {:?}", set.status),
            Err(error) => explained(error),
        };
        let attempted = match setting.is_off() {
            true => "switch a monitor off",
            false => "show a monitor",
        };
        Err(Failure::new(format_args!("cannot {attempted}")).because(why))
    }

    fn set_mm(&self, output: u32, mm: [u32; 2]) -> Result<(), ReplyError> {
        for (property, value) in self.screen.mm.into_iter().zip(mm) {
            let connection = self.screen.connection;
            let changed = connection.randr_change_output_property(
                output,
                property,
                AtomEnum::INTEGER.into(),
                32,
                PropMode::REPLACE,
                1,
                &value.to_ne_bytes(),
            )?;
            changed.check()?;
        }
        Ok(())
    }

    /// Is all as it was asked for?
    fn verify(
        &self,
        wanted: &[Wanted],
        settings: &[(u32, Setting)],
        size: [u16; 2],
    ) -> Result<(), Failure> {
        let state = self.screen.read().map_err(cannot_read)?;
        let is_set = |(crtc, setting): &(u32, Setting)| {
            state
                .crtc(*crtc)
                .is_some_and(|crtc| crtc.setting == *setting)
        };
        let dummies = state.dummies();
        let mut numbered = dummies.iter().enumerate();
        let are_right = numbered.all(|(number, dummy)| {
            let wanted = wanted.get(number);
            let mm = wanted
                .and_then(|wanted| wanted.monitor.mm)
                .unwrap_or_default();
            let has_mm = dummy.mm.is_none_or(|told| told == mm.map(u32::from));
            let crtc = wanted.map_or(0, |wanted| wanted.crtc);
            has_mm && dummy.crtc == crtc
        });
        match state.size == size && settings.iter().all(is_set) && are_right {
            true => Ok(()),
            false => Err(Failure::new("the layout was set").because(
                "what the X server says of its monitors then is not what it was asked for",
            )),
        }
    }

    /// Puts back what there was. Is it there again?
    fn undo(&self) -> Result<bool, ReplyError> {
        let connection = self.screen.connection;
        let now = self.screen.read()?;
        let changed: Vec<_> = self
            .before
            .crtcs
            .iter()
            .filter(|crtc| {
                now.crtc(crtc.id)
                    .is_some_and(|now| now.setting != crtc.setting)
            })
            .collect();
        let set = |crtc: u32, setting: &Setting| -> Result<(), ReplyError> {
            let set = connection.randr_set_crtc_config(
                crtc,
                x11rb::CURRENT_TIME,
                now.config_timestamp,
                setting.x,
                setting.y,
                setting.mode,
                setting.rotation,
                &setting.outputs,
            )?;
            set.reply().map(drop)
        };
        for crtc in &changed {
            set(crtc.id, &Setting::off())?;
        }
        if now.size != self.before.size {
            let [width, height] = self.before.size;
            let [mm_width, mm_height] = self.before.size.map(in_mm);
            connection
                .randr_set_screen_size(self.screen.root, width, height, mm_width, mm_height)?
                .check()?;
        }
        for crtc in &changed {
            set(crtc.id, &crtc.setting)?;
        }
        for (before, now) in self.before.outputs.iter().zip(&now.outputs) {
            if let Some(mm) = before.mm.filter(|mm| now.mm != Some(*mm)) {
                self.set_mm(before.id, mm)?;
            }
        }
        for (output, mode) in &self.added {
            connection
                .randr_delete_output_mode(*output, *mode)?
                .check()?;
        }
        for mode in &self.made {
            connection.randr_destroy_mode(*mode)?.check()?;
        }
        let now = self.screen.read()?;
        Ok(now.size == self.before.size && now.crtcs == self.before.crtcs)
    }

    /// Removes the modes of earlier layouts.
    fn remove_unused_modes(&self) {
        let removed = self.screen.read().and_then(|state| {
            let is_used = |id: u32| state.crtcs.iter().any(|crtc| crtc.setting.mode == id);
            let modes = state.modes.iter();
            let mut unused = modes.filter(|mode| mode::is_ours(&mode.name) && !is_used(mode.id));
            unused.try_for_each(|mode| self.remove_mode(&state, mode.id))
        });
        if let Err(error) = removed {
            say(format_args!(
                "{NAME}: cannot remove the modes of earlier layouts: {}",
                explained(error)
            ));
        }
    }

    fn remove_mode(&self, state: &State, mode: u32) -> Result<(), ReplyError> {
        let connection = self.screen.connection;
        for output in &state.outputs {
            if output.modes.contains(&mode) {
                connection
                    .randr_delete_output_mode(output.id, mode)?
                    .check()?;
            }
        }
        connection.randr_destroy_mode(mode)?.check()
    }
}

/// How large so many pixels are. Nothing is known of the real screen; the monitors say for themselves.
fn in_mm(pixels: u16) -> u32 {
    u32::from(pixels) * TENTHS_OF_MM / 10 / PIXELS
}

fn cannot_read(error: ReplyError) -> Failure {
    Failure::new("cannot read the monitors").because(explained(error))
}

/// An error in words.
fn explained(error: ReplyError) -> String {
    match error {
        ReplyError::ConnectionError(ConnectionError::UnsupportedExtension) => {
            "the X server does not have it".to_owned()
        }
        ReplyError::ConnectionError(error) => error.to_string(),
        ReplyError::X11Error(error) => {
            format!("the X server refuses it: Bad{:?}", error.error_kind)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_has_96_pixels_to_the_inch() {
        assert_eq!([96, 1920, 32767].map(in_mm), [25, 508, 8669]);
    }
}
