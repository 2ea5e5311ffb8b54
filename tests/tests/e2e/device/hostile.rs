//! Devices that somebody hostile has written, or that are damaged.

use std::fs;

use qfile_tests::code::{EILSEQ, EREMOTEIO, LEGAL_EOF};
use qfile_tests::raw_device::{
    Carriers, NUMBER, RawHeader, STREAM_AT, answer_on, device_of, needs_carriers, seal,
};
use qfile_tests::sentinel::Sentinels;
use qfile_tests::stream::Stream;
use qfile_tests::suite;

/// EBADMSG.
const WRONG_DIGEST: u32 = 74;

suite! {
    a_header_with_a_flipped_byte_is_not_received [needs_carriers],
    a_device_that_is_cut_at_any_sector_is_not_received [needs_carriers],
    a_transfer_that_stopped_at_any_sector_is_not_complete [needs_carriers],
    a_length_beyond_the_device_is_not_received [needs_carriers],
    wrong_digests_make_what_has_landed_untrusted [needs_carriers],
    bytes_behind_the_end_of_the_stream_are_noticed [needs_carriers],
    a_stream_that_is_cut_is_refused_by_the_receiver [needs_carriers],
    names_that_lead_out_are_refused_by_the_receiver [needs_carriers],
    a_damaged_stream_harms_nothing_at_any_byte [needs_carriers],
    text_from_a_device_has_no_control_characters [needs_carriers],
    an_answer_of_anybody_is_only_shown [needs_carriers],
}

fn stream() -> Stream {
    Stream::new()
        .folder("d")
        .file("d/file", "content")
        .link("d/link", "file")
        .folder("d")
        .end()
}

fn a_header_with_a_flipped_byte_is_not_received() {
    let carriers = Carriers::new();
    let device = device_of(&stream());
    // Every byte that means something, and some of the zeros; all of them are tried in the crate.
    for at in (0..160).chain((160..4092).step_by(131)).chain(4092..4096) {
        let mut flipped = device.clone();
        flipped[at] ^= 1;
        let image = carriers.image_of("image", &flipped);
        carriers.receive(&[], &image).assert_code(1);
        let state = if at < 16 { "none" } else { "damaged" };
        assert_eq!(carriers.status(&image), format!("state: {state}\n"), "{at}");
        assert!(fs::read(&image).unwrap() == flipped);
    }
    carriers.assert_nothing_arrived();
    let image = carriers.image_of("image", &device);
    carriers.receive(&[], &image).assert_code(0);
}

fn a_device_that_is_cut_at_any_sector_is_not_received() {
    let carriers = Carriers::new();
    let device = RawHeader::of(stream().as_bytes()).device(stream().as_bytes());
    for len in (0..STREAM_AT + stream().as_bytes().len()).step_by(512) {
        let image = carriers.image_of("image", &device[..len]);
        carriers.receive(&[], &image).assert_code(1);
        let state = if len < 4096 { "none" } else { "damaged" };
        assert_eq!(
            carriers.status(&image),
            format!("state: {state}\n"),
            "{len}"
        );
    }
    carriers.assert_nothing_arrived();
}

/// The order of the writes is tested in the crate.
fn a_transfer_that_stopped_at_any_sector_is_not_complete() {
    let carriers = Carriers::new();
    let complete = device_of(&stream());
    let unfinished = RawHeader {
        len: 0,
        crc32: 0,
        sha256: [0; 32],
        ..RawHeader::of(&[])
    };
    let before = vec![0x55; complete.len()];
    let mut after = complete.clone();
    after[..4096].copy_from_slice(&unfinished.to_block());
    for sector in 0..=complete.len() / 512 {
        let (written, old) = (&after[..sector * 512], &before[sector * 512..]);
        let image = carriers.image_of("image", &[written, old].concat());
        carriers.receive(&[], &image).assert_code(1);
        let state = carriers.status_of("state", &image).unwrap();
        let expected = match sector {
            0 => "none",
            1..8 => "damaged",
            _ => "not complete",
        };
        assert_eq!(state, expected, "{sector}");
    }
    // The last header, torn.
    for sector in 1..8 {
        let mut torn = after.clone();
        torn[..sector * 512].copy_from_slice(&complete[..sector * 512]);
        let image = carriers.image_of("image", &torn);
        carriers.receive(&[], &image).assert_code(1);
        assert_eq!(carriers.status_of("state", &image).unwrap(), "damaged");
    }
    carriers.assert_nothing_arrived();
}

fn a_length_beyond_the_device_is_not_received() {
    let carriers = Carriers::new();
    let bytes = stream();
    for len in [1 << 20, 1 << 40, 1 << 63, u64::MAX, u64::MAX - 8191] {
        let header = RawHeader {
            len,
            ..RawHeader::of(bytes.as_bytes())
        };
        let image = carriers.image_of("image", &header.device(bytes.as_bytes()));
        carriers.receive(&[], &image).assert_code(1);
        assert_eq!(carriers.status(&image), "state: damaged\n", "{len}");
    }
    carriers.assert_nothing_arrived();
}

fn wrong_digests_make_what_has_landed_untrusted() {
    let bytes = stream();
    let right = RawHeader::of(bytes.as_bytes());
    let mut sha256 = right.sha256;
    sha256[31] ^= 1;
    let wrong = [
        RawHeader {
            sha256,
            ..right.clone()
        },
        RawHeader {
            crc32: right.crc32 ^ 1,
            ..right
        },
    ];
    for header in wrong {
        let carriers = Carriers::new();
        let image = carriers.image_of("image", &header.device(bytes.as_bytes()));
        let refused = carriers.receive(&[], &image);
        refused.assert_code(1);
        refused.assert_says("must not be trusted");
        assert!(carriers.incoming("device").join("d/file").exists());
        let answer = answer_on(&image, &NUMBER).unwrap();
        assert_eq!(answer.code, WRONG_DIGEST);
        let shown = carriers.status_of("answer", &image).unwrap();
        assert!(
            shown.starts_with("refused: File copy: \"Bad message"),
            "{shown}"
        );
    }
}

fn bytes_behind_the_end_of_the_stream_are_noticed() {
    let rest = vec![0x5A; 3 << 20];
    for rest in [&rest[..1], &rest[..32], &rest, &[0; 32], &[0; 4096]] {
        let carriers = Carriers::new();
        let bytes = stream().bytes(rest);
        let image = carriers.image_of("image", &device_of(&bytes));
        let refused = carriers.receive(&[], &image);
        refused.assert_code(1);
        refused.assert_says("bytes after its end");
        refused.assert_says("must not be trusted");
        assert_eq!(answer_on(&image, &NUMBER).unwrap().code, WRONG_DIGEST);
    }
}

fn a_stream_that_is_cut_is_refused_by_the_receiver() {
    let whole = stream();
    for len in 1..whole.as_bytes().len() {
        let carriers = Carriers::new();
        let cut = Stream::new().bytes(&whole.as_bytes()[..len]);
        let image = carriers.image_of("image", &device_of(&cut));
        let refused = carriers.receive(&[], &image);
        refused.assert_code(1);
        assert!(!refused.stderr().contains("digest"), "{len}");
        let code = answer_on(&image, &NUMBER).unwrap().code;
        assert!([EREMOTEIO, LEGAL_EOF].contains(&code), "{len}: {code}");
    }
}

fn names_that_lead_out_are_refused_by_the_receiver() {
    for name in ["../out", "/out", "d/../../out", "a//b", "out\x1b", ""] {
        let carriers = Carriers::new();
        let sentinels = Sentinels::plant(&carriers.path("home/outside"));
        let bytes = Stream::new().file(name, "x").end();
        let image = carriers.image_of("image", &device_of(&bytes));
        let refused = carriers.receive(&[], &image);
        refused.assert_code(1);
        assert!(!refused.stderr().contains('\x1b'));
        assert_eq!(answer_on(&image, &NUMBER).unwrap().code, EILSEQ, "{name:?}");
        sentinels.assert_untouched();
    }
}

fn a_damaged_stream_harms_nothing_at_any_byte() {
    let carriers = Carriers::new();
    let sentinels = Sentinels::plant(&carriers.path("home/outside"));
    let whole = stream();
    for at in 0..whole.as_bytes().len() {
        let mut bytes = whole.as_bytes().to_vec();
        bytes[at] ^= 0x80;
        // First as damage, then as somebody would write it who can make every digest right.
        let damaged = RawHeader::of(whole.as_bytes()).device(&bytes);
        let forged = RawHeader::of(&bytes).device(&bytes);
        for (device, is_forged) in [(damaged, false), (forged, true)] {
            let image = carriers.image_of("image", &device);
            let received = carriers.receive(&["--from", "x"], &image);
            let code = received.code();
            assert!(code == 1 || is_forged && code == 0, "{at}: {code}");
            let _nothing_landed = fs::remove_dir_all(carriers.incoming("x"));
        }
    }
    sentinels.assert_untouched();
}

fn text_from_a_device_has_no_control_characters() {
    let carriers = Carriers::new();
    let bytes = stream();
    let header = RawHeader {
        source: b"\x1b[31m\nstate: none\"\xE2\x80\xAE".to_vec(),
        ..RawHeader::of(bytes.as_bytes())
    };
    let image = carriers.image_of("image", &header.device(bytes.as_bytes()));
    let source = carriers.status_of("source", &image).unwrap();
    assert_eq!(source, "_[31m_state: none____");
    assert_eq!(carriers.status(&image).lines().count(), 5);
    carriers.receive(&[], &image).assert_code(0);
}

fn an_answer_of_anybody_is_only_shown() {
    let carriers = Carriers::new();
    let mut device = device_of(&stream());
    let answer = &mut device[4096..8192];
    answer[..16].copy_from_slice(b"qfile-verdict\0\0\x01");
    answer[16..32].copy_from_slice(&NUMBER);
    answer[32] = 17;
    answer[48..52].fill(0xFF);
    answer[52..4092].fill(0x1B);
    seal(answer);
    let image = carriers.image_of("image", &device);
    let shown = carriers.status_of("answer", &image).unwrap();
    assert!(shown.starts_with("refused: A file named \"____"), "{shown}");
    assert!(shown.len() < 1100, "{}", shown.len());
    // One for which every CRC-32 but its own is right.
    device[4092 + 4096] ^= 1;
    let image = carriers.image_of("image", &device);
    assert_eq!(carriers.status_of("answer", &image).unwrap(), "none");
}
