//! What the fuzz target does with the bytes that the fuzzer makes up.

use crate::hints::Hints;
use crate::icon::{Icon, MAX_SIDE};
use crate::property::{HEADER, PIECE, Search};

/// Judges bytes as the property `_NET_WM_ICON` of a window, read in pieces of several lengths, and as
/// its property `WM_HINTS`. What is sent has to be what the receiver in dom0 takes.
///
/// # Panics
/// When something that must hold does not.
pub fn properties(untrusted: &[u8]) {
    let elements: Vec<u32> = untrusted
        .chunks_exact(4)
        .map(|element| u32::from_ne_bytes([element[0], element[1], element[2], element[3]]))
        .collect();
    let _judged = Hints::parse(&elements);
    let [found, same, also_same] = [2, 100, PIECE as usize].map(|len| search(&elements, len));
    // Which of many small pieces is the last one that is looked at depends on their length.
    if elements.len() < 1000 {
        assert_eq!(found, same);
    }
    assert_eq!(same, also_same);
    let Some((offset, icon)) = also_same else {
        return;
    };
    let header = icon.header(u32::MAX);
    let text = std::str::from_utf8(&header).expect("it is ASCII");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    let sides: Vec<u16> = lines[1]
        .split(' ')
        .map(|side| side.parse().expect("it is a number"))
        .collect();
    assert_eq!(sides.len(), 2);
    assert!(sides.iter().all(|side| (1..=MAX_SIDE).contains(side)));
    let pixels = sides
        .iter()
        .map(|side| usize::from(*side))
        .product::<usize>();
    assert_eq!(icon.into_rgba().len(), pixels * 4);
    assert!(offset + HEADER as usize + pixels <= elements.len());
}

fn search(elements: &[u32], piece_len: usize) -> Option<(usize, Icon)> {
    let mut search = Search::new();
    while let Some(begin) = search.wants() {
        let rest = elements.get(begin as usize..).unwrap_or_default();
        search.take(&rest[..rest.len().min(piece_len)], elements.len() as u64);
    }
    let place = search.found()?;
    let offset = place.offset as usize;
    let pixels = &elements[offset + HEADER as usize..][..place.size.pixels() as usize];
    let bytes = pixels
        .iter()
        .flat_map(|pixel| pixel.to_ne_bytes())
        .collect();
    let icon = Icon::from_argb(place.size, bytes).expect("it has as many pixels as it says");
    Some((offset, icon))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_corpus_holds() {
        test_support::corpus("window_icon", 3, super::properties);
    }
}
