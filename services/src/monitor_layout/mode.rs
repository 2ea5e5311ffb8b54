//! The modes of monitors: their names and timings.

use x11rb::protocol::randr::{ModeFlag, ModeInfo};

/// What the names of the modes begin with that this program and the original make.
const PREFIX: &str = "QB";

/// Pixels of a line, and lines of a picture, that are not shown. No monitor needs them here, but X
/// clients expect a mode to have some: they are those of CVT with reduced blanking.
const FRONT: [u16; 2] = [48, 3];
const SYNC: [u16; 2] = [32, 10];
const BACK: [u16; 2] = [80, 10];

/// Pictures in a second.
const RATE: u64 = 60;

/// A mode of exactly this width and height, 64 to 32767 pixels. The calculation of `cvt` would round the
/// width to a multiple of 8.
#[must_use]
pub fn of(width: u16, height: u16) -> ModeInfo {
    let [across, down] = [0, 1].map(|at| {
        let begin = [width, height][at] + FRONT[at];
        let end = begin + SYNC[at];
        [begin, end, end + BACK[at]]
    });
    let pixels = u64::from(across[2]) * u64::from(down[2]);
    ModeInfo {
        id: 0,
        width,
        height,
        // A picture of more than 71 million pixels has a lower rate, because the field has 32 bits.
        dot_clock: u32::try_from(pixels * RATE).unwrap_or(u32::MAX),
        hsync_start: across[0],
        hsync_end: across[1],
        htotal: across[2],
        hskew: 0,
        vsync_start: down[0],
        vsync_end: down[1],
        vtotal: down[2],
        name_len: 0,
        mode_flags: ModeFlag::HSYNC_POSITIVE | ModeFlag::VSYNC_NEGATIVE,
    }
}

/// The names that a mode of this width and height can have, best first. The first is that of the
/// original, whose mode of that name can have another width.
pub(crate) fn names(width: u16, height: u16) -> [String; 2] {
    let name = format!("{PREFIX}{width}x{height}");
    let other = format!("{name}-exact");
    [name, other]
}

/// Is this the name of a mode that this program or the original made?
pub(crate) fn is_ours(name: &[u8]) -> bool {
    let rest = name.strip_prefix(PREFIX.as_bytes());
    rest.is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mode_has_the_width_that_was_asked_for() {
        let mode = of(1366, 768);
        assert_eq!((mode.width, mode.height), (1366, 768));
        let rate = f64::from(mode.dot_clock) / f64::from(mode.htotal) / f64::from(mode.vtotal);
        assert!((rate - 60.0).abs() < 0.01, "{rate}");
    }

    #[test]
    fn only_the_names_of_such_modes_are_ours() {
        for name in names(1366, 768) {
            assert!(is_ours(name.as_bytes()), "{name}");
        }
        for name in [&b""[..], b"QB", b"QBx", b"1024x768", b"qb1", b"XQB1"] {
            assert!(!is_ours(name));
        }
    }

    proptest! {
        #[test]
        fn the_timings_of_every_mode_are_in_order(width in 64_u16..=32767, height in 64_u16..=32767) {
            let mode = of(width, height);
            let across = [mode.width, mode.hsync_start, mode.hsync_end, mode.htotal];
            let down = [mode.height, mode.vsync_start, mode.vsync_end, mode.vtotal];
            for times in [across, down] {
                prop_assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
            }
            prop_assert!(mode.dot_clock > 0);
        }
    }
}
