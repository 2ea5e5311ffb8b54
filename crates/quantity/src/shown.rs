//! Numbers as messages show them, the same in all programs.

/// The units of sizes, each 1024 times the one before.
const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A number with commas: `1,000`.
#[must_use]
pub fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A number and what is counted: `1 file`, `2,000 files`.
#[must_use]
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// How many files, folders and links there are, without those of which there are none:
/// `2 files and 1 folder`.
#[must_use]
pub fn entries(files: u64, folders: u64, links: u64) -> String {
    let all = [
        (files, "file", "files"),
        (folders, "folder", "folders"),
        (links, "link", "links"),
    ];
    let parts: Vec<String> = all
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| counted(count, one, many))
        .collect();
    match parts.split_last() {
        None => "0 files".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// A size to the byte: `7 bytes`, `1.50 KiB (1,536 bytes)`.
#[must_use]
pub fn bytes(count: u64) -> String {
    let exactly = counted(count, "byte", "bytes");
    match count {
        0..1024 => exactly,
        _ => format!("{} ({exactly})", about(count)),
    }
}

/// A size for a line that has little room: `7 B`, `1.50 KiB`.
#[must_use]
pub fn about(count: u64) -> String {
    let mut unit = 1_u128;
    let mut name = "B";
    for larger in UNITS {
        if u128::from(count) < unit * 1024 {
            break;
        }
        (unit, name) = (unit * 1024, larger);
    }
    if unit == 1 {
        return format!("{count} B");
    }
    let hundredths = (u128::from(count) * 100 + unit / 2) / unit;
    format!("{}.{:02} {name}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_agrees_with_what_is_counted() {
        let table = [
            (0, "0 files"),
            (1, "1 file"),
            (2, "2 files"),
            (999, "999 files"),
            (1000, "1,000 files"),
            (1_234_567, "1,234,567 files"),
        ];
        for (count, shown) in table {
            assert_eq!(counted(count, "file", "files"), shown);
        }
    }

    #[test]
    fn what_there_is_none_of_is_not_named() {
        let table = [
            ((0, 0, 0), "0 files"),
            ((1, 0, 0), "1 file"),
            ((0, 2, 0), "2 folders"),
            ((2, 1, 0), "2 files and 1 folder"),
            ((0, 1, 1), "1 folder and 1 link"),
            ((1, 2, 3), "1 file, 2 folders and 3 links"),
        ];
        for ((files, folders, links), shown) in table {
            assert_eq!(entries(files, folders, links), shown);
        }
    }

    #[test]
    fn a_size_is_exact_and_short() {
        let table = [
            (0, "0 bytes", "0 B"),
            (1, "1 byte", "1 B"),
            (1023, "1,023 bytes", "1023 B"),
            (1024, "1.00 KiB (1,024 bytes)", "1.00 KiB"),
            (100_000, "97.66 KiB (100,000 bytes)", "97.66 KiB"),
            (4 << 20, "4.00 MiB (4,194,304 bytes)", "4.00 MiB"),
            (
                u64::MAX,
                "16.00 EiB (18,446,744,073,709,551,615 bytes)",
                "16.00 EiB",
            ),
        ];
        for (count, exactly, short) in table {
            assert_eq!((&*bytes(count), &*about(count)), (exactly, short));
        }
    }
}
