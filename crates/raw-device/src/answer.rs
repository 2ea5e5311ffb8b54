//! The second block of the device: what the receiver says of the transfer.

use qfile_proto::Verdict;
use qfile_proto::verdict::{VERDICT_LEN, VerdictParser};

use crate::block::{BLOCK_LEN, Block, CRC_AT, bytes, is_sealed, seal};
use crate::header::Number;

/// What an answer begins with.
const MAGIC: [u8; 16] = *b"qfile-verdict\0\0\x01";

/// Longest last name of a verdict in bytes that has room here.
pub const MAX_LAST_NAME_LEN: usize = CRC_AT - NAME_AT;

/// The code of a verdict for a stream whose digests or length are wrong: `EBADMSG` (errno(3)).
pub const WRONG_DIGEST: u32 = 74;

const NUMBER_AT: usize = 16;
const VERDICT_AT: usize = 32;
const NAME_LEN_AT: usize = VERDICT_AT + VERDICT_LEN;
const NAME_AT: usize = NAME_LEN_AT + 4;

/// The receiver's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The number of the transfer that it is about.
    pub number: Number,
    /// The verdict. Nothing in it can be relied on.
    pub verdict: Verdict,
}

impl Answer {
    /// The answer as it stands on the device.
    #[must_use]
    pub fn to_block(&self) -> Block {
        let mut block = [0; BLOCK_LEN];
        block[..MAGIC.len()].copy_from_slice(&MAGIC);
        block[NUMBER_AT..VERDICT_AT].copy_from_slice(&self.number.0);
        let name = self.verdict.untrusted_last_name.as_deref();
        let name = name.map(|name| &name[..name.len().min(MAX_LAST_NAME_LEN)]);
        let verdict = Verdict {
            untrusted_last_name: name.map(<[u8]>::to_vec),
            ..self.verdict
        };
        let verdict = verdict.to_bytes();
        block[VERDICT_AT..VERDICT_AT + verdict.len()].copy_from_slice(&verdict);
        seal(&mut block);
        block
    }

    /// Takes apart the second block of a device; `None` if it is no answer.
    #[must_use]
    pub fn read(untrusted_block: &Block) -> Option<Self> {
        let block = untrusted_block;
        if block[..MAGIC.len()] != MAGIC || !is_sealed(block) {
            return None;
        }
        let name_len = u32::from_le_bytes(bytes(block, NAME_LEN_AT));
        let name_len =
            usize::try_from(name_len).map_or(MAX_LAST_NAME_LEN, |len| len.min(MAX_LAST_NAME_LEN));
        let mut parser = VerdictParser::default();
        parser.push(&block[VERDICT_AT..NAME_LEN_AT]);
        parser.push(&u32::try_from(name_len).unwrap_or(0).to_le_bytes());
        parser.push(&block[NAME_AT..NAME_AT + name_len]);
        Some(Self {
            number: Number(bytes(block, NUMBER_AT)),
            verdict: parser.finish()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(name: Option<&[u8]>) -> Answer {
        Answer {
            number: Number([7; 16]),
            verdict: Verdict {
                error_code: 17,
                crc32: 0xCBF4_3926,
                untrusted_last_name: name.map(<[u8]>::to_vec),
            },
        }
    }

    #[test]
    fn answer_format() {
        let mut golden = [0; BLOCK_LEN];
        golden[..16].copy_from_slice(b"qfile-verdict\0\0\x01");
        golden[16..32].fill(7);
        golden[32] = 17;
        golden[40..44].copy_from_slice(&[0x26, 0x39, 0xF4, 0xCB]);
        golden[48] = 3;
        golden[52..55].copy_from_slice(b"a/b");
        golden[4092..].copy_from_slice(&GOLDEN_CRC.to_le_bytes());
        assert!(answer(Some(b"a/b")).to_block() == golden);
        assert_eq!(Answer::read(&golden), Some(answer(Some(b"a/b"))));
    }

    /// Of Python's zlib.
    const GOLDEN_CRC: u32 = 0x9630_B83D;

    #[test]
    fn without_a_name_it_is_zeros_from_there_on() {
        let block = answer(None).to_block();
        assert!(block[48..4092].iter().all(|byte| *byte == 0));
        assert_eq!(Answer::read(&block), Some(answer(None)));
    }

    #[test]
    fn a_name_is_cut_to_what_has_room() {
        let name = vec![b'x'; 16_384];
        let block = answer(Some(&name)).to_block();
        assert_eq!(Answer::read(&block), Some(answer(Some(&name[..4040]))));
        let mut longer = block;
        longer[48..52].fill(0xFF);
        seal(&mut longer);
        assert_eq!(Answer::read(&longer), Some(answer(Some(&name[..4040]))));
    }

    #[test]
    fn no_byte_can_be_flipped() {
        let block = answer(Some(b"a/b")).to_block();
        for at in 0..BLOCK_LEN {
            let mut flipped = block;
            flipped[at] ^= 1;
            assert_eq!(Answer::read(&flipped), None, "{at}");
        }
        assert_eq!(Answer::read(&[0; BLOCK_LEN]), None);
    }
}
