//! The property `_NET_WM_ICON` (Extended Window Manager Hints 1.5): elements of 32 bits, for each icon
//! its width, its height, and a pixel for each of its points.
//!
//! A property can be as large as its window likes. So it is judged piece by piece, and only the icon that
//! was chosen is read whole. An icon that is cut ends the property: where the next one would begin is not
//! known. The icons before it count.

use std::cmp::Reverse;

use crate::icon::Size;

/// How many elements are looked at at once.
pub(crate) const PIECE: u32 = 16 * 1024;

/// Most pieces that are looked at. Those are 64 MiB, unless large icons are passed over, which takes
/// longer.
const MAX_PIECES: u32 = 1024;

/// The elements before the pixels of an icon: its width and its height.
pub(crate) const HEADER: u32 = 2;

/// The sides of the square icons that are preferred, best first.
const PREFERRED: [u16; 7] = [128, 96, 64, 48, 256, 512, 32];

/// Where the chosen icon is in its property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The element with its width. It is followed by its height and its pixels.
    pub(crate) offset: u32,
    /// Its width and height.
    pub(crate) size: Size,
}

/// The search for the icon to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    /// The element with the width of the next icon; `None` at the end.
    next: Option<u32>,
    pieces_left: u32,
    best: Option<Place>,
}

impl Search {
    /// Nothing has been looked at.
    pub(crate) fn new() -> Self {
        Self {
            next: Some(0),
            pieces_left: MAX_PIECES,
            best: None,
        }
    }

    /// The element at which the next piece has to begin; `None` if no more is needed.
    pub(crate) fn wants(&self) -> Option<u32> {
        self.next
    }

    /// The best icon of what was looked at. Of icons of the same size, the last one is the best.
    pub(crate) fn found(self) -> Option<Place> {
        self.best
    }

    /// Looks at a piece that begins where the search wants it. `len` is the number of elements of the
    /// whole property.
    pub(crate) fn take(&mut self, piece: &[u32], len: u64) {
        let Some(begin) = self.next.take() else {
            return;
        };
        self.pieces_left -= 1;
        let mut offset = u64::from(begin);
        let header_at = |offset: u64| {
            let at = usize::try_from(offset - u64::from(begin)).ok()?;
            Some((*piece.get(at)?, *piece.get(at + 1)?))
        };
        while let Some((width, height)) = header_at(offset) {
            let end = u64::from(width)
                .checked_mul(height.into())
                .and_then(|pixels| pixels.checked_add(offset + u64::from(HEADER)))
                .filter(|end| *end <= len);
            let Some(end) = end else { return };
            if let (Ok(offset), Some(size)) = (u32::try_from(offset), Size::new(width, height)) {
                self.best = self.best.filter(|best| rank(best.size) > rank(size));
                self.best.get_or_insert(Place { offset, size });
            }
            offset = end;
        }
        // A piece without any header means that the property has become shorter meanwhile.
        let moved = offset > u64::from(begin);
        if moved && offset + u64::from(HEADER) <= len && self.pieces_left > 0 {
            self.next = u32::try_from(offset).ok();
        }
    }
}

/// The higher, the better.
fn rank(size: Size) -> (Reverse<usize>, u16, u16) {
    let (width, height) = (size.width(), size.height());
    let preferred = PREFERRED
        .iter()
        .position(|side| (*side, *side) == (width, height));
    (Reverse(preferred.unwrap_or(PREFERRED.len())), width, height)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is found in a property that is read in pieces of `piece_len`.
    pub(crate) fn search(elements: &[u32], piece_len: usize) -> Option<Place> {
        let mut search = Search::new();
        while let Some(begin) = search.wants() {
            let rest = elements.get(begin as usize..).unwrap_or_default();
            search.take(&rest[..rest.len().min(piece_len)], elements.len() as u64);
        }
        search.found()
    }

    fn icon(width: u32, height: u32) -> Vec<u32> {
        let pixels = vec![width << 16 | height; (width * height) as usize];
        [vec![width, height], pixels].concat()
    }

    #[track_caller]
    fn assert_found(elements: &[u32], expected: Option<(u32, u32, u32)>) {
        for piece_len in [2, 3, 7, PIECE as usize] {
            let found = search(elements, piece_len);
            let found = found.map(|place| {
                let (width, height) = (place.size.width(), place.size.height());
                (place.offset, u32::from(width), u32::from(height))
            });
            assert_eq!(found, expected, "in pieces of {piece_len}");
        }
    }

    #[test]
    fn the_best_size_is_chosen() {
        let sizes = |sizes: &[(u32, u32)]| -> Vec<u32> {
            sizes.iter().flat_map(|(w, h)| icon(*w, *h)).collect()
        };
        let chosen = |list: &[(u32, u32)]| {
            let place = search(&sizes(list), PIECE as usize).unwrap();
            [place.size.width(), place.size.height()].map(u32::from)
        };
        let mut order = vec![(128, 128), (96, 96), (64, 64), (48, 48), (256, 256)];
        order.extend([(512, 512), (32, 32), (33, 1), (20, 40), (20, 39), (16, 16)]);
        for from in 0..order.len() {
            let (width, height) = order[from];
            let expected = [width, height];
            assert_eq!(chosen(&order[from..]), expected);
            let mut back = order[from..].to_vec();
            back.reverse();
            assert_eq!(chosen(&back), expected);
        }
    }

    #[test]
    fn the_last_of_icons_of_the_same_size_is_chosen() {
        let twice = [icon(2, 2), icon(1, 1), icon(2, 2)].concat();
        assert_found(&twice, Some((9, 2, 2)));
    }

    #[test]
    fn what_is_no_whole_icon_is_not_found() {
        for no_icon in [
            &[][..],
            &[1],
            &[1, 1],
            &[0, 0],
            &[0, 1],
            &[1, 0],
            &[0, 0, 0, 0, 0],
            &[2, 2, 1, 1, 1],
            &[u32::MAX, u32::MAX, 1],
            &[1 << 16, 1 << 16, 1],
            &[u32::MAX, 1, 1],
        ] {
            assert_found(no_icon, None);
        }
    }

    #[test]
    fn an_icon_that_cannot_be_sent_does_not_hide_one_that_can() {
        let good = icon(2, 3);
        let wide = icon(1025, 1);
        assert_found(&[&wide[..], &good].concat(), Some((1027, 2, 3)));
        assert_found(&[&[0, 0, 0, 9], &good[..]].concat(), Some((4, 2, 3)));
        assert_found(&[&good[..], &[9]].concat(), Some((0, 2, 3)));
        assert_found(&[&good[..], &[2, 2, 1]].concat(), Some((0, 2, 3)));
        assert_found(&icon(1024, 1024), Some((0, 1024, 1024)));
    }

    #[test]
    fn a_property_without_end_is_not_looked_at_without_end() {
        let mut search = Search::new();
        let mut pieces = 0;
        while search.wants().is_some() {
            search.take(&[1, 1, 0], u64::MAX);
            pieces += 1;
        }
        assert_eq!(pieces, MAX_PIECES);
        // It becomes shorter while it is read.
        let mut search = Search::new();
        search.take(&[1, 1, 0, 2, 2], 20);
        assert_eq!(search.wants(), Some(9));
        search.take(&[], 20);
        assert_eq!(search.wants(), None);
        assert_eq!(search.found().unwrap().offset, 3);
    }

    proptest! {
        #[test]
        fn what_is_found_is_there_and_how_it_is_read_does_not_matter(
            elements in proptest::collection::vec(prop_oneof![0_u32..6, any::<u32>()], 0..200),
            piece_len in 2_usize..50,
        ) {
            let found = search(&elements, elements.len().max(2));
            prop_assert_eq!(search(&elements, piece_len), found);
            if let Some(Place { offset, size }) = found {
                let at = offset as usize;
                prop_assert_eq!(elements[at], u32::from(size.width()));
                prop_assert_eq!(elements[at + 1], u32::from(size.height()));
                prop_assert!(at + 2 + size.pixels() as usize <= elements.len());
            }
        }
    }
}
