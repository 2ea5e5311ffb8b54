//! The functions through which every byte or every entry passes: decode, checksum, names.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use qfile_proto::checksum::Checksum;
use qfile_proto::{Charset, Decoder, Encoder, Entry, Kind, LinkRules, SafeName, SafeTarget};
use qfile_proto::{Refusal, Timestamp};

const CONTENT_LEN: usize = 4 << 10;
const ENTRIES: u64 = 1_000;
const READ_AHEAD: usize = 256 << 10;

fn main() {
    let mut c = Criterion::default().configure_from_args();
    decode(&mut c);
    checksum(&mut c);
    names(&mut c);
    c.final_summary();
}

fn decode(c: &mut Criterion) {
    for (name, content) in [("decode/empty", 0), ("decode/4 KiB", CONTENT_LEN)] {
        let stream = stream_of_files(content);
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(ENTRIES));
        group.bench_function("entries", |b| {
            b.iter(|| {
                let mut decoder = Decoder::with_capacity(READ_AHEAD, &stream[..]);
                let mut name = Vec::new();
                while let Some(entry) = decoder.next_entry(&mut name).expect("a good stream") {
                    let content = decoder.content(&entry, |bytes| {
                        black_box(bytes);
                        Ok::<(), Refusal>(())
                    });
                    content.expect("a good stream");
                }
                decoder.checksum()
            });
        });
        group.finish();
    }
}

fn checksum(c: &mut Criterion) {
    let bytes: Vec<u8> = (0..=255).cycle().take(READ_AHEAD).collect();
    let mut group = c.benchmark_group("checksum");
    group.throughput(Throughput::Bytes(READ_AHEAD as u64));
    group.bench_function("256 KiB", |b| {
        let mut checksum = Checksum::default();
        b.iter(|| checksum.update(black_box(&bytes)));
    });
    group.finish();
    c.bench_function("checksum/16 MiB of zeros, combined", |b| {
        let mut checksum = Checksum::default();
        b.iter(|| checksum.update_zeros(black_box(16 << 20)));
    });
}

fn names(c: &mut Criterion) {
    let mut group = c.benchmark_group("names");
    for (kind, name) in [
        (
            "latin",
            "home/documents/2024/letters/Mr. Smith - 17 March.odt",
        ),
        (
            "greek and signs",
            "Έγγραφα/2024/Επιστολές — 17 Μαρτίου €.odt",
        ),
    ] {
        group.bench_function(kind, |b| {
            b.iter(|| SafeName::parse(black_box(name.as_bytes()), Charset::Safe));
        });
    }
    let name = SafeName::parse(b"a/b/c/d", Charset::Safe).expect("a good name");
    group.bench_function("target of a link", |b| {
        b.iter(|| SafeTarget::parse(black_box(b"../../x/y/z"), name, LinkRules::default()).is_ok());
    });
    group.finish();
}

fn stream_of_files(len: usize) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut encoder = Encoder::new(&mut stream);
    let entry = Entry {
        kind: Kind::File,
        permissions: 0o644,
        len: len as u64,
        atime: Timestamp::default(),
        mtime: Timestamp::default(),
    };
    let content = vec![7; len];
    for number in 0..ENTRIES {
        let name = format!("folder/below/file-{number:05}.bin");
        encoder.header(name.as_bytes(), &entry).expect("memory");
        encoder.content(&content).expect("memory");
    }
    encoder.end().expect("memory");
    stream
}
