//! The live line of a copy, fitted into the columns that the terminal has at the moment.
//!
//! What matters most is kept longest when the terminal is narrow: how far, which file, how much, how
//! much longer, how fast.

use std::time::Duration;

use quantity::about;
use text::{name, name_within};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr};

/// Columns that a name is left with before anything but the percentage is shown.
const MIN_NAME: usize = 16;

/// What stands for the middle of a text that is too long.
const CUT: &str = "...";

/// Beyond this an estimate says nothing.
const MAX_LEFT: Duration = Duration::from_secs(100 * 3600);

/// How far a copy is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    /// The path of the file that is being sent.
    pub(crate) path: &'a [u8],
    /// Bytes that were sent.
    pub(crate) sent: u64,
    /// Bytes that there are to send, if that is known.
    pub(crate) total: Option<u64>,
    /// Bytes a second; 0 while it is not known.
    pub(crate) rate: f64,
    /// How long it will take still, at this rate.
    pub(crate) left: Duration,
}

impl Line<'_> {
    /// The line, no wider than `columns`.
    pub(crate) fn fitted(&self, columns: usize) -> String {
        let name = name(self.path).width().min(MIN_NAME) + 2;
        let mut numbers = String::new();
        for part in [self.percent(), self.bytes(), self.left(), self.rate()] {
            let Some(part) = part else { continue };
            let comma = if numbers.is_empty() { "" } else { ", " };
            let is_first = numbers.is_empty() && columns >= part.len();
            if is_first || numbers.len() + comma.len() + part.len() + name <= columns {
                numbers.push_str(comma);
                numbers.push_str(&part);
            }
        }
        let room = columns.checked_sub(numbers.len() + 2);
        let name = room.map_or(String::new(), |room| {
            name_within(self.path, room, UnicodeWidthStr::width)
        });
        if name.is_empty() || self.path.is_empty() {
            return numbers;
        }
        format!("{numbers}  {name}")
    }

    fn percent(&self) -> Option<String> {
        let total = self.total.filter(|total| *total > 0)?;
        let share = u128::from(self.sent) * 100 / u128::from(total);
        Some(format!("{:3}%", share.min(100)))
    }

    fn bytes(&self) -> Option<String> {
        let sent = about(self.sent);
        Some(match self.total {
            Some(total) => format!("{sent} of {}", about(total)),
            None => sent,
        })
    }

    fn left(&self) -> Option<String> {
        self.total?;
        if self.rate < 1.0 || self.left >= MAX_LEFT {
            return None;
        }
        let seconds = self.left.as_secs();
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        Some(match hours {
            0 => format!("{minutes}:{seconds:02} left"),
            _ => format!("{hours}:{minutes:02}:{seconds:02} left"),
        })
    }

    fn rate(&self) -> Option<String> {
        if self.rate < 1.0 {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is positive, and no copy makes 16 EiB a second"
        )]
        let rate = self.rate as u64;
        Some(format!("{}/s", about(rate)))
    }
}

/// `text`, in which there is no name, no wider than `columns`: what is too much is its middle.
pub(crate) fn shortened(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let Some(room) = columns.checked_sub(CUT.len()) else {
        return String::new();
    };
    let width_of = |c: char| c.width().unwrap_or(0);
    let mut width = 0;
    let head: String = text
        .chars()
        .take_while(|c| {
            width += width_of(*c);
            width <= room / 3
        })
        .collect();
    let room = room - head.width().min(room);
    let mut width = 0;
    let kept = text.char_indices().rev().take_while(|(_, c)| {
        width += width_of(*c);
        width <= room
    });
    let start = kept.last().map_or(text.len(), |(start, _)| start);
    // A mark that has lost the character it stands on would go onto the last dot.
    let tail = text[start..].trim_start_matches(|c: char| c.width() == Some(0));
    format!("{head}{CUT}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Line<'_> = Line {
        path: b"docs/photos/2024/summer/beach.jpg",
        sent: 1_288_490_189,
        total: Some(2_863_311_531),
        rate: 36_909_875.2,
        left: Duration::from_secs(42),
    };

    #[test]
    fn before_the_first_file_there_is_no_name() {
        let line = Line { path: b"", ..LINE };
        assert!(!line.fitted(100).contains('"'), "{}", line.fitted(100));
    }

    #[test]
    fn a_wide_terminal_shows_everything() {
        assert_eq!(
            LINE.fitted(100),
            " 45%, 1.20 GiB of 2.67 GiB, 0:42 left, 35.20 MiB/s  \"docs/photos/2024/summer/beach.jpg\""
        );
    }

    #[test]
    fn the_narrower_the_terminal_the_less_is_shown_and_the_file_name_last_of_all() {
        let table = [
            (
                80,
                " 45%, 1.20 GiB of 2.67 GiB, 0:42 left, 35.20 MiB/s  \"docs/ph\"...\"mmer/beach.jpg\"",
            ),
            (
                60,
                " 45%, 1.20 GiB of 2.67 GiB, 0:42 left  \"docs\"...\"/beach.jpg\"",
            ),
            (50, " 45%, 1.20 GiB of 2.67 GiB  \"docs/\"...\"/beach.jpg\""),
            (40, " 45%, 0:42 left  \"docs/\"...\"r/beach.jpg\""),
            (20, " 45%  \"do\"...\"h.jpg\""),
            (8, " 45%"),
            (4, " 45%"),
            (3, ""),
            (0, ""),
        ];
        for (columns, line) in table {
            assert_eq!(LINE.fitted(columns), line, "{columns}");
        }
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let paths = [
            "\u{5e2}".repeat(60),
            "\u{202e}\t\u{e0001}".repeat(60),
            "a".repeat(300),
            "報告書".repeat(40),
            "e\u{301}".repeat(200),
            "한글과 🎉 ".repeat(20),
            "\u{301}\u{301}".to_owned(),
            String::new(),
        ];
        for path in &paths {
            for total in [None, Some(0), Some(1), Some(u64::MAX)] {
                for sent in [0, 1, u64::MAX] {
                    for columns in 0..130 {
                        let line = Line {
                            path: path.as_bytes(),
                            sent,
                            total,
                            ..LINE
                        };
                        let shown = line.fitted(columns);
                        assert!(shown.width() <= columns, "{columns}: {shown:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_name_is_cut_by_the_width_of_its_characters_and_never_within_an_escape_sequence() {
        let fitted = |path: &str, columns| {
            let line = Line {
                path: path.as_bytes(),
                total: None,
                ..LINE
            };
            line.fitted(columns)
        };
        assert_eq!(
            fitted("報告書報告書.odt", 25),
            "1.20 GiB  \"報\"...\"書.odt\""
        );
        let escaped = "\u{202e}".repeat(9);
        assert_eq!(fitted(&escaped, 35), "1.20 GiB  ...$'\\u202e\\u202e'");
        // Whole it keeps its order, and is shown in its script. A part of it may not.
        let right_to_left = "\u{5e2}\u{5e2}\u{5e2}12345.odt";
        assert_eq!(
            fitted(right_to_left, 24),
            format!("1.20 GiB  \"{right_to_left}\"")
        );
        assert_eq!(fitted(right_to_left, 23), "1.20 GiB  ...$'.odt'");
    }

    #[test]
    fn a_text_is_cut_between_characters_and_by_their_width() {
        assert_eq!(shortened("報告書", 6), "報告書");
        assert_eq!(shortened("報告書", 5), "...書");
        assert_eq!(shortened("報告書", 4), "...");
        assert_eq!(shortened("abcde\u{301}f", 5), "...e\u{301}f");
        assert_eq!(shortened("abcde\u{301}fg", 5), "...fg");
        assert_eq!(shortened("abc", 2), "");
        assert_eq!(
            shortened("a\u{301}bcdefghij.odt", 12),
            "a\u{301}bc...ij.odt"
        );
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let unknown = Line {
            total: None,
            rate: 0.0,
            ..LINE
        };
        assert_eq!(
            unknown.fitted(60),
            "1.20 GiB  \"docs/photos/2024/summer/beach.jpg\""
        );
        let nothing = Line {
            total: Some(0),
            sent: 0,
            ..unknown
        };
        assert_eq!(
            nothing.fitted(60),
            "0 B of 0 B  \"docs/photos/2024/summer/beach.jpg\""
        );
        let stalled = Line {
            left: Duration::MAX,
            ..LINE
        };
        assert!(!stalled.fitted(100).contains("left"));
    }
}
