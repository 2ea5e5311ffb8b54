//! Everything that the decoder makes of a stream.

use qfile_proto::{Decoder, Entry, Refusal};

/// Name and content.
pub(crate) type NameAndContent = (Vec<u8>, Vec<u8>);

/// How a stream ended: well, or with a refusal and the last name.
pub(crate) type End = Result<(), (Refusal, Vec<u8>)>;

/// All entries of a stream, and how it ended.
pub(crate) fn decoded(stream: &[u8]) -> (Vec<NameAndContent>, End) {
    let mut decoder = Decoder::with_capacity(7, stream);
    let mut name = Vec::new();
    let mut entries = Vec::new();
    loop {
        let next = decoder
            .next_entry(&mut name)
            .and_then(|entry| entry.map(|entry| content(&mut decoder, &entry)).transpose());
        match next {
            Ok(Some(content)) => entries.push((name.clone(), content)),
            Ok(None) => return (entries, Ok(())),
            Err(refusal) => return (entries, Err((refusal, name))),
        }
    }
}

pub(crate) fn content(decoder: &mut Decoder<&[u8]>, entry: &Entry) -> Result<Vec<u8>, Refusal> {
    let mut content = Vec::new();
    decoder.content(entry, |chunk| {
        content.extend_from_slice(chunk);
        Ok(())
    })?;
    Ok(content)
}
