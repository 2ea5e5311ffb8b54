//! qubes.GetImageRGBA.

mod bombs;
mod icons;
mod requests;
mod themes;

qfile_tests::topics! {
    bombs,
    icons,
    requests,
    themes,
}
