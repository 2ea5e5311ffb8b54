//! What the receiver tells the program that started it, through the pipe of `--report-fd`.
//!
//! Both run in the same qube. The pipe carries records, each with a NUL byte at its end:
//!
//! | record | when it is written |
//! |---|---|
//! | `refused NOTIFY` | the settings cannot be used; nothing is received |
//! | `started NOTIFY DEV INO FOLDER` | before the receiver is isolated; `DEV INO` is `- -` for a folder that was there |
//! | `received FILES FOLDERS` | after a verdict without error |
//!
//! `NOTIFY` is `yes` or `no`. Only the first record is written before the first byte of the stream
//! is read. A reader must not believe more than two numbers of what follows.

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyReport {
    /// The settings of the owner cannot be used.
    Refused {
        /// The owner wants to be notified.
        notify: bool,
    },
    /// The copy begins.
    Started {
        /// The owner wants to be notified.
        notify: bool,
        /// Device and inode of the incoming folder, if the receiver created it.
        created: Option<(u64, u64)>,
        /// The path of the incoming folder.
        folder: Vec<u8>,
    },
    /// Everything arrived and is on disk.
    Received {
        /// Files and symbolic links.
        files: u64,
        /// Folders.
        folders: u64,
    },
}

impl CopyReport {
    /// The longest record in bytes, with its NUL: the numbers, and a path of Linux.
    pub const MAX_LEN: usize = 4096 + 64;

    /// The record, with its NUL.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let said = |notify: bool| if notify { "yes" } else { "no" };
        let mut record = match self {
            Self::Refused { notify } => format!("refused {}", said(*notify)).into_bytes(),
            Self::Started {
                notify,
                created,
                folder,
            } => {
                let created =
                    created.map_or("- -".to_owned(), |(dev, inode)| format!("{dev} {inode}"));
                let start = format!("started {} {created} ", said(*notify));
                [start.as_bytes(), folder].concat()
            }
            Self::Received { files, folders } => format!("received {files} {folders}").into_bytes(),
        };
        record.push(0);
        record
    }

    /// The record `record`, without its NUL. `None` if it has another form.
    #[must_use]
    pub fn parse(record: &[u8]) -> Option<Self> {
        let mut fields = record.splitn(5, |byte| *byte == b' ');
        let report = match fields.next()? {
            b"refused" => Self::Refused {
                notify: answer(fields.next()?)?,
            },
            b"started" => Self::Started {
                notify: answer(fields.next()?)?,
                created: match (fields.next()?, fields.next()?) {
                    (b"-", b"-") => None,
                    (dev, inode) => Some((number(dev)?, number(inode)?)),
                },
                folder: fields.next()?.to_vec(),
            },
            b"received" => Self::Received {
                files: number(fields.next()?)?,
                folders: number(fields.next()?)?,
            },
            _ => return None,
        };
        fields.next().is_none().then_some(report)
    }
}

fn answer(field: &[u8]) -> Option<bool> {
    match field {
        b"yes" => Some(true),
        b"no" => Some(false),
        _ => None,
    }
}

fn number(field: &[u8]) -> Option<u64> {
    // `parse` alone would take a sign too.
    let digits = field.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(field).ok().filter(|_| digits)?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::CopyReport;

    #[test]
    fn copy_report_wireformat() {
        for (report, bytes) in [
            (CopyReport::Refused { notify: true }, &b"refused yes\0"[..]),
            (
                CopyReport::Started {
                    notify: false,
                    created: Some((7, 9)),
                    folder: b"/home/user/a b\n".to_vec(),
                },
                b"started no 7 9 /home/user/a b\n\0",
            ),
            (
                CopyReport::Started {
                    notify: true,
                    created: None,
                    folder: b"/in".to_vec(),
                },
                b"started yes - - /in\0",
            ),
            (
                CopyReport::Received {
                    files: u64::MAX,
                    folders: 0,
                },
                b"received 18446744073709551615 0\0",
            ),
        ] {
            assert_eq!(report.encode(), bytes);
            assert_eq!(CopyReport::parse(&bytes[..bytes.len() - 1]), Some(report));
        }
    }

    #[test]
    fn a_record_of_another_form_is_none() {
        for record in [
            "",
            "refused",
            "refused maybe",
            "refused yes more",
            "started yes",
            "started yes - 1 /in",
            "started yes 1 2",
            "received",
            "received 1",
            "received +1 0",
            "received -1 0",
            "received  0",
            "received 1 2 3",
            "received 18446744073709551616 0",
            "received 1 2\n",
            "Received 1 2",
        ] {
            assert_eq!(CopyReport::parse(record.as_bytes()), None, "{record:?}");
        }
    }
}
