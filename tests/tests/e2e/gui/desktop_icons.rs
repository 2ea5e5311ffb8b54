//! `icon-sender` with real windows, some of which have hostile properties. What dom0 receives is judged
//! byte by byte. Run by `make test-desktop`.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use qfile_tests::cannot_run::needs_program;
use qfile_tests::changes::until;
use qfile_tests::desktop::{Desktop, needs_desktop};
use qfile_tests::icons::{Call, Client, Dom0};
use qfile_tests::process::{Running, run};
use qfile_tests::programs::{opened_program, program};
use qfile_tests::speaking::Speaking;
use qfile_tests::suite;
use qfile_tests::user::{in_private_mounts, mount_tmpfs, needs_private_mounts};
use qfile_tests::x_server::{XServer, needs_xvfb};
use rustix::process::{Pid, Signal, kill_process};
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    ConnectionExt as _, EventMask, MAP_NOTIFY_EVENT, MapNotifyEvent, UNMAP_NOTIFY_EVENT,
    UnmapNotifyEvent,
};

suite! {
    windows_that_are_there_or_appear_have_their_icons_sent [needs_xvfb],
    the_icon_of_the_best_size_is_sent [needs_xvfb],
    hostile_icons_are_not_sent_and_do_not_stop_others [needs_xvfb],
    hostile_hints_are_not_sent_and_do_not_stop_others [needs_xvfb],
    the_pixmaps_of_hints_become_icons [needs_xvfb],
    windows_that_vanish_do_not_stop_others [needs_xvfb],
    a_window_that_is_hidden_is_forgotten [needs_xvfb],
    dom0_that_does_not_read_gets_the_last_icon_and_costs_no_memory [needs_xvfb],
    a_window_with_a_huge_property_costs_no_memory [needs_xvfb],
    a_flood_of_events_costs_no_memory [needs_xvfb],
    what_another_client_claims_to_have_happened_is_not_believed [needs_xvfb],
    a_call_that_ends_is_made_again_with_all_icons [needs_xvfb],
    a_call_that_reads_no_more_is_ended_and_made_again [needs_xvfb],
    a_call_that_reads_no_more_and_stays_is_killed [needs_xvfb],
    the_program_ends_with_the_x_server [needs_xvfb],
    the_program_ends_when_it_is_told_to [needs_xvfb],
    the_program_ends_although_the_x_server_does_not_answer [needs_private_mounts],
    without_an_x_server_or_qrexec_it_says_so [needs_xvfb],
    no_key_is_given_to_who_listens_at_a_port,
    a_qube_without_windows_sends_none [needs_xvfb, needs_private_mounts],
    real_programs_have_their_icons_sent [needs_desktop],
}

const RED: u32 = 0xffff_0000;
const RED_SENT: [u8; 4] = [0xff, 0, 0, 0xff];

/// A sender at work.
struct Session {
    sender: Speaking,
    call: Call,
    client: Client,
    server: XServer,
    dom0: Dom0,
}

impl Session {
    /// The icon of the first window was sent, so the sender watches the others.
    fn new() -> Self {
        let server = XServer::virtual_screen();
        let client = Client::of(server.display());
        let first = client.window();
        client.set_icon(first, &[1, 1, RED]);
        let dom0 = Dom0::new();
        let sender = dom0.sender(server.display());
        let call = dom0.take_call();
        call.assert_next(first, 1, 1, &RED_SENT);
        Self {
            sender,
            call,
            client,
            server,
            dom0,
        }
    }

    /// A window with an icon that can be told from others.
    fn window(&self, colour: u32) -> u32 {
        let window = self.client.window();
        self.client.set_icon(window, &[1, 1, colour]);
        window
    }

    /// Fails the test if anything is sent before the icon of a new window.
    #[track_caller]
    fn assert_nothing_else(&self) {
        let window = self.window(RED);
        self.client.map(window);
        self.call.assert_next(window, 1, 1, &RED_SENT);
    }
}

fn windows_that_are_there_or_appear_have_their_icons_sent() {
    let session = Session::new();
    let client = &session.client;
    assert_eq!(session.dom0.calls(), "dom0 qubes.WindowIconUpdater\n");
    // It is not seen yet.
    let window = session.window(0x1122_3344);
    session.assert_nothing_else();
    client.map(window);
    session
        .call
        .assert_next(window, 1, 1, &[0x22, 0x33, 0x44, 0x11]);
    // Another icon.
    client.set_icon(window, &[2, 1, 1, 2]);
    session
        .call
        .assert_next(window, 2, 1, &[0, 0, 1, 0, 0, 0, 2, 0]);
    // The same again; and as one of several of which it is the best.
    client.set_icon(window, &[2, 1, 1, 2]);
    client.set_icon(window, &[1, 1, 9, 2, 1, 1, 2]);
    session.assert_nothing_else();
    // The first one again.
    client.set_icon(window, &[1, 1, 0x1122_3344]);
    session
        .call
        .assert_next(window, 1, 1, &[0x22, 0x33, 0x44, 0x11]);
}

fn the_icon_of_the_best_size_is_sent() {
    let icon = |side: u32| {
        let pixels = vec![RED; (side * side) as usize];
        [vec![side, side], pixels].concat()
    };
    let session = Session::new();
    for (sides, best) in [
        (&[256, 128, 48][..], 128),
        (&[512, 1024, 32], 512),
        (&[16, 48, 64, 33], 64),
        (&[22, 24, 16], 24),
        (&[1025, 16], 16),
        (&[1024], 1024),
    ] {
        let window = session.client.window();
        for side in sides {
            session.client.add_to_icon(window, &icon(*side));
        }
        session.client.map(window);
        let sent = session.call.icon();
        assert_eq!((sent.window, sent.width, sent.height), (window, best, best));
        assert!(sent.rgba.chunks(4).all(|pixel| pixel == RED_SENT));
    }
}

fn hostile_icons_are_not_sent_and_do_not_stop_others() {
    let session = Session::new();
    let client = &session.client;
    let hostile = |set: &dyn Fn(u32)| {
        let window = client.window();
        set(window);
        client.map(window);
        session.assert_nothing_else();
    };
    // Each of these stopped the original, or brought its stream out of step.
    hostile(&|window| client.set_icon(window, &[]));
    hostile(&|window| client.set_icon(window, &[1]));
    hostile(&|window| client.set_icon(window, &[0, 0]));
    hostile(&|window| client.set_icon(window, &[0, 5]));
    hostile(&|window| client.set_icon(window, &[4, 4, RED]));
    hostile(&|window| client.set_icon(window, &[1025, 1]));
    hostile(&|window| client.set_icon(window, &[u32::MAX, u32::MAX, RED]));
    hostile(&|window| client.set_icon(window, &[1 << 16, 1 << 16, RED]));
    hostile(&|window| client.set_icon_of_bytes(window, b"123"));
    hostile(&|window| client.set_icon_of_bytes(window, &[1, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4]));
    hostile(&|window| client.set_icon_of_16_bits(window, &[1, 0, 1]));
    hostile(&|window| client.set_icon_of_16_bits(window, &[1, 0, 1, 0, 7, 7]));
    // The good icon of a bad property.
    for elements in [
        &[1, 1, RED, 7][..],
        &[1, 1, RED, 9, 9, 1],
        &[0, 0, 1, 1, RED],
    ] {
        let window = client.window();
        client.set_icon(window, elements);
        client.map(window);
        session.call.assert_next(window, 1, 1, &RED_SENT);
    }
    // A window that becomes good.
    let window = client.window();
    client.set_icon(window, &[2, 2, RED]);
    client.map(window);
    session.assert_nothing_else();
    client.add_to_icon(window, &[RED, RED, RED]);
    session.call.assert_next(window, 2, 2, &RED_SENT.repeat(4));
}

fn hostile_hints_are_not_sent_and_do_not_stop_others() {
    const PIXMAP: u32 = 4;
    const WITH_MASK: u32 = 4 | 32;
    let session = Session::new();
    let client = &session.client;
    let pixmap = client.pixmap(1, 24, &[RED]);
    let large = client.pixmap(1025, 24, &[RED; 1025]);
    let deep = client.pixmap(1, 8, &[1]);
    let unseen = client.window();
    // An image of these would be one of the screen.
    let seen = client.window();
    client.map(seen);
    let root = client.connection().setup().roots[0].root;
    for hints in [
        &[][..],
        &[PIXMAP],
        &[PIXMAP, 0, 0, pixmap],
        &[PIXMAP, 0, 0, pixmap, 0, 0, 0],
        &[0, 0, 0, pixmap, 0, 0, 0, 0, 0],
        &[PIXMAP, 0, 0, 0, 0, 0, 0, 0, 0],
        &[PIXMAP, 0, 0, u32::MAX, 0, 0, 0, 0, 0],
        &[PIXMAP, 0, 0, large, 0, 0, 0, 0, 0],
        &[PIXMAP, 0, 0, deep, 0, 0, 0, 0, 0],
        &[PIXMAP, 0, 0, seen, 0, 0, 0, 0, 0],
        &[PIXMAP, 0, 0, root, 0, 0, 0, 0, 0],
        // An image of a window that is not seen cannot be had.
        &[PIXMAP, 0, 0, unseen, 0, 0, 0, 0, 0],
        &[WITH_MASK, 0, 0, pixmap, 0, 0, 0, u32::MAX, 0],
        &[WITH_MASK, 0, 0, pixmap, 0, 0, 0, pixmap, 0],
        &[WITH_MASK, 0, 0, pixmap, 0, 0, 0, large, 0],
    ] {
        let window = client.window();
        client.set_hints(window, hints);
        client.map(window);
        session.assert_nothing_else();
    }
}

fn the_pixmaps_of_hints_become_icons() {
    const NONE: [u8; 4] = [0; 4];
    const GREY: [u8; 4] = [0x7f, 0x7f, 0x7f, 0xff];
    let session = Session::new();
    let client = &session.client;
    let colours: Vec<u32> = (1..=6).map(|at| at << 16 | 0x0506).collect();
    let coloured = |at: u8, alpha| [at, 5, 6, alpha];
    let image = client.pixmap(3, 24, &colours);
    let bits = client.pixmap(3, 1, &[1, 0, 1, 0, 1, 0]);
    let narrow = client.pixmap(2, 1, &[1, 1]);
    let grey = client.pixmap(3, 8, &[0, 1, 128, 255, 2, 3]);
    let shown = |pixmap, mask: Option<u32>, expected: [[u8; 4]; 6]| {
        let flags = if mask.is_some() { 4 | 32 } else { 4 };
        let window = client.window();
        client.set_hints(
            window,
            &[flags, 0, 0, pixmap, 0, 0, 0, mask.unwrap_or(0), 0],
        );
        client.map(window);
        session.call.assert_next(window, 3, 2, &expected.concat());
    };
    shown(bits, None, [GREY, NONE, GREY, NONE, GREY, NONE]);
    shown(image, None, [1, 2, 3, 4, 5, 6].map(|at| coloured(at, 255)));
    let [one, three, five] = [1, 3, 5].map(|at| coloured(at, 255));
    shown(image, Some(bits), [one, NONE, three, NONE, five, NONE]);
    shown(
        image,
        Some(narrow),
        [one, coloured(2, 255), NONE, NONE, NONE, NONE],
    );
    let by_grey =
        [(2, 1), (3, 128), (4, 255), (5, 2), (6, 3)].map(|(at, alpha)| coloured(at, alpha));
    let [two, three, four, five, six] = by_grey;
    shown(image, Some(grey), [NONE, two, three, four, five, six]);
    // The property that only icons are in comes first, if it has one.
    let window = client.window();
    client.set_hints(window, &[4, 0, 0, bits, 0, 0, 0, 0, 0]);
    client.set_icon(window, &[1, 1, RED]);
    client.map(window);
    session.call.assert_next(window, 1, 1, &RED_SENT);
}

fn windows_that_vanish_do_not_stop_others() {
    let session = Session::new();
    let client = &session.client;
    for _ in 0..300 {
        let window = client.window();
        client.connection().map_window(window).unwrap();
        client.connection().destroy_window(window).unwrap();
    }
    let window = session.window(0xff00_00ff);
    client.map(window);
    session.call.assert_next(window, 1, 1, &[0, 0, 0xff, 0xff]);
    client.destroy(window);
    session.assert_nothing_else();
}

fn a_window_that_is_hidden_is_forgotten() {
    let session = Session::new();
    let client = &session.client;
    let window = session.window(0xff00_00ff);
    client.map(window);
    session.call.assert_next(window, 1, 1, &[0, 0, 0xff, 0xff]);
    client.unmap(window);
    client.set_icon(window, &[1, 1, 0xff00_ff00]);
    session.assert_nothing_else();
    client.map(window);
    session.call.assert_next(window, 1, 1, &[0, 0xff, 0, 0xff]);
}

/// The most memory that a process has used at once, in KiB.
fn most_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.unwrap().parse().unwrap()
}

fn dom0_that_does_not_read_gets_the_last_icon_and_costs_no_memory() {
    const SIDE: u32 = 1024;
    let server = XServer::virtual_screen();
    let client = Client::of(server.display());
    let windows = [client.window(), client.window(), client.window()];
    let icon = |colour: u32| [vec![SIDE, SIDE], vec![colour; (SIDE * SIDE) as usize]].concat();
    for window in windows {
        client.map(window);
        client.set_icon(window, &icon(1));
    }
    let dom0 = Dom0::new();
    let sender = dom0.sender(server.display());
    // The client has been started, and waits for somebody who reads.
    until(dom0.folder(), || !dom0.calls().is_empty());
    for colour in 2..=20 {
        for window in windows {
            client.set_icon(window, &icon(colour));
        }
    }
    let call = dom0.take_call();
    // One of them was on its way, with whichever icon it had then.
    let mut last = [0; 3];
    let mut count = 0;
    while last != [20; 3] {
        let sent = call.icon();
        let at = windows
            .iter()
            .position(|window| *window == sent.window)
            .unwrap();
        assert!(sent.rgba.chunks(4).all(|pixel| pixel == &sent.rgba[..4]));
        last[at] = sent.rgba[2];
        count += 1;
    }
    assert!(count <= 4, "{count} icons for three windows");
    let used = most_memory(sender.pid());
    assert!(used < 40 * 1024, "{used} KiB");
}

fn a_window_with_a_huge_property_costs_no_memory() {
    let session = Session::new();
    let client = &session.client;
    let window = client.window();
    // 60 MB: small icons, and one that is too large.
    let small: Vec<u32> = [1, 1, RED].repeat(1_000_000);
    for _ in 0..5 {
        client.add_to_icon(window, &small);
    }
    client.map(window);
    session.call.assert_next(window, 1, 1, &RED_SENT);
    let used = most_memory(session.sender.pid());
    assert!(used < 20 * 1024, "{used} KiB");
}

fn a_flood_of_events_costs_no_memory() {
    let session = Session::new();
    let client = &session.client;
    let window = client.window();
    // 12 MB, which is looked at in some 180 pieces.
    client.set_icon(window, &[1, 1, RED].repeat(1_000_000));
    let flooding = session.window(1);
    client.map(flooding);
    session.call.assert_next(flooding, 1, 1, &[0, 0, 1, 0]);
    let stop = Arc::new(AtomicBool::new(false));
    let flood = {
        let (stop, display) = (Arc::clone(&stop), session.server.display().to_owned());
        thread::spawn(move || {
            let other = Client::of(&display);
            while !stop.load(Ordering::Relaxed) {
                for _ in 0..10_000 {
                    other.set_icon_unseen(flooding, &[1, 1, 1]);
                }
                other.sync();
            }
        })
    };
    client.map(window);
    session.call.assert_next(window, 1, 1, &RED_SENT);
    for colour in 2..6 {
        client.add_to_icon(window, &[1, 1, colour]);
        let sent = [0, 0, u8::try_from(colour).unwrap(), 0];
        session.call.assert_next(window, 1, 1, &sent);
    }
    stop.store(true, Ordering::Relaxed);
    flood.join().unwrap();
    let used = most_memory(session.sender.pid());
    assert!(used < 40 * 1024, "{used} KiB");
}

fn what_another_client_claims_to_have_happened_is_not_believed() {
    let session = Session::new();
    let client = &session.client;
    let root = client.connection().setup().roots[0].root;
    let [unseen, seen] = [session.window(7), session.window(8)];
    client.map(seen);
    session.call.assert_next(seen, 1, 1, &[0, 0, 8, 0]);
    let send = |event: [u8; 32]| {
        let sent = client.connection();
        sent.send_event(false, root, EventMask::SUBSTRUCTURE_NOTIFY, event)
            .unwrap();
        client.sync();
    };
    send(
        MapNotifyEvent {
            response_type: MAP_NOTIFY_EVENT,
            sequence: 0,
            event: root,
            window: unseen,
            override_redirect: false,
        }
        .into(),
    );
    session.assert_nothing_else();
    send(
        UnmapNotifyEvent {
            response_type: UNMAP_NOTIFY_EVENT,
            sequence: 0,
            event: root,
            window: seen,
            from_configure: false,
        }
        .into(),
    );
    // It is not forgotten.
    client.set_icon(seen, &[1, 1, 9]);
    session.call.assert_next(seen, 1, 1, &[0, 0, 9, 0]);
}

fn a_call_that_ends_is_made_again_with_all_icons() {
    let server = XServer::virtual_screen();
    let client = Client::of(server.display());
    let windows = [client.window(), client.window()];
    for (window, colour) in windows.into_iter().zip([1, 2]) {
        client.set_icon(window, &[1, 1, colour]);
    }
    // It ends after the first icon: the numbers have as many digits as this one.
    let first = format!("{}\n1 1\n1234", windows[0]).len();
    let script = "case $(wc -l <\"$calls\") in 1) exit 126;; 2) head -c LEN >\"$stream\"; exit 3;; \
                  *) exec cat >\"$stream\";; esac";
    let dom0 = Dom0::answering(&script.replace("LEN", &first.to_string()));
    let sender = dom0.sender(server.display());
    assert_eq!(
        sender.line(),
        "icon-sender: the call of qubes.WindowIconUpdater in dom0 ended: status 126; it is tried again \
         after 1, 2, 4, up to 60 seconds"
    );
    let call = dom0.take_call();
    call.assert_next(windows[0], 1, 1, &[0, 0, 1, 0]);
    call.assert_ends();
    drop(call);
    // Meanwhile this one changes, and that one goes.
    client.set_icon(windows[1], &[1, 1, 3]);
    client.destroy(windows[0]);
    let call = dom0.take_call();
    call.assert_next(windows[1], 1, 1, &[0, 0, 3, 0]);
    assert_eq!(dom0.calls().lines().count(), 3);
    // Only the first of several failures is told.
    assert_eq!(sender.stop(), [""; 0]);
}

fn a_call_that_reads_no_more_is_ended_and_made_again() {
    let server = XServer::virtual_screen();
    let client = Client::of(server.display());
    let window = client.window();
    client.set_icon(window, &[1, 1, RED]);
    let dom0 = Dom0::answering(
        "case $(wc -l <\"$calls\") in 1) exec <&-; exit 5;; *) exec cat >\"$stream\";; esac",
    );
    let sender = dom0.sender(server.display());
    assert!(sender.line().contains("ended: status 5;"));
    dom0.take_call().assert_next(window, 1, 1, &RED_SENT);
}

fn a_call_that_reads_no_more_and_stays_is_killed() {
    let server = XServer::virtual_screen();
    let client = Client::of(server.display());
    let window = client.window();
    client.set_icon(window, &[1, 1, RED]);
    let dom0 = Dom0::answering(
        "case $(wc -l <\"$calls\") in 1) exec tail -f /dev/null <&-;; *) exec cat >\"$stream\";; esac",
    );
    let sender = dom0.sender(server.display());
    assert!(
        sender
            .line()
            .contains("ended: it read nothing more, and was killed;")
    );
    dom0.take_call().assert_next(window, 1, 1, &RED_SENT);
}

fn the_program_ends_with_the_x_server() {
    let mut server = XServer::virtual_screen();
    let client = Client::of(server.display());
    let window = client.window();
    client.set_icon(window, &[1, 1, RED]);
    let dom0 = Dom0::new();
    let mut command = dom0.sending(server.display());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let running = Running::start(command);
    let call = dom0.take_call();
    call.assert_next(window, 1, 1, &RED_SENT);
    server.end();
    let done = running.finish();
    done.assert_code(0);
    assert_eq!(done.stderr(), "");
    call.assert_ends();
}

fn the_program_ends_when_it_is_told_to() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let server = XServer::virtual_screen();
        let client = Client::of(server.display());
        let window = client.window();
        client.set_icon(window, &[1, 1, RED]);
        let dom0 = Dom0::new();
        let mut command = dom0.sending(server.display());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let running = Running::start(command);
        let call = dom0.take_call();
        call.assert_next(window, 1, 1, &RED_SENT);
        kill_process(Pid::from_child(&running.child), signal).unwrap();
        let done = running.finish();
        done.assert_code(0);
        assert_eq!(done.stderr(), "");
        call.assert_ends();
    }
}

fn the_program_ends_although_the_x_server_does_not_answer() {
    let (_opened, sender) = opened_program("icon-sender");
    in_private_mounts(|| {
        mount_tmpfs("/tmp".as_ref(), 1 << 20, "");
        fs::create_dir("/tmp/.X11-unix").unwrap();
        let silent = UnixListener::bind("/tmp/.X11-unix/X5").unwrap();
        let mut command = Command::new(&sender);
        command
            .env("DISPLAY", ":5")
            .env("QREXEC_CLIENT_VM", "/bin/true")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let running = Running::start(command);
        let _connected = silent.accept().unwrap();
        kill_process(Pid::from_child(&running.child), Signal::TERM).unwrap();
        let done = running.finish();
        done.assert_code(0);
        assert_eq!(done.stderr(), "");
    });
}

/// Where there is no socket, X clients try the port 6000 and the number of the display.
fn no_key_is_given_to_who_listens_at_a_port() {
    let listening = (2000_u16..4000).find_map(|number| {
        let listener = TcpListener::bind(("127.0.0.1", 6000 + number)).ok()?;
        Some((listener, number))
    });
    let (listener, number) = listening.unwrap();
    listener.set_nonblocking(true).unwrap();
    let dom0 = Dom0::new();
    let done = run(dom0.sending(&format!(":{number}")));
    done.assert_code(1);
    done.assert_says("icon-sender: cannot connect to the X server: No such file or directory");
    let error = listener.accept().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    let done = run(dom0.sending(&format!("localhost:{number}")));
    done.assert_says("DISPLAY names no X server of this qube");
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

fn without_an_x_server_or_qrexec_it_says_so() {
    let dom0 = Dom0::new();
    let done = run(dom0.sending(":no-display"));
    done.assert_code(1);
    done.assert_says("icon-sender: cannot connect to the X server: ");
    let server = XServer::virtual_screen();
    let mut command = dom0.sending(server.display());
    command.env("QREXEC_CLIENT_VM", "/no/client");
    let done = run(command);
    done.assert_code(1);
    done.assert_says("icon-sender: cannot call dom0: QREXEC_CLIENT_VM is set to ");
    assert_eq!(dom0.calls(), "");
}

fn a_qube_without_windows_sends_none() {
    in_private_mounts(|| {
        mount_tmpfs("/run".as_ref(), 1 << 20, "");
        for service in ["minimal-netvm", "minimal-usbvm"] {
            let _first = fs::remove_dir_all("/run/qubes-service");
            fs::create_dir("/run/qubes-service").unwrap();
            fs::write(format!("/run/qubes-service/{service}"), "").unwrap();
            let mut command = Command::new(program("icon-sender"));
            command.env("DISPLAY", ":no-display");
            let done = run(command);
            done.assert_code(0);
            assert_eq!(done.stderr(), "");
        }
    });
}

fn real_programs_have_their_icons_sent() {
    needs_program("xterm").unwrap();
    let desktop = Desktop::new();
    let client = Client::of(desktop.display());
    let first = client.window();
    client.set_icon(first, &[1, 1, RED]);
    let dom0 = Dom0::new();
    let mut command = dom0.sending(desktop.display());
    desktop.prepare(&mut command);
    let _sender = Speaking::start(command);
    let call = dom0.take_call();
    call.assert_next(first, 1, 1, &RED_SENT);

    let mut picture = b"P6 48 32 255\n".to_vec();
    picture.extend([200, 100, 50].repeat(48 * 32));
    let file = dom0.folder().join("icon.ppm");
    fs::write(&file, picture).unwrap();
    let mut zenity = Command::new("zenity");
    zenity
        .args(["--info", "--text=an icon", "--title=icon of zenity"])
        .arg(format!("--window-icon={}", file.display()));
    desktop.prepare(&mut zenity);
    zenity.stdout(Stdio::null()).stderr(Stdio::null());
    let mut zenity = zenity.spawn().unwrap();
    let of_zenity = call.icon();
    zenity.kill().unwrap();
    zenity.wait().unwrap();
    let size = (of_zenity.width, of_zenity.height);
    let pixels = &of_zenity.rgba;
    assert!(
        pixels.chunks(4).any(|pixel| pixel == [200, 100, 50, 255]),
        "{of_zenity:?}"
    );
    assert!(size.0 >= 32 && size.1 >= 32, "{of_zenity:?}");

    let mut xterm = Command::new("xterm");
    xterm.args(["-xrm", "XTerm*iconHint: xterm_48x48", "-e", "cat"]);
    desktop.prepare(&mut xterm);
    xterm.stdin(Stdio::null()).stderr(Stdio::null());
    let mut xterm = xterm.spawn().unwrap();
    let of_xterm = call.icon();
    xterm.kill().unwrap();
    xterm.wait().unwrap();
    assert_eq!((of_xterm.width, of_xterm.height), (48, 48), "{of_xterm:?}");
    // It has a shape: some of its pixels are seen, and some are not.
    let opaque = of_xterm
        .rgba
        .chunks(4)
        .filter(|pixel| pixel[3] == 255)
        .count();
    assert!(opaque > 0 && opaque < 48 * 48, "{opaque}");
}
