//! Which file an icon is, and how it is given.

use qfile_tests::pictures::{Gallery, answer, fixture, icon, png, svg, zeros};
use qfile_tests::suite;

suite! {
    an_icon_is_found_by_its_name,
    the_theme_of_the_user_comes_first,
    an_absolute_path_is_taken_as_it_is,
    an_icon_that_is_not_there_is_refused,
    a_large_icon_is_made_to_fit,
    a_large_drawing_is_drawn_to_fit,
}

const INDEX: &str = "[Icon Theme]\nName=x\nInherits=hicolor\nDirectories=48,scalable\n\
                     [48]\nSize=48\nType=Fixed\n\
                     [scalable]\nSize=128\nMinSize=8\nMaxSize=512\nType=Scalable\n";

fn color(name: &str) -> String {
    svg(&format!("<rect width='8' height='8' fill='{name}'/>"))
}

fn an_icon_is_found_by_its_name() {
    let gallery = Gallery::new();
    gallery.add("system/icons/hicolor/index.theme", INDEX);
    gallery.add("system/icons/hicolor/48/app.png", fixture("rgba8.png"));
    gallery.add("system/pixmaps/app.png", fixture("rgb8.png"));
    gallery.add("system/pixmaps/old.xpm", fixture("1.xpm"));
    assert_eq!(gallery.picture("xdgicon:app", b""), answer("rgba8.png"));
    assert_eq!(gallery.picture("xdgicon:app.xpm", b""), answer("rgba8.png"));
    assert_eq!(gallery.picture("xdgicon:old", b""), answer("1.xpm"));
    gallery.add("system/icons/hicolor/scalable/app.svg", color("#0000ff"));
    let picture = gallery.picture("xdgicon:app", b"");
    assert_eq!((picture.width, picture.pixel(0, 0)), (8, [0, 0, 255, 255]));
}

fn the_theme_of_the_user_comes_first() {
    let gallery = Gallery::new();
    for (theme, fill) in [("hicolor", "red"), ("mine", "blue"), ("Adwaita", "lime")] {
        gallery.add(&format!("system/icons/{theme}/index.theme"), INDEX);
        gallery.add(
            &format!("system/icons/{theme}/scalable/app.svg"),
            color(fill),
        );
    }
    let pixel = || gallery.picture("xdgicon:app", b"").pixel(4, 4);
    assert_eq!(pixel(), [0, 255, 0, 255]);
    let settings = "[Settings]\ngtk-icon-theme-name=mine\n";
    gallery.add(".config/gtk-3.0/settings.ini", settings);
    assert_eq!(pixel(), [0, 0, 255, 255]);
    gallery.add(".local/share/icons/mine/scalable/app.svg", color("black"));
    assert_eq!(pixel(), [0, 0, 0, 255]);
}

fn an_absolute_path_is_taken_as_it_is() {
    let gallery = Gallery::new();
    let path = gallery.add("any name", fixture("still.gif"));
    assert_eq!(gallery.picture(icon(&path), b""), answer("still.gif"));
    gallery.assert_refused("xdgicon:/no/such/icon.png", b"", "No such file");
}

fn an_icon_that_is_not_there_is_refused() {
    let gallery = Gallery::new();
    gallery.add("system/icon.png", fixture("rgb8.png"));
    for name in ["missing", "../icon", "..", "icon/", "a/b"] {
        gallery.assert_refused(format!("xdgicon:{name}"), b"", "this qube has no such icon");
    }
    let path = gallery.add("system/pixmaps/broken.png", "no picture");
    let why = format!("it is not a picture of a known format ({})", path.display());
    gallery.assert_refused("xdgicon:broken", b"", &why);
}

fn a_large_icon_is_made_to_fit() {
    let gallery = Gallery::new();
    let pixels = zeros((1 + 2048 * 4) * 1024);
    let path = gallery.add("icon", png(2048, 1024, 6, &[(b"IDAT", &pixels)]));
    let picture = gallery.picture(icon(&path), b"");
    assert_eq!((picture.width, picture.height), (512, 256));
    // As a file it is no icon.
    assert_eq!(gallery.picture("icon", b"").width, 2048);
}

fn a_large_drawing_is_drawn_to_fit() {
    let gallery = Gallery::new();
    for (size, expected) in [
        ("width='1024' height='512'", (512, 256)),
        ("width='100000' height='99999'", (512, 512)),
        ("width='513' height='1'", (512, 1)),
        ("width='512' height='20'", (512, 20)),
    ] {
        let drawing = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' {size}>\
             <rect width='100%' height='100%'/></svg>"
        );
        let path = gallery.add("icon", drawing);
        let picture = gallery.picture(icon(&path), b"");
        assert_eq!((picture.width, picture.height), expected, "{size}");
        assert!(
            picture.rgba.chunks(4).all(|pixel| pixel == [0, 0, 0, 255]),
            "{size}"
        );
    }
}
