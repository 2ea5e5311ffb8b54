//! The mapping on which a root file system is: its table, as `dmsetup table` tells it (dmsetup(8)).

/// A table of one line that maps a whole disk. The other words of it are kept when the disk has grown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its length, in sectors of 512 bytes.
    pub sectors: u64,
    /// The kind and all that follows.
    target: String,
}

impl Table {
    /// Understands a table. `disk` is the number of the disk that it has to map, `MAJOR:MINOR`. There
    /// are two kinds: `linear DISK 0`, and `snapshot DISK CHANGES N CHUNK` for a disk that cannot be
    /// written.
    ///
    /// `None` for every other table.
    #[must_use]
    pub fn parse(told: &[u8], disk: &str) -> Option<Self> {
        let told = std::str::from_utf8(told).ok()?;
        let line = told.strip_suffix('\n').unwrap_or(told);
        let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        let ["0", sectors, target @ ..] = &words[..] else {
            return None;
        };
        match target {
            ["linear", origin, "0"] if *origin == disk => {}
            ["snapshot", origin, changes, "N" | "P" | "PO", chunk]
                if *origin == disk && is_number(changes) && chunk.parse::<u64>().is_ok() => {}
            _ => return None,
        }
        Some(Self {
            sectors: sectors.parse().ok()?,
            target: target.join(" "),
        })
    }

    /// The table of a disk of so many sectors.
    #[must_use]
    pub fn with_sectors(&self, sectors: u64) -> String {
        format!("0 {sectors} {}\n", self.target)
    }
}

/// Is this `MAJOR:MINOR`?
fn is_number(word: &str) -> bool {
    let parts = word.split_once(':');
    parts.is_some_and(|(major, minor)| {
        [major, minor]
            .iter()
            .all(|part| part.parse::<u32>().is_ok())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_kinds_get_a_new_length_and_keep_the_rest() {
        for target in ["linear 202:0 0", "snapshot 202:0 202:34 N 16"] {
            let told = format!("0 20971520 {target}\n");
            let table = Table::parse(told.as_bytes(), "202:0").unwrap();
            assert_eq!(table.sectors, 20_971_520);
            assert_eq!(table.with_sectors(7), format!("0 7 {target}\n"));
        }
    }

    #[test]
    fn another_table_is_refused() {
        for told in [
            "",
            "0 100 linear 202:0 8",
            "8 100 linear 202:0 0",
            "0 100 linear 202:16 0",
            "0 100 linear 202:0 0\n100 100 linear 202:0 100",
            "0 100 crypt aes 0 202:0 0",
            "0 100 snapshot 202:0 x N 16",
            "0 100 snapshot 202:0 202:34 N",
            "0 -1 linear 202:0 0",
            "0 100 linear 202:0 0; reboot",
        ] {
            assert_eq!(Table::parse(told.as_bytes(), "202:0"), None, "{told:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_dmsetup_says(told in prop::collection::vec(any::<u8>(), 0..100)) {
            let _no_panic = Table::parse(&told, "202:0");
        }

        #[test]
        fn a_table_is_read_back(old: u64, new: u64, chunk in 1_u32..100) {
            for target in ["linear 202:0 0".to_owned(), format!("snapshot 202:0 202:34 P {chunk}")] {
                let table = Table::parse(format!("0 {old} {target}").as_bytes(), "202:0").unwrap();
                let again = Table::parse(table.with_sectors(new).as_bytes(), "202:0").unwrap();
                prop_assert_eq!(again.sectors, new);
                prop_assert_eq!(again.with_sectors(old), table.with_sectors(old));
            }
        }
    }
}
