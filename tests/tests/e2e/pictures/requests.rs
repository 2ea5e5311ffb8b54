//! What a caller may ask for, and what it gets.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use qfile_tests::cannot_run::needs_program;
use qfile_tests::fifo;
use qfile_tests::pictures::{Gallery, Received, answer, assert_refused, fixture, given, icon, svg};
use qfile_tests::process::Running;
use qfile_tests::programs::program;
use qfile_tests::qubes::{Qubes, SOURCE, TARGET};
use qfile_tests::suite;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

suite! {
    a_call_gives_a_picture_of_another_qube,
    a_file_is_named_relative_to_home_or_not,
    each_format_is_read_from_stdin,
    drawings_have_the_usual_encodings,
    a_format_that_is_named_need_not_be_recognised,
    the_named_format_has_to_be_the_right_one,
    no_other_coder_can_be_chosen,
    a_line_that_names_no_picture_is_refused,
    what_is_no_regular_file_is_not_waited_for,
    what_is_no_regular_file_is_not_opened,
    a_file_that_cannot_be_opened_in_time_is_refused [needs_python],
    a_broken_picture_gives_not_a_byte,
    a_size_that_is_no_whole_number_is_cut,
    a_drawing_shows_nothing_of_other_files,
    a_picture_that_does_not_arrive_in_time_is_refused,
    a_receiver_that_hangs_up_ends_the_call,
    the_greatest_picture_is_given,
    a_picture_with_a_pixel_too_many_is_refused,
    the_service_takes_no_argument,
    the_decoder_has_nothing_open_that_its_caller_had_open,
    whatever_limits_and_signals_are_inherited,
}

fn a_call_gives_a_picture_of_another_qube() {
    let qubes = Qubes::new();
    fs::write(qubes.home(TARGET).join("a.png"), fixture("rgba8.png")).unwrap();
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    command.args([TARGET, "qubes.GetImageRGBA"]);
    let finished = given(command, b"a.png\n");
    finished.assert_code(0);
    assert_eq!(Received::read(&finished.stdout), Ok(answer("rgba8.png")));
}

fn a_file_is_named_relative_to_home_or_not() {
    let gallery = Gallery::new();
    let path = gallery.add("folder/a b.gif", fixture("animated.gif"));
    gallery.add("-x", fixture("colour.jpeg"));
    symlink("folder/a b.gif", gallery.path("link.png")).unwrap();
    // What a file is called does not decide what it is.
    for line in [
        "folder/a b.gif",
        " folder/../link.png \t",
        path.to_str().unwrap(),
    ] {
        assert_eq!(gallery.picture(line, b""), answer("animated.gif"));
    }
    assert_eq!(gallery.picture("-x", b"").width, 40);
    gallery.assert_refused("folder/a", b"", "No such file");
    gallery.assert_refused("png:link.png", b"", "No such file");
    gallery.assert_refused("link.png[0]", b"", "No such file");
}

fn each_format_is_read_from_stdin() {
    let gallery = Gallery::new();
    for name in [
        "rgba16-interlaced.png",
        "palette4-clear.png",
        "still.gif",
        "lossless-alpha.webp",
        "24.bmp",
        "24-mask.ico",
        "2.xpm",
    ] {
        let (_, format) = name.split_once('.').unwrap();
        let (image, expected) = (fixture(name), answer(name));
        for line in [
            "-",
            &format!("{format}:-"),
            &format!("{}:-", format.to_uppercase()),
        ] {
            assert_eq!(gallery.picture(line, &image), expected, "{name} {line}");
        }
    }
    let jpeg = fixture("grey.jpeg");
    for line in ["-", "jpg:-", "jpeg:-"] {
        assert_eq!(gallery.picture(line, &jpeg).height, 24);
    }
    // The original needs a name for drawings.
    let drawing = svg("<rect width='4' height='8' fill='#ff0000'/>");
    for line in ["-", "svg:-", "svgz:-"] {
        let picture = gallery.picture(line, drawing.as_bytes());
        assert_eq!((picture.width, picture.height), (8, 8));
        assert_eq!(picture.pixel(3, 7), [255, 0, 0, 255]);
        assert_eq!(picture.pixel(4, 0)[3], 0);
    }
}

fn drawings_have_the_usual_encodings() {
    let gallery = Gallery::new();
    let text = svg("<title>Größe</title><rect width='8' height='8' fill='red'/>");
    let declared = |name: &str| format!("<?xml version=\"1.0\" encoding = '{name}' ?>\n{text}");
    let latin = |name: &str| {
        let bytes = declared(name)
            .chars()
            .map(|c| u8::try_from(c).unwrap())
            .collect::<Vec<u8>>();
        assert!(std::str::from_utf8(&bytes).is_err());
        bytes
    };
    let utf16 = |unit: fn(u16) -> [u8; 2]| {
        let marked = format!("\u{feff}{}", declared("UTF-16"));
        marked.encode_utf16().flat_map(unit).collect::<Vec<u8>>()
    };
    for drawing in [
        text.clone().into_bytes(),
        declared("UTF-8").into_bytes(),
        latin("ISO-8859-1"),
        latin("windows-1252"),
        utf16(u16::to_le_bytes),
        utf16(u16::to_be_bytes),
    ] {
        for line in ["-", "svg:-"] {
            assert_eq!(
                gallery.picture(line, &drawing).pixel(3, 3),
                [255, 0, 0, 255]
            );
        }
    }
    for other in [latin("koi8-r"), latin("utf-8")] {
        gallery.assert_refused("-", &other, "its text is neither UTF-8 nor UTF-16");
    }
    let half = utf16(u16::to_le_bytes);
    gallery.assert_refused("-", &half[..half.len() / 2], "it is not complete SVG");
}

/// Without a name, a format is looked for in the first bytes.
fn a_format_that_is_named_need_not_be_recognised() {
    let gallery = Gallery::new();
    let red = svg("<rect width='8' height='8' fill='red'/>");
    let drawing = format!("<!--{}-->{red}", " ".repeat(70_000));
    assert_eq!(
        gallery.picture("svg:-", drawing.as_bytes()).pixel(0, 0),
        [255, 0, 0, 255]
    );
    gallery.assert_refused("-", drawing.as_bytes(), "not a picture of a known format");
    let whole = fixture("1.xpm");
    let comment = whole.windows(2).position(|two| two == b"*/").unwrap() + 2;
    assert_eq!(gallery.picture("xpm:-", &whole[comment..]), answer("1.xpm"));
    gallery.assert_refused("-", &whole[comment..], "not a picture of a known format");
}

fn the_named_format_has_to_be_the_right_one() {
    let gallery = Gallery::new();
    gallery.assert_refused("png:-", &fixture("colour.jpeg"), "it is not PNG, but JPEG");
    gallery.assert_refused("svg:-", &fixture("rgb8.png"), "it is not SVG, but PNG");
    gallery.assert_refused(
        "png:-",
        b"P6 1 1 255\n   ",
        "not a picture of a known format",
    );
}

fn no_other_coder_can_be_chosen() {
    let gallery = Gallery::new();
    let secret = gallery.add("secret", fixture("rgba8.png"));
    let script = format!(
        "push graphic-context\nviewbox 0 0 5 3\nimage over 0,0 0,0 \"{}\"\npop graphic-context\n",
        secret.display()
    );
    for line in ["mvg:-", "msl:-", "text:-", "label:-", "epdf:-", ":-"] {
        gallery.assert_refused(line, script.as_bytes(), "is no known format");
    }
    gallery.assert_refused("-", script.as_bytes(), "not a picture of a known format");
    gallery.assert_refused("@secret", b"", "No such file");
}

fn a_line_that_names_no_picture_is_refused() {
    let gallery = Gallery::new();
    for stdin in [&b""[..], b"\n", b"  \t\n", b"xdgicon:\n"] {
        assert_refused(&gallery.ask(stdin), "names no");
    }
    assert_refused(&gallery.ask(b"a\0b\n"), "NUL");
    assert_refused(&gallery.ask([b'a'; 5000]), "more than 4104 bytes");
    let hostile = gallery.ask(b"\x1b[2J\xFF\xE2\x80\xAE.png\n");
    assert_refused(&hostile, "No such file");
    assert!(!hostile.stderr.contains(&0xFF) && !hostile.stderr().contains('\u{202e}'));
}

fn what_is_no_regular_file_is_not_waited_for() {
    let gallery = Gallery::new();
    fs::create_dir(gallery.path("folder.png")).unwrap();
    let _held = fifo::held(&gallery.path("held.png"));
    fifo::make(&gallery.path("fifo.png"));
    for line in [
        "folder.png",
        "held.png",
        "fifo.png",
        "/dev/zero",
        "/dev/tty",
    ] {
        for line in [
            line.to_owned(),
            format!("xdgicon:{}", gallery.path(line).display()),
        ] {
            let finished = gallery.ask(format!("{line}\n"));
            finished.assert_code(1);
            assert_eq!(finished.stdout, b"");
            finished.assert_says("qubes-image-rgba: cannot give the ");
        }
    }
}

/// Opening a device or a FIFO can have an effect.
fn what_is_no_regular_file_is_not_opened() {
    let gallery = Gallery::new();
    let path = gallery.path("fifo.png");
    fifo::make(&path);
    let opened = inotify::init(CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&opened, &path, WatchFlags::OPEN).unwrap();
    gallery.assert_refused("fifo.png", b"", "it is not a regular file");
    gallery.assert_refused(icon(&path), b"", "it is not a regular file");
    assert_eq!(rustix::io::read(&opened, &mut [0; 64]), Err(Errno::AGAIN));
    // An opened one is seen.
    let both = fs::File::options().read(true).write(true).open(&path);
    assert!(both.is_ok() && rustix::io::read(&opened, &mut [0; 64]).is_ok());
}

/// Another program holds a lease on it (fcntl(2)), and does not give it back.
fn a_file_that_cannot_be_opened_in_time_is_refused() {
    const HOLD: &str = "import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
file = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print(end='.', flush=True)
sys.stdin.read()";
    let gallery = Gallery::new();
    let path = gallery.add("held.png", fixture("rgb8.png"));
    let mut holder = Command::new("python3")
        .args(["-c", HOLD])
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    holder
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut [0])
        .unwrap();
    let mut command = gallery.command();
    command.args(["--timeout", "1s"]);
    assert_refused(
        &given(command, b"held.png\n"),
        "taken by the caller in time",
    );
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    assert_eq!(gallery.picture("held.png", b""), answer("rgb8.png"));
}

fn needs_python() -> Result<(), String> {
    needs_program("python3")
}

fn a_broken_picture_gives_not_a_byte() {
    let gallery = Gallery::new();
    for name in [
        "rgba8.png",
        "rgba8-interlaced.png",
        "progressive.jpeg",
        "still.gif",
        "lossless.webp",
        "lossy.webp",
        "24.bmp",
        "32.ico",
        "1.xpm",
    ] {
        let whole = fixture(name);
        gallery.assert_refused("-", &whole[..whole.len() * 2 / 3], "it is not complete ");
    }
    // A checksum that is wrong.
    let mut changed = fixture("rgba8.png");
    let at = changed.len() - 14;
    changed[at] ^= 1;
    gallery.assert_refused("-", &changed, "it is not complete PNG");
    gallery.assert_refused(
        "-",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='8'",
        "SVG",
    );
}

fn a_size_that_is_no_whole_number_is_cut() {
    let gallery = Gallery::new();
    for (size, expected) in [
        ("width='10.7' height='4.2'", (10, 4)),
        ("width='0.2' height='0.9'", (1, 1)),
        ("viewBox='0 0 3 2'", (3, 2)),
        ("width='1in' height='25.4mm'", (96, 96)),
    ] {
        let drawing = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' {size}>\
             <rect width='100%' height='100%'/></svg>"
        );
        let picture = gallery.picture("-", drawing.as_bytes());
        assert_eq!((picture.width, picture.height), expected, "{size}");
        let last = picture.pixel(expected.0 - 1, expected.1 - 1);
        assert_eq!(last, [0, 0, 0, 255], "{size}");
    }
}

/// Everything by which a drawing can refer to another file.
fn a_drawing_shows_nothing_of_other_files() {
    let gallery = Gallery::new();
    let red = svg("<rect id='r' width='8' height='8' fill='red'/>");
    let secret = gallery.add("red.svg", &red);
    gallery.add("red.png", fixture("rgba8.png"));
    gallery.add("red.css", "rect { fill: red }");
    let secret = secret.to_str().unwrap();
    let clear = "<rect width='8' height='8' fill='none' class='c'/>";
    for content in [
        "<image href='red.png' width='8' height='8'/>".to_owned(),
        "<image xlink:href='red.svg' width='8' height='8'/>".to_owned(),
        format!("<image xlink:href='{secret}' width='8' height='8'/>"),
        format!("<image xlink:href='file://{secret}' width='8' height='8'/>"),
        "<use xlink:href='red.svg#r'/>".to_owned(),
        format!("<style>@import url('red.css');</style>{clear}"),
        "<filter id='f' x='0' y='0' width='8' height='8'><feImage xlink:href='red.png'/></filter>\
         <rect width='8' height='8' fill-opacity='0' filter='url(#f)'/>"
            .to_owned(),
        "<rect width='8' height='8' fill='url(red.svg#r)'/>".to_owned(),
        format!(
            "<image href='data:image/svg+xml,{}' width='8' height='8'/>",
            red.replace('\'', "%22").replace('<', "%3C")
        ),
        "<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='red.svg'/>".to_owned(),
        "<script>document.documentElement.innerHTML='red'</script>".to_owned(),
        "<foreignObject width='8' height='8'><img src='red.png'/></foreignObject>".to_owned(),
    ] {
        let name = "picture.svg";
        gallery.add(name, svg(&content));
        let picture = gallery.picture(name, b"");
        // A paint that cannot be used is the usual one, which is black.
        let is_empty = |pixel: &[u8]| pixel[3] == 0 || *pixel == [0, 0, 0, 255];
        assert!(picture.rgba.chunks(4).all(is_empty), "{content}");
    }
    let entity = "<!DOCTYPE svg [<!ENTITY e SYSTEM 'red.svg'>]>";
    gallery.add("entity.svg", format!("{entity}{}", svg("&e;")));
    let finished = gallery.ask("entity.svg\n");
    assert!(
        finished.stdout.iter().all(|byte| *byte != 255),
        "{finished:?}"
    );
}

fn a_picture_that_does_not_arrive_in_time_is_refused() {
    let gallery = Gallery::new();
    let mut command = gallery.command();
    command.args(["--timeout", "1s"]);
    let held = fifo::held(&gallery.path("fifo"));
    command
        .stdin(held.try_clone().unwrap())
        .stdout(Stdio::piped());
    assert_refused(&Running::start(command).finish(), "not arrived in time");
    (&held).write_all(b"-\nGIF89a").unwrap();
    let mut command = gallery.command();
    command.args(["--timeout", "1s"]);
    command
        .stdin(held.try_clone().unwrap())
        .stdout(Stdio::piped());
    assert_refused(
        &Running::start(command).finish(),
        "not been read, decoded and taken by the caller in time",
    );
}

fn a_receiver_that_hangs_up_ends_the_call() {
    let gallery = Gallery::new();
    gallery.add("a.png", fixture("rgba8.png"));
    gallery.add("line", "a.png\n");
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    drop(reader);
    let mut command = gallery.command();
    command.stdin(fs::File::open(gallery.path("line")).unwrap());
    command.stdout(writer);
    assert_refused(&Running::start(command).finish(), "cannot be written");
}

fn the_greatest_picture_is_given() {
    let gallery = Gallery::new();
    let rows = (1 + 8192) * 5120;
    let image = qfile_tests::pictures::png(
        8192,
        5120,
        0,
        &[(b"IDAT", &qfile_tests::pictures::zeros(rows))],
    );
    let picture = gallery.picture("-", &image);
    assert_eq!((picture.width, picture.height), (8192, 5120));
    assert!(picture.rgba.chunks(4).all(|pixel| pixel == [0, 0, 0, 255]));
}

fn a_picture_with_a_pixel_too_many_is_refused() {
    let gallery = Gallery::new();
    for (width, height) in [(8193, 1), (1, 5121)] {
        let rows = (1 + u64::from(width)) * u64::from(height);
        let pixels = qfile_tests::pictures::zeros(rows);
        let image = qfile_tests::pictures::png(width, height, 0, &[(b"IDAT", &pixels)]);
        gallery.assert_refused("-", &image, "at most 8192 x 5120 are allowed");
        let drawing =
            format!("<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}'/>");
        gallery.assert_refused("-", drawing.as_bytes(), "at most 8192 x 5120 are allowed");
    }
}

fn the_service_takes_no_argument() {
    let qubes = Qubes::new();
    let mut command = qubes.command(SOURCE, "qrexec-loopback");
    command.args([TARGET, "qubes.GetImageRGBA+--help"]);
    let finished = given(command, b"a.png\n");
    finished.assert_code(2);
    assert_eq!(finished.stdout, b"");
}

/// The other end of a pipe ends when nobody has it open any more, while the decoder waits for its
/// picture.
fn the_decoder_has_nothing_open_that_its_caller_had_open() {
    let mut service = Command::new("sh")
        .args(["-c", r#"exec 9>&1; exec "$0" >/dev/null 2>&1"#])
        .arg(program("qubes-image-rgba"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = service.stdin.take().unwrap();
    stdin.write_all(b"-\n").unwrap();
    let mut inherited = service.stdout.take().unwrap();
    assert_eq!(inherited.read(&mut [0]).unwrap(), 0);
    assert!(service.try_wait().unwrap().is_none());
    drop(stdin);
    assert_eq!(service.wait().unwrap().code(), Some(1));
}

/// Of a caller that ignores the ends of children, and limits memory.
fn whatever_limits_and_signals_are_inherited() {
    let gallery = Gallery::new();
    gallery.add("a.png", fixture("rgba8.png"));
    for before in ["trap '' CHLD", "ulimit -v 200000", "ulimit -t 5"] {
        let mut command = Command::new("bash");
        let script = format!("{before}; exec \"$0\"");
        command
            .args(["-c", &script])
            .arg(program("qubes-image-rgba"));
        command.env("HOME", gallery.path(""));
        let finished = given(command, b"a.png\n");
        finished.assert_code(0);
        assert_eq!(
            Received::read(&finished.stdout),
            Ok(answer("rgba8.png")),
            "{before}"
        );
    }
}
