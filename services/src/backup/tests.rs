use super::*;
use crate::testing::Archive;

/// What was written of `input`, and how it went.
fn followed(input: &[u8]) -> (Vec<u8>, Result<(), Error>) {
    let mut sink = Vec::new();
    let result = follow(Followed {
        input,
        sink: &mut sink,
    });
    (sink, result)
}

#[test]
fn every_byte_of_a_backup_is_written() {
    let mut archive = Archive::new()
        .file("a", &[1; 100_000])
        .end()
        .file("b", b"2")
        .end();
    assert_eq!(followed(&archive.0).0, archive.0);
    // Zeros are part of what was sent.
    archive.0.resize(archive.0.len() + (5 << 20), 0);
    let (written, result) = followed(&archive.0);
    result.unwrap();
    assert!(written == archive.0);
}

#[test]
fn a_backup_that_was_cut_is_not_whole() {
    let whole = Archive::new().file("a", &[1; 3000]).file("b", b"").end().0;
    for len in 0..whole.len() - 1023 {
        let (written, result) = followed(&whole[..len]);
        assert!(
            matches!(result, Err(Error::NotWhole(ArchiveError::Cut(_), None))),
            "{len}: {result:?}"
        );
        assert_eq!(written, whole[..len]);
    }
    followed(&whole).1.unwrap();
}

#[test]
fn what_cannot_be_written_is_not_blamed_on_the_backup() {
    let archive = Archive::new().file("a", &[1; 3000]).end();
    let mut full = [0; 100];
    let result = follow(Followed {
        input: &archive.0[..],
        sink: &mut &mut full[..],
    });
    assert!(matches!(result, Err(Error::Write(_))), "{result:?}");
}
