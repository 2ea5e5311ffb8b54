//! The partitions of a disk, as `sfdisk --json` tells them (sfdisk(8)).

use std::fmt;

use serde_json::Value;

/// A gap of less than this at the end of a disk is not worth a change: a GPT needs some of it, and the
/// ends of partitions are multiples of 1 MiB.
const GAP: u64 = 2 << 20;

/// A partition that could be grown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// It ends where the disk ends.
    Whole,
    /// There is space behind it.
    CanGrow,
}

/// What a table says of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Whether it can be grown.
    pub last: Last,
    /// Its length in bytes.
    pub len: u64,
}

/// Why a partition cannot be grown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// sfdisk says something else than expected.
    NotUnderstood,
    /// There is no partition of this number.
    Missing(u64),
    /// This partition is behind it.
    NotLast(u64),
    /// It ends behind the end of the disk.
    Beyond,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUnderstood => f.write_str("sfdisk does not say what partitions there are"),
            Self::Missing(number) => write!(f, "there is no partition {number}"),
            Self::NotLast(other) => write!(f, "partition {other} is behind it"),
            Self::Beyond => {
                f.write_str("it ends behind the end of the disk, which has become smaller")
            }
        }
    }
}

/// Judges the partition of this number on a disk of so many bytes.
///
/// # Errors
/// Why it cannot be grown.
pub fn judge(json: &[u8], number: u64, disk: u64) -> Result<Judged, Unfit> {
    let table: Value = serde_json::from_slice(json).map_err(|_| Unfit::NotUnderstood)?;
    let table = &table["partitiontable"];
    // Older versions tell sectors of 512 bytes without saying so.
    let sector = table["sectorsize"].as_u64().unwrap_or(512);
    let device = table["device"].as_str().ok_or(Unfit::NotUnderstood)?;
    let rows = table["partitions"].as_array().ok_or(Unfit::NotUnderstood)?;
    let partitions: Option<Vec<Partition>> = rows
        .iter()
        .map(|row| Partition::of(row, device, sector))
        .collect();
    let partitions = partitions.ok_or(Unfit::NotUnderstood)?;
    let is_wanted = |partition: &&Partition| partition.number == number;
    let wanted = partitions.iter().find(is_wanted);
    let wanted = *wanted.ok_or(Unfit::Missing(number))?;
    let is_behind = |partition: &&Partition| partition.begin > wanted.begin;
    if let Some(other) = partitions.iter().find(is_behind) {
        return Err(Unfit::NotLast(other.number));
    }
    let last = match disk.checked_sub(wanted.end) {
        None => return Err(Unfit::Beyond),
        Some(gap) if gap < GAP => Last::Whole,
        Some(_) => Last::CanGrow,
    };
    Ok(Judged {
        last,
        len: wanted.end - wanted.begin,
    })
}

/// Where a partition is, in bytes.
#[derive(Clone, Copy, Debug)]
struct Partition {
    number: u64,
    begin: u64,
    end: u64,
}

impl Partition {
    fn of(row: &Value, device: &str, sector: u64) -> Option<Self> {
        // A name that ends in a digit gets a p between itself and the number.
        let rest = row["node"].as_str()?.strip_prefix(device)?;
        let number = rest.strip_prefix('p').unwrap_or(rest).parse().ok()?;
        let begin = row["start"].as_u64()?.checked_mul(sector)?;
        let len = row["size"].as_u64()?.checked_mul(sector)?;
        Some(Self {
            number,
            begin,
            end: begin.checked_add(len)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(device: &str, rows: &[(&str, u64, u64)]) -> String {
        let rows: Vec<String> = rows
            .iter()
            .map(|(node, start, size)| {
                format!(r#"{{"node":"{device}{node}","start":{start},"size":{size},"type":"x"}}"#)
            })
            .collect();
        format!(
            r#"{{"partitiontable":{{"label":"gpt","device":"{device}","unit":"sectors","sectorsize":512,"partitions":[{}]}}}}"#,
            rows.join(",")
        )
    }

    const MIB: u64 = 2048;

    /// Whether it can be grown; its length has a test of its own.
    fn last(json: &[u8], number: u64, disk: u64) -> Result<Last, Unfit> {
        judge(json, number, disk).map(|judged| judged.last)
    }

    #[test]
    fn the_length_of_a_partition_is_told_in_bytes() {
        let text = table("/dev/xvda", &[("1", MIB, MIB), ("3", 2 * MIB, 3 * MIB)]);
        let judged = judge(text.as_bytes(), 3, 5 << 20).unwrap();
        assert_eq!(judged.len, 3 << 20);
    }

    #[test]
    fn only_the_last_partition_grows_and_only_into_a_gap() {
        let rows = [("1", MIB, MIB), ("2", 2 * MIB, MIB), ("3", 3 * MIB, MIB)];
        let judged = |disk: u64| last(table("/dev/xvda", &rows).as_bytes(), 3, disk << 20);
        assert_eq!(judged(4), Ok(Last::Whole));
        assert_eq!(judged(5), Ok(Last::Whole));
        assert_eq!(judged(6), Ok(Last::CanGrow));
        assert_eq!(judged(3), Err(Unfit::Beyond));
        let text = table(
            "/dev/loop0",
            &rows.map(|(_, start, size)| ("p3", start, size)),
        );
        assert!(judge(text.as_bytes(), 1, 9 << 20).is_err());

        let behind = [("3", MIB, MIB), ("1", 2 * MIB, MIB)];
        let judged = last(table("/dev/xvda", &behind).as_bytes(), 3, 9 << 20);
        assert_eq!(judged, Err(Unfit::NotLast(1)));
        let none = table("/dev/xvda", &[("1", MIB, MIB)]);
        assert_eq!(last(none.as_bytes(), 3, 9 << 20), Err(Unfit::Missing(3)));
        let digit = table("/dev/loop0", &[("p3", MIB, MIB)]);
        assert_eq!(last(digit.as_bytes(), 3, 9 << 20), Ok(Last::CanGrow));
    }

    #[test]
    fn what_sfdisk_never_says_is_not_understood() {
        for text in ["", "{}", "[]", r#"{"partitiontable":{}}"#, "\u{1b}"] {
            assert_eq!(judge(text.as_bytes(), 3, 1), Err(Unfit::NotUnderstood));
        }
        let far = table("/dev/xvda", &[("3", u64::MAX, 2)]);
        assert_eq!(judge(far.as_bytes(), 3, 1), Err(Unfit::NotUnderstood));
        let foreign = table("/dev/xvda", &[("3", 1, 2)]).replace("/dev/xvda3", "/dev/sda3");
        assert_eq!(judge(foreign.as_bytes(), 3, 1), Err(Unfit::NotUnderstood));
    }

    fn sfdisk(arguments: &[&str], image: &std::path::Path, input: &str) -> Option<Vec<u8>> {
        let mut step = crate::disk::steps::Step::new("sfdisk").ok()?;
        for argument in arguments {
            step = step.arg(argument);
        }
        Some(step.arg(image).run_with(input).unwrap())
    }

    /// The very steps of the service, on an image. Without sfdisk there is nothing to try.
    #[test]
    fn a_real_sfdisk_grows_the_last_partition_of_a_grown_disk() {
        for label in ["gpt", "dos"] {
            let image = tempfile::NamedTempFile::new().unwrap();
            image.as_file().set_len(64 << 20).unwrap();
            let table = format!("label: {label}\nsize=1M\nsize=1M\n, +\n");
            if sfdisk(&["--quiet"], image.path(), &table).is_none() {
                return;
            }
            let judged = |disk: u64, number| {
                let told = sfdisk(&["--json"], image.path(), "").unwrap();
                last(&told, number, disk)
            };
            assert_eq!(judged(64 << 20, 3), Ok(Last::Whole));
            assert!(matches!(judged(64 << 20, 2), Err(Unfit::NotLast(3))));
            image.as_file().set_len(128 << 20).unwrap();
            assert_eq!(judged(128 << 20, 3), Ok(Last::CanGrow));
            let grow = ["--no-reread", "--no-tell-kernel", "-N", "3"];
            sfdisk(&grow, image.path(), ", +\n");
            assert_eq!(judged(128 << 20, 3), Ok(Last::Whole));
        }
    }

    proptest! {
        #[test]
        fn whatever_sfdisk_says(text in "[ -~]{0,200}", rows in prop::collection::vec((1_u64..5, any::<u64>(), any::<u64>()), 0..5), disk: u64) {
            let _no_panic = judge(text.as_bytes(), 3, disk);
            let rows: Vec<(String, u64, u64)> = rows.into_iter().map(|(n, start, size)| (n.to_string(), start, size)).collect();
            let rows: Vec<(&str, u64, u64)> = rows.iter().map(|(n, start, size)| (n.as_str(), *start, *size)).collect();
            let _no_panic = last(table("/dev/xvda", &rows).as_bytes(), 3, disk);
        }
    }
}
