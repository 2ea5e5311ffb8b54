//! Writing a transfer in the order that makes the device say "not complete" until all of it is there.
//!
//! 1. A header with length 0 and an answer of zeros: synced.
//! 2. The stream: synced.
//! 3. The header with length and digests: synced.
//!
//! A block may be torn where power is cut while it is written. Its CRC-32 is wrong then.

use std::io;

use crate::block::BLOCK_LEN;
use crate::header::{Header, Number, Source, Stream};
use crate::{Digest, HEADER_AT, STREAM_AT};

/// What a transfer is written to.
pub trait Medium {
    /// How many bytes have room on it.
    fn capacity(&self) -> u64;

    /// Writes all of `bytes`, which have room, from `at` on.
    ///
    /// # Errors
    /// Those of the device.
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Waits until all that was written is on the device.
    ///
    /// # Errors
    /// Those of the device, also of an earlier write.
    fn sync(&mut self) -> io::Result<()>;
}

/// Writes one transfer.
#[derive(Debug)]
pub struct Writer<M> {
    medium: M,
    number: Number,
    source: Source,
    len: u64,
}

impl<M: Medium> Writer<M> {
    /// Marks the device as not complete.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] if not even a header has room; else those of the device.
    pub fn begin(mut medium: M, number: Number, source: Source) -> io::Result<Self> {
        if medium.capacity() < STREAM_AT {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut blocks = [0; 2 * BLOCK_LEN];
        blocks[..BLOCK_LEN].copy_from_slice(&Header::new(number, &source, None).to_block());
        medium.write_at(&blocks, HEADER_AT)?;
        medium.sync()?;
        Ok(Self {
            medium,
            number,
            source,
            len: 0,
        })
    }

    /// Writes the next bytes of the stream.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] if they have no room; else those of the device.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let at = STREAM_AT.saturating_add(self.len);
        let end = at.saturating_add(bytes.len() as u64);
        if end > self.medium.capacity() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.medium.write_at(bytes, at)?;
        self.len = end - STREAM_AT;
        Ok(())
    }

    /// Waits until the stream is on the device.
    ///
    /// # Errors
    /// Those of the device.
    pub fn sync(&mut self) -> io::Result<()> {
        self.medium.sync()
    }

    /// Marks the device as complete. The stream, whose digests these are, is synced before.
    ///
    /// # Errors
    /// Those of the device.
    pub fn complete(mut self, digest: Digest) -> io::Result<()> {
        self.medium.sync()?;
        let stream = Stream {
            len: self.len,
            digest,
        };
        let header = Header::new(self.number, &self.source, Some(stream));
        self.medium.write_at(&header.to_block(), HEADER_AT)?;
        self.medium.sync()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::*;
    use crate::block::Block;
    use crate::digest::Digester;
    use crate::header::Found;

    const SECTOR: usize = 512;
    const CAPACITY: usize = 8192 + 6000;

    /// What was done to a device: a sector that was written at an offset, or a sync.
    #[derive(Clone, Debug)]
    enum Step {
        Write(usize, Vec<u8>),
        Sync,
    }

    /// A device that keeps what is done to it.
    #[derive(Clone, Debug, Default)]
    struct Recorder(Rc<RefCell<Vec<Step>>>);

    impl Medium for Recorder {
        fn capacity(&self) -> u64 {
            CAPACITY as u64
        }

        fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
            let mut at = usize::try_from(at).unwrap();
            let mut rest = bytes;
            while !rest.is_empty() {
                let in_sector = SECTOR - at % SECTOR;
                let (now, later) = rest.split_at(rest.len().min(in_sector));
                self.0.borrow_mut().push(Step::Write(at, now.to_vec()));
                at += now.len();
                rest = later;
            }
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            self.0.borrow_mut().push(Step::Sync);
            Ok(())
        }
    }

    fn transfer(stream: &[u8], number: u8) -> Vec<Step> {
        let recorder = Recorder::default();
        let source = Source::parse("source").unwrap();
        let mut writer = Writer::begin(recorder.clone(), Number([number; 16]), source).unwrap();
        stream
            .chunks(700)
            .for_each(|piece| writer.push(piece).unwrap());
        writer.complete(digest(stream)).unwrap();
        recorder.0.take()
    }

    fn digest(bytes: &[u8]) -> Digest {
        let mut digester = Digester::default();
        digester.update(bytes);
        digester.finish()
    }

    fn apply<'s>(image: &mut [u8], steps: impl IntoIterator<Item = &'s Step>) {
        for step in steps {
            if let Step::Write(at, bytes) = step {
                image[*at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
    }

    /// Whose transfer the image says is complete. Panics if that is not true of its stream.
    fn complete(image: &[u8]) -> Option<u8> {
        let block: Block = image[..BLOCK_LEN].try_into().unwrap();
        let Found::Transfer(header) = Found::read(&block, image.len() as u64) else {
            return None;
        };
        let stream = header.stream?;
        let end = 8192 + usize::try_from(stream.len).unwrap();
        assert_eq!(digest(&image[8192..end]), stream.digest);
        Some(header.number.0[0])
    }

    /// The first transfer, and then the second, which is shorter.
    fn first_and_second() -> (Vec<u8>, Vec<Step>) {
        let mut image = vec![0x55; CAPACITY];
        apply(&mut image, &transfer(&[1; 5000], 1));
        assert_eq!(complete(&image), Some(1));
        (image, transfer(&[2; 3000], 2))
    }

    #[test]
    fn power_that_is_cut_after_any_sector_leaves_no_transfer_that_is_not_whole() {
        let (before, steps) = first_and_second();
        let mut seen = Vec::new();
        for count in 0..=steps.len() {
            let mut image = before.clone();
            apply(&mut image, &steps[..count]);
            seen.push(complete(&image));
        }
        seen.dedup();
        assert_eq!(seen, [Some(1), None, Some(2)]);
    }

    /// Between two syncs a device may write in any order.
    #[test]
    fn the_header_is_complete_only_after_the_stream_was_synced() {
        let (_, steps) = first_and_second();
        let parts: Vec<&[Step]> = steps.split(|step| matches!(step, Step::Sync)).collect();
        let offsets = |part: &[Step]| -> Vec<usize> {
            let at = part.iter().map(|step| match step {
                Step::Write(at, _) => *at,
                Step::Sync => unreachable!(),
            });
            at.collect()
        };
        assert_eq!(parts.len(), 4, "{steps:?}");
        assert!(offsets(parts[0]).iter().all(|at| *at < 8192));
        assert!(offsets(parts[1]).iter().all(|at| *at >= 8192));
        assert!(offsets(parts[2]).iter().all(|at| *at < 4096));
        assert!(parts[3].is_empty());
    }

    proptest! {
        #[test]
        fn power_that_is_cut_while_a_device_writes_in_its_own_order(
            synced in 0_usize..4,
            which in proptest::collection::vec(any::<bool>(), 64),
        ) {
            let (mut image, steps) = first_and_second();
            let mut parts = steps.split(|step| matches!(step, Step::Sync));
            for part in parts.by_ref().take(synced) {
                apply(&mut image, part);
            }
            let torn = parts.next().unwrap_or_default().iter().zip(which.iter().cycle());
            apply(&mut image, torn.filter(|(_, is_written)| **is_written).map(|(step, _)| step));
            let complete = complete(&image);
            match synced {
                0 => prop_assert!(complete != Some(2)),
                1 => prop_assert_eq!(complete, None),
                2 => prop_assert!(complete != Some(1)),
                _ => prop_assert_eq!(complete, Some(2)),
            }
        }
    }

    #[test]
    fn what_has_no_room_is_not_written() {
        let recorder = Recorder::default();
        let source = Source::parse("source").unwrap();
        let mut writer = Writer::begin(recorder.clone(), Number([1; 16]), source).unwrap();
        writer.push(&[0; 6000]).unwrap();
        let steps = recorder.0.borrow().len();
        let error = writer.push(&[0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(recorder.0.borrow().len(), steps);
    }
}
