//! The change from one layout to another: all of it, or nothing.
//!
//! The server is grabbed meanwhile, so no other client sees a layout in between, or changes it.

use std::collections::BTreeSet;

use desktop::x11::Connection;
use program::failure::Failure;
use program::say::say;
use x11rb::errors::{ConnectionError, ReplyError};
use x11rb::protocol::randr::{ConnectionExt as _, Rotation, SetConfig};
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _, PropMode};
use x11rb::wrapper::ConnectionExt as _;

use super::NAME;
use super::lines::{Layout, Monitor};
use super::mode;
use super::order;
use super::state::{Crtc, Screen, Setting, State};
use super::undisturbed::Undisturbed;
use crate::arrival::SinceBoot;

/// Millimetres of an inch, in tenths, and the pixels of one on a screen of which nothing is known.
const TENTHS_OF_MM: u32 = 254;
const PIXELS: u32 = 96;

/// The largest size in millimetres: X servers keep it in 16 bits with a sign.
const MAX_MM: u64 = 32767;

/// Most errors of putting things back that are told.
const MAX_ERRORS: usize = 3;

/// Sets a layout on a screen of an X server, unless a call was made later than `called`.
///
/// The deadline of the connection is that of the whole change. Signals wait until the change has ended.
///
/// # Errors
/// It cannot be set; then it is as it was, unless the message says otherwise.
pub(crate) fn set(
    connection: &Connection,
    screen: usize,
    layout: &Layout,
    called: SinceBoot,
) -> Result<(), Failure> {
    let asked = |what| move |error| Failure::new(what).because(explained(error));
    let screen = Screen::new(connection, screen)
        .map_err(asked("cannot use RandR, by which monitors are set"))?;
    let grabbed = connection.grab_server().map_err(ReplyError::from);
    grabbed
        .and_then(|grabbed| grabbed.check())
        .map_err(|error| {
            asked("cannot grab the X server")(error)
                .advise("the monitors are as they were. Another program may have grabbed it")
        })?;
    let undisturbed =
        Undisturbed::begin().map_err(Failure::of("cannot have signals wait for the change"))?;
    let mut notes = Vec::new();
    let set = set_in_order(&screen, layout, called, &mut notes);
    let set = match connection.stream().is_late() {
        true => set.map_err(|failure| {
            failure.advise(
                "the X server did not answer in time, and the connection was cut: it may show a part of \
                 the layout. Set it again",
            )
        }),
        false => set,
    };
    let ungrabbed = connection
        .ungrab_server()
        .map_err(ReplyError::from)
        .and_then(|_| connection.sync());
    drop(undisturbed);
    // Whoever does not read stderr must not hold up the server.
    for note in notes {
        say(format_args!("{NAME}: {note}"));
    }
    set.and(ungrabbed.map_err(asked("cannot end the change of monitors")))
}

/// Sets it if no later call was here. The server is grabbed.
fn set_in_order(
    screen: &Screen<'_>,
    layout: &Layout,
    called: SinceBoot,
    notes: &mut Vec<String>,
) -> Result<(), Failure> {
    let is_latest = order::is_latest(screen, called).map_err(|error| {
        Failure::new("cannot see whether another layout was set later").because(explained(error))
    })?;
    if !is_latest {
        notes.push("this layout is not set: a later call was made".to_owned());
        return Ok(());
    }
    let before = screen.read().map_err(cannot_read)?;
    set_grabbed(screen, &before, layout, notes)
}

/// Sets it, or puts the layout back that there was.
fn set_grabbed(
    screen: &Screen<'_>,
    before: &State,
    layout: &Layout,
    notes: &mut Vec<String>,
) -> Result<(), Failure> {
    let wanted = assign(before, layout)?;
    let mut change = Change {
        screen,
        before,
        made: Vec::new(),
        added: Vec::new(),
    };
    match change.make(&wanted, layout) {
        Ok(()) => {
            notes.extend(change.remove_unused_modes());
            all_sizes_are_told(before, &wanted)
        }
        Err(failure) => Err(match change.undo() {
            Ok(()) => failure.advise("the monitors are as they were"),
            Err(why) => failure.advise(format_args!(
                "the monitors could not be put back as they were: {why}"
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
        let mut crtcs = own.into_iter().chain(output.crtcs.iter().copied());
        let is_free = |crtc: &u32| !used.contains(crtc) && !state.shows_another(*crtc);
        let Some(crtc) = crtcs.find(is_free) else {
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
    screen: &'a Screen<'a>,
    before: &'a State,
    /// The modes that were made for it.
    made: Vec<u32>,
    /// The outputs that were given a mode for it, with the modes.
    added: Vec<(u32, u32)>,
}

impl Change<'_> {
    fn make(&mut self, wanted: &[Wanted], layout: &Layout) -> Result<(), Failure> {
        let size = layout.screen();
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
                self.set_crtc(&state, crtc.id, &crtc.setting.without(is_dummy))?;
            }
        }
        self.set_size(&state, size, size_mm(&state, layout))?;
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

    fn set_size(&self, now: &State, size: [u16; 2], size_mm: [u32; 2]) -> Result<(), Failure> {
        if (now.size, now.size_mm) == (size, size_mm) {
            return Ok(());
        }
        self.set_size_of_screen(size, size_mm).map_err(|error| {
            let [width, height] = size;
            Failure::new(format_args!("cannot make the screen {width} x {height}"))
                .because(explained(error))
        })
    }

    fn set_size_of_screen(&self, size: [u16; 2], size_mm: [u32; 2]) -> Result<(), ReplyError> {
        let connection = self.screen.connection;
        let [width, height] = size;
        let [mm_width, mm_height] = size_mm;
        connection
            .randr_set_screen_size(self.screen.root, width, height, mm_width, mm_height)?
            .check()
    }

    fn set_crtc(&self, state: &State, crtc: u32, setting: &Setting) -> Result<(), Failure> {
        let attempted = match setting.is_off() {
            true => "switch a monitor off",
            false => "show a monitor",
        };
        self.try_to_set_crtc(state.config_timestamp, crtc, setting)
            .map_err(Failure::of(format_args!("cannot {attempted}")))
    }

    fn try_to_set_crtc(&self, timestamp: u32, crtc: u32, setting: &Setting) -> Result<(), String> {
        let connection = self.screen.connection;
        let set = connection
            .randr_set_crtc_config(
                crtc,
                x11rb::CURRENT_TIME,
                timestamp,
                setting.x,
                setting.y,
                setting.mode,
                setting.rotation,
                &setting.outputs,
            )
            .map_err(ReplyError::from)
            .and_then(|sent| sent.reply());
        match set {
            Ok(set) if set.status == SetConfig::SUCCESS => Ok(()),
            Ok(set) => Err(format!("the X server refuses it: {:?}", set.status)),
            Err(error) => Err(explained(error)),
        }
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

    /// Puts back what there was, as far as it can be. Why not all of it is there again.
    fn undo(&self) -> Result<(), String> {
        let mut errors = Vec::new();
        let mut note = |done: Result<(), String>| errors.extend(done.err());
        let now = self.screen.read();
        note(now.as_ref().map(|_| ()).map_err(|_| {
            "it cannot be seen what has changed, so all monitors are set again".to_owned()
        }));
        let now = now.ok();
        let timestamp = now.as_ref().unwrap_or(self.before).config_timestamp;
        let has_changed = |before: &&Crtc| match &now {
            Some(now) => now.crtc(before.id).is_some_and(|now| now != *before),
            None => true,
        };
        let changed: Vec<_> = self.before.crtcs.iter().filter(has_changed).collect();
        for crtc in &changed {
            note(self.try_to_set_crtc(timestamp, crtc.id, &Setting::off()));
        }
        let State { size, size_mm, .. } = *self.before;
        if now
            .as_ref()
            .is_none_or(|now| (now.size, now.size_mm) != (size, size_mm))
        {
            note(self.set_size_of_screen(size, size_mm).map_err(explained));
        }
        for crtc in changed.iter().filter(|crtc| !crtc.setting.is_off()) {
            note(self.try_to_set_crtc(timestamp, crtc.id, &crtc.setting));
        }
        for before in &self.before.outputs {
            let mm_now = now.as_ref().and_then(|now| now.output(before.id)?.mm);
            if let Some(mm) = before.mm.filter(|mm| mm_now != Some(*mm)) {
                note(self.set_mm(before.id, mm).map_err(explained));
            }
        }
        let connection = self.screen.connection;
        for (output, mode) in &self.added {
            let deleted = connection.randr_delete_output_mode(*output, *mode);
            let deleted = deleted
                .map_err(ReplyError::from)
                .and_then(|sent| sent.check());
            note(deleted.map_err(explained));
        }
        for mode in &self.made {
            let destroyed = connection.randr_destroy_mode(*mode);
            let destroyed = destroyed
                .map_err(ReplyError::from)
                .and_then(|sent| sent.check());
            note(destroyed.map_err(explained));
        }
        match self.screen.read() {
            Ok(now) if now.is_set_as(self.before) => Ok(()),
            Ok(_) if errors.is_empty() => Err("the X server shows something else".to_owned()),
            Ok(_) => {
                errors.truncate(MAX_ERRORS);
                Err(errors.join("; "))
            }
            Err(error) => {
                errors.truncate(MAX_ERRORS);
                errors.push(explained(error));
                Err(errors.join("; "))
            }
        }
    }

    /// Removes the modes of earlier layouts, as many as can be; what has to be said about it.
    fn remove_unused_modes(&self) -> Option<String> {
        let cannot = |error| format!("cannot remove a mode of an earlier layout: {error}");
        let state = match self.screen.read() {
            Ok(state) => state,
            Err(error) => return Some(cannot(explained(error))),
        };
        let is_used = |id: u32| state.crtcs.iter().any(|crtc| crtc.setting.mode == id);
        let mut errors = Vec::new();
        for mode in &state.modes {
            if mode::is_ours(&mode.name) && !is_used(mode.id) {
                let removed = self.remove_mode(&state, mode.id);
                errors.extend(removed.err().map(explained));
            }
        }
        errors.into_iter().next().map(cannot)
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

/// How large the screen of a layout is: as many pixels to the inch as the first monitor has. If that one
/// does not tell, the screen keeps those that it has, because programs choose the size of their letters by
/// them.
fn size_mm(now: &State, layout: &Layout) -> [u32; 2] {
    let size = layout.screen();
    let first = layout.monitors().first();
    let of_first = first.and_then(|first| Some(([first.width, first.height], first.mm?)));
    let of_first = of_first.map(|(pixels, mm)| (pixels, mm.map(u32::from)));
    [0, 1].map(|side| {
        let known = of_first.into_iter().chain([(now.size, now.size_mm)]);
        let mut known = known.map(|(pixels, mm)| (pixels[side], mm[side]));
        let known = known.find(|(pixels, mm)| *pixels > 0 && *mm > 0);
        let (pixels, mm) = known.map_or_else(
            || (PIXELS * 10, TENTHS_OF_MM),
            |(pixels, mm)| (pixels.into(), mm),
        );
        let (pixels, mm) = (u64::from(pixels), u64::from(mm));
        let rounded = (u64::from(size[side]) * mm + pixels / 2) / pixels;
        u32::try_from(rounded.clamp(1, MAX_MM)).unwrap_or(1)
    })
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

    fn state(size: [u16; 2], size_mm: [u32; 2]) -> State {
        State {
            size,
            size_mm,
            crtcs: Vec::new(),
            outputs: Vec::new(),
            modes: Vec::new(),
            config_timestamp: 0,
        }
    }

    #[test]
    fn the_screen_has_the_pixels_to_the_inch_of_its_first_monitor() {
        let size = |lines: &str, size, mm| {
            size_mm(&state(size, mm), &Layout::parse(lines.as_bytes()).unwrap())
        };
        let before = ([1000, 1000], [100, 200]);
        let of = |lines| size(lines, before.0, before.1);
        assert_eq!(of("1920 1080 0 0 510 290"), [510, 290]);
        assert_eq!(
            of("1000 500 0 0 200 100\n1000 500 1000 0 999 999"),
            [400, 100]
        );
        // It does not tell, or tells one side only.
        assert_eq!(of("1000 1000 0 0"), [100, 200]);
        assert_eq!(of("500 2000 0 0\n500 2000 500 0 300 300"), [100, 400]);
        assert_eq!(of("500 500 0 0 0 300"), [50, 300]);
        // Nothing is known: 96 to the inch.
        assert_eq!(size("1920 96 0 0", [0, 0], [0, 0]), [51 * 10 - 2, 25]);
        assert_eq!(size("960 960 0 0", [64, 64], [0, 0]), [254, 254]);
        // X takes neither 0 nor more than 32767.
        assert_eq!(size("64 64 0 0", [32767, 64], [1, 1]), [1, 1]);
        assert_eq!(of("64 64 32000 0 65535 1"), [32767, 1]);
    }

    #[test]
    fn a_state_is_compared_without_its_modes() {
        let before = state([1, 1], [2, 2]);
        let mut now = before.clone();
        now.config_timestamp = 7;
        assert!(now.is_set_as(&before));
        now.size_mm = [2, 3];
        assert!(!now.is_set_as(&before));
    }
}
