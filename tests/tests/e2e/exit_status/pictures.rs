//! The program that gives pictures.

use qfile_tests::pictures::{Gallery, fixture};

pub(crate) fn a_picture_is_given(_: &str) {
    let gallery = Gallery::new();
    gallery.add("a.png", fixture("rgb8.png"));
    gallery.ask("a.png\n").assert_code(0);
}

pub(crate) fn a_picture_is_not_there(_: &str) {
    Gallery::new().ask("a.png\n").assert_code(1);
}
