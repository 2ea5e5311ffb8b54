//! How much memory this qube has and uses, as the kernel counts it, in kB.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// `proc_meminfo(5)`.
const MEMINFO: &str = "/proc/meminfo";

/// What the balloon driver lets this qube have. It is not there without Xen.
const CURRENT: &str = "/sys/devices/system/xen_memory/xen_memory0/info/current_kb";

/// Most bytes of `/proc/meminfo` that are looked at.
const MAX_LEN: usize = 64 * 1024;

/// How often the counters are read until the size of the qube stayed the same meanwhile.
const TRIES: u32 = 10;

/// The fields of `/proc/meminfo` that make the report, in the order of the 3.x format.
pub(crate) const FIELDS: [&str; 6] = [
    "MemTotal",
    "MemFree",
    "Buffers",
    "Cached",
    "SwapTotal",
    "SwapFree",
];

/// The values of [`FIELDS`] in kB.
pub(crate) type Values = [u64; FIELDS.len()];

/// The counters at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counters {
    /// What this qube has in kB: what the balloon driver says, or, without it, `MemTotal`.
    pub(crate) total: u64,
    /// The fields of `/proc/meminfo`.
    pub(crate) values: Values,
}

/// Why there are no counters.
#[derive(Debug)]
pub(crate) enum Error {
    /// A file cannot be read.
    Io(io::Error),
    /// A field is not there, or is no number of kB.
    NoField(&'static str),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NoField(field) => write!(f, "it has no number of kB for {field}"),
        }
    }
}

/// The files of the kernel. They stay open: a look is two or three calls.
#[derive(Debug)]
pub(crate) struct Source {
    meminfo: File,
    current: Option<File>,
    buffer: Vec<u8>,
}

impl Source {
    /// Opens them.
    pub(crate) fn open() -> io::Result<Self> {
        Self::at(Path::new(MEMINFO), Path::new(CURRENT))
    }

    fn at(meminfo: &Path, current: &Path) -> io::Result<Self> {
        Ok(Self {
            meminfo: File::open(meminfo)?,
            // Missing without Xen.
            current: File::open(current).ok(),
            buffer: vec![0; 4096],
        })
    }

    /// Reads them.
    pub(crate) fn read(&mut self) -> Result<Counters, Error> {
        let mut before = self.current();
        let mut values = self.values()?;
        for _ in 0..TRIES {
            let after = self.current();
            if after == before {
                break;
            }
            before = after;
            values = self.values()?;
        }
        let total = match before {
            0 => values[0],
            current => current,
        };
        Ok(Counters { total, values })
    }

    /// The number in `current_kb`; 0 where there is none.
    fn current(&self) -> u64 {
        let mut buffer = [0; 32];
        let read = |file: &File| file.read_at(&mut buffer, 0);
        let len = self.current.as_ref().map_or(Ok(0), read).unwrap_or(0);
        number(buffer[..len].trim_ascii()).unwrap_or(0)
    }

    /// The fields, read until all are there: most often in one call.
    fn values(&mut self) -> Result<Values, Error> {
        let mut len = 0;
        loop {
            if len == self.buffer.len() && len < MAX_LEN {
                self.buffer.resize(2 * len, 0);
            }
            let room = &mut self.buffer[len..];
            let offset = u64::try_from(len).unwrap_or(u64::MAX);
            let got = match room.is_empty() {
                true => 0,
                false => self.meminfo.read_at(room, offset).map_err(Error::Io)?,
            };
            len += got;
            // A number that is not whole yet has no "kB" behind it, so it is none.
            match parse(&self.buffer[..len]) {
                Err(_) if got > 0 => {}
                ended => return ended,
            }
        }
    }
}

/// The fields, wherever they stand; the first of a name counts.
pub(crate) fn parse(text: &[u8]) -> Result<Values, Error> {
    let mut values = [None; FIELDS.len()];
    for line in text.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let place = FIELDS.iter().position(|field| field.as_bytes() == name);
        if let Some(place) = place.filter(|place| values[*place].is_none()) {
            let digits = value.strip_suffix(b"kB").map(<[u8]>::trim_ascii_end);
            values[place] = digits.and_then(number);
        }
    }
    let mut found = [0; FIELDS.len()];
    for (place, value) in values.into_iter().enumerate() {
        found[place] = value.ok_or(Error::NoField(FIELDS[place]))?;
    }
    Ok(found)
}

fn number(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok()?;
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    /// As Linux 6.x begins it.
    pub(crate) const MEMINFO: &str = "\
MemTotal:         400000 kB\nMemFree:          100000 kB\nMemAvailable:     250000 kB\n\
Buffers:            1000 kB\nCached:           150000 kB\nSwapCached:            0 kB\n\
Active:            90000 kB\nSwapTotal:       1000000 kB\nSwapFree:         900000 kB\n\
Dirty:                 8 kB\nHugePages_Total:       0\n";

    const VALUES: Values = [400_000, 100_000, 1000, 150_000, 1_000_000, 900_000];

    #[test]
    fn the_fields_are_found_wherever_they_stand() {
        assert_eq!(parse(MEMINFO.as_bytes()).unwrap(), VALUES);
        let mut lines: Vec<_> = MEMINFO.lines().collect();
        lines.reverse();
        assert_eq!(parse(lines.join("\n").as_bytes()).unwrap(), VALUES);
        let twice = format!("{MEMINFO}MemFree: 7 kB\n");
        assert_eq!(parse(twice.as_bytes()).unwrap(), VALUES);
    }

    #[test]
    fn a_field_that_is_missing_or_no_number_is_named() {
        for field in FIELDS {
            let without: String = MEMINFO
                .lines()
                .filter(|line| !line.starts_with(&format!("{field}:")))
                .map(|line| format!("{line}\n"))
                .collect();
            let odd = [
                " x kB",
                " -1 kB",
                " 5",
                " 5 MB",
                "",
                " 5 5 kB",
                " 99999999999999999999 kB",
            ];
            let odd = odd.map(|value| format!("{field}:{value}\n{without}"));
            for text in odd.iter().chain([&without]) {
                match parse(text.as_bytes()) {
                    Err(Error::NoField(named)) => assert_eq!(named, field),
                    other => panic!("{other:?} of {text}"),
                }
            }
        }
    }

    #[test]
    fn a_long_file_is_read_to_its_end_and_a_line_is_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("meminfo");
        let none = folder.path().join("none");
        for filling in (3800..4100).chain([0, 20_000, 60_000]) {
            let text = format!("X:{}\n{MEMINFO}", "x".repeat(filling));
            fs::write(&path, text).unwrap();
            let mut source = Source::at(&path, &none).unwrap();
            for _ in ["once", "twice"] {
                let expected = Counters {
                    total: 400_000,
                    values: VALUES,
                };
                assert_eq!(source.read().unwrap(), expected, "{filling}");
            }
        }
        fs::write(&path, format!("X:{}\n{MEMINFO}", "x".repeat(70_000))).unwrap();
        assert!(Source::at(&path, &none).unwrap().read().is_err());
    }

    #[test]
    fn the_size_of_the_qube_is_what_the_balloon_says() {
        let folder = tempfile::tempdir().unwrap();
        let [meminfo, current] = ["meminfo", "current"].map(|name| folder.path().join(name));
        fs::write(&meminfo, MEMINFO).unwrap();
        for (text, total) in [
            ("409600\n", 409_600),
            ("0\n", 400_000),
            ("", 400_000),
            ("junk\n", 400_000),
            ("-5\n", 400_000),
        ] {
            fs::write(&current, text).unwrap();
            let counters = Source::at(&meminfo, &current).unwrap().read().unwrap();
            assert_eq!(counters.total, total, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_order_and_any_other_line_gives_the_same(
            values in proptest::array::uniform6(any::<u64>()),
            order in Just((0..FIELDS.len()).collect::<Vec<_>>()).prop_shuffle(),
            other in "([A-Z][a-z_()]{0,12}: +[0-9]{1,9}( kB)?\n){0,5}",
        ) {
            let other: String = other
                .lines()
                .filter(|line| !FIELDS.iter().any(|field| line.starts_with(&format!("{field}:"))))
                .map(|line| format!("{line}\n"))
                .collect();
            let lines: String = order
                .iter()
                .map(|place| format!("{}:   {} kB\n", FIELDS[*place], values[*place]))
                .collect();
            prop_assert_eq!(parse((other + &lines).as_bytes()).unwrap(), values);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _parsed = parse(&bytes);
        }
    }
}
