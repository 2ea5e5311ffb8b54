//! The lines of a layout: bytes → [`Layout`].

use std::fmt;

use text::foreign;

/// Most monitors.
pub const MAX_MONITORS: usize = 16;

/// Most bytes of all lines together.
pub const MAX_LEN: usize = 4096;

/// The smallest width and height of a monitor, in pixels.
const MIN_SIDE: u16 = 64;

/// The largest width and height of a monitor, and of the screen, in pixels. Places are 16 bits with a
/// sign in RandR.
const MAX_SIDE: u16 = 32767;

/// The columns of a line: four in pixels, and two in millimetres.
const IN_PIXELS: [&str; 4] = [
    "width",
    "height",
    "place from the left",
    "place from the top",
];
const IN_MM: [&str; 2] = ["width in mm", "height in mm"];

/// A monitor of a layout. It lies on a screen of at most 32767 × 32767 pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Monitor {
    /// In pixels, at least 64.
    pub width: u16,
    /// Likewise.
    pub height: u16,
    /// The place of its top left corner.
    pub x: u16,
    /// Likewise, from the top.
    pub y: u16,
    /// The width and height in millimetres, if they are known.
    pub mm: Option<[u16; 2]>,
}

/// The monitors in the order of the outputs of the X server: 1 to 16.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout(Vec<Monitor>);

/// Why lines are no layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// There is no line.
    Empty,
    /// There are more than 16 lines, or more than 4096 bytes.
    TooMuch,
    /// The line with this number, counted from 1, is wrong.
    Line(usize, LineWrong),
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineWrong {
    /// It has fewer than four words.
    TooShort,
    /// A word in this column is no number that can be there. It is shown as `text` shows it.
    Number(&'static str, String),
    /// The width or the height is not 64 to 32767 pixels.
    Side(&'static str, u16),
    /// The monitor would lie outside of the largest screen.
    Outside,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "there is no line"),
            Self::TooMuch => write!(
                f,
                "there are more than {MAX_MONITORS} lines or more than {MAX_LEN} bytes"
            ),
            Self::Line(number, wrong) => write!(f, "line {number}: {wrong}"),
        }
    }
}

impl fmt::Display for LineWrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => write!(
                f,
                "it does not have the four numbers of a monitor: width, height, and place from the left \
                 and from the top"
            ),
            Self::Number(column, word) => write!(
                f,
                "the {column} is \"{word}\", which is not a number of 0 to {}",
                u16::MAX
            ),
            Self::Side(column, side) => write!(
                f,
                "the {column} is {side}, and not {MIN_SIDE} to {MAX_SIDE}"
            ),
            Self::Outside => write!(
                f,
                "the monitor does not lie within {MAX_SIDE} x {MAX_SIDE} pixels"
            ),
        }
    }
}

impl std::error::Error for Wrong {}

impl Layout {
    /// Parses all lines. The last one need not end with a newline.
    ///
    /// A fifth word alone, and what follows the sixth, means nothing yet: the original ignores them, so
    /// that the protocol can grow.
    ///
    /// # Errors
    /// Says which line is wrong.
    pub fn parse(untrusted: &[u8]) -> Result<Self, Wrong> {
        if untrusted.len() > MAX_LEN {
            return Err(Wrong::TooMuch);
        }
        let lines = untrusted.strip_suffix(b"\n").unwrap_or(untrusted);
        if lines.is_empty() {
            return Err(Wrong::Empty);
        }
        let lines: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').collect();
        if lines.len() > MAX_MONITORS {
            return Err(Wrong::TooMuch);
        }
        let monitors = lines
            .iter()
            .enumerate()
            .map(|(at, line)| Monitor::parse(line).map_err(|wrong| Wrong::Line(at + 1, wrong)));
        monitors.collect::<Result<_, _>>().map(Self)
    }

    /// The monitors, at least one.
    #[must_use]
    pub fn monitors(&self) -> &[Monitor] {
        &self.0
    }

    /// The width and height of the screen on which they lie, in pixels.
    #[must_use]
    pub fn screen(&self) -> [u16; 2] {
        let far = |edge: fn(&Monitor) -> u16| self.0.iter().map(edge).max().unwrap_or_default();
        [
            far(|monitor| monitor.x + monitor.width),
            far(|monitor| monitor.y + monitor.height),
        ]
    }
}

impl Monitor {
    fn parse(untrusted: &[u8]) -> Result<Self, LineWrong> {
        let words: Vec<&[u8]> = untrusted
            .split(|byte| matches!(byte, b' ' | b'\t'))
            .filter(|word| !word.is_empty())
            .collect();
        let Some((in_pixels, others)) = words.split_first_chunk::<4>() else {
            return Err(LineWrong::TooShort);
        };
        let [width, height, x, y] = numbers(IN_PIXELS, in_pixels)?;
        let mm = match others.first_chunk::<2>() {
            Some(in_mm) => Some(numbers(IN_MM, in_mm)?),
            None => None,
        };
        for (column, side) in [(IN_PIXELS[0], width), (IN_PIXELS[1], height)] {
            if !(MIN_SIDE..=MAX_SIDE).contains(&side) {
                return Err(LineWrong::Side(column, side));
            }
        }
        for (place, side) in [(x, width), (y, height)] {
            if place > MAX_SIDE - side {
                return Err(LineWrong::Outside);
            }
        }
        Ok(Self {
            width,
            height,
            x,
            y,
            mm,
        })
    }
}

fn numbers<const N: usize>(
    columns: [&'static str; N],
    untrusted: &[&[u8]; N],
) -> Result<[u16; N], LineWrong> {
    let mut numbers = [0; N];
    for ((number, column), word) in numbers.iter_mut().zip(columns).zip(untrusted) {
        *number = decimal(word).ok_or_else(|| LineWrong::Number(column, foreign(word)))?;
    }
    Ok(numbers)
}

/// Digits alone: Rust would take a sign as well.
fn decimal(untrusted: &[u8]) -> Option<u16> {
    let is_decimal = untrusted.iter().all(u8::is_ascii_digit);
    let digits = std::str::from_utf8(untrusted).ok().filter(|_| is_decimal)?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(lines: &str) -> Result<Vec<Monitor>, String> {
        let layout = Layout::parse(lines.as_bytes()).map_err(|wrong| wrong.to_string())?;
        Ok(layout.monitors().to_vec())
    }

    const ONE: Monitor = Monitor {
        width: 1366,
        height: 768,
        x: 0,
        y: 0,
        mm: None,
    };

    #[test]
    fn a_line_is_a_monitor() {
        for line in [
            "1366 768 0 0",
            "1366 768 0 0\n",
            " \t1366  768\t0 0 \n",
            "01366 0768 00 0\n",
            // Room for the protocol to grow.
            "1366 768 0 0 word\n",
            "1366 768 0 0 -1\n",
        ] {
            assert_eq!(parsed(line), Ok(vec![ONE]), "{line:?}");
        }
        let with_mm = Monitor {
            mm: Some([310, 170]),
            ..ONE
        };
        let second = Monitor {
            width: 64,
            height: 32767,
            x: 32703,
            y: 0,
            mm: Some([0, 65535]),
        };
        for line in [
            "1366 768 0 0 310 170",
            "1366 768 0 0 310 170 seventh \u{1b}",
        ] {
            let two = format!("{line}\n64 32767 32703 0 0 65535");
            assert_eq!(parsed(&two), Ok(vec![with_mm, second]), "{line:?}");
        }
    }

    #[test]
    fn what_is_no_layout_is_told_by_its_line() {
        let lines = |count| "640 480 0 0\n".repeat(count);
        for (wrong, told) in [
            ("", "there is no line"),
            ("\n", "there is no line"),
            (&lines(17), "more than 16 lines"),
            (&"0".repeat(MAX_LEN + 1), "more than 4096 bytes"),
            ("\n\n", "line 1: it does not have the four numbers"),
            (
                "640 480 0 0\n\n",
                "line 2: it does not have the four numbers",
            ),
            ("1280 102", "line 1: it does not have the four numbers"),
            ("640 480 0", "line 1: it does not have the four numbers"),
            ("w 480 0 0", "line 1: the width is \"w\""),
            ("640 480 0 0\n640 h 0 0", "line 2: the height is \"h\""),
            (
                "640 480 -100 0",
                "line 1: the place from the left is \"-100\"",
            ),
            ("640 480 0 +1", "line 1: the place from the top is \"+1\""),
            (
                "640 480 0 0\r\n",
                "line 1: the place from the top is \"0_\"",
            ),
            (
                "640 480 0 0x10",
                "line 1: the place from the top is \"0x10\"",
            ),
            (
                "640 480 0 65536",
                "line 1: the place from the top is \"65536\"",
            ),
            ("640 480 0 0 a b", "line 1: the width in mm is \"a\""),
            ("640 480 0 0 1 -b", "line 1: the height in mm is \"-b\""),
            (
                "640 480 0 0 1 65536 7",
                "line 1: the height in mm is \"65536\"",
            ),
            ("0 0 0 0", "line 1: the width is 0, and not 64 to 32767"),
            ("64 63 0 0", "line 1: the height is 63, and not 64 to 32767"),
            ("32768 64 0 0", "line 1: the width is 32768, and not"),
            ("64 64 32704 0", "line 1: the monitor does not lie within"),
            ("64 64 0 32704", "line 1: the monitor does not lie within"),
            ("64 64 0 40000", "line 1: the monitor does not lie within"),
        ] {
            let said = parsed(wrong).unwrap_err();
            assert!(said.contains(told), "{wrong:?}: {said}");
        }
        assert_eq!(parsed(&lines(16)).unwrap().len(), 16);
        assert!(Layout::parse(b"640 480 0 0\0").is_err());
    }

    #[test]
    fn the_screen_reaches_to_the_farthest_edges() {
        let layout = Layout::parse(b"640 480 100 0\n800 600 0 300\n64 64 0 0").unwrap();
        assert_eq!(layout.screen(), [800, 900]);
    }

    proptest! {
        #[test]
        fn every_layout_fits_a_screen(
            rows in proptest::collection::vec(proptest::array::uniform4(any::<u16>()), 1..20),
        ) {
            let lines: String = rows.iter().map(|[w, h, x, y]| format!("{w} {h} {x} {y}\n")).collect();
            let fits = |[w, h, x, y]: &[u16; 4]| {
                let inside = |place: u16, side: u16| {
                    (64..=32767).contains(&side) && u32::from(place) + u32::from(side) <= 32767
                };
                inside(*x, *w) && inside(*y, *h)
            };
            let is_layout = rows.len() <= 16 && rows.iter().all(fits);
            match Layout::parse(lines.as_bytes()) {
                Ok(layout) => {
                    prop_assert!(is_layout);
                    prop_assert!(layout.screen().iter().all(|side| *side <= 32767));
                }
                Err(_) => prop_assert!(!is_layout),
            }
        }
    }
}
