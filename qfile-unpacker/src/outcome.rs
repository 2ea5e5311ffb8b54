//! How receiving ended.

use qfile_proto::{Refusal, Verdict};

/// How receiving ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Why it stopped; `None`: everything landed and is on disk.
    pub(crate) refusal: Option<Refusal>,
    /// The checksum of what was used of the stream.
    pub(crate) checksum: u32,
    /// What landed. After a refusal it means nothing.
    pub(crate) landed: Landed,
    /// The last name that came, for the verdict. It may be anything.
    pub(crate) untrusted_last_name: Vec<u8>,
}

/// How much landed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Landed {
    /// Files and links.
    pub(crate) files: u64,
    /// Folders.
    pub(crate) folders: u64,
}

impl Outcome {
    pub(crate) fn verdict(&self) -> Verdict {
        let name = &self.untrusted_last_name;
        Verdict {
            error_code: self.refusal.map_or(0, |refusal| refusal.code()),
            crc32: self.checksum.into(),
            untrusted_last_name: (!name.is_empty()).then(|| name.clone()),
        }
    }
}
