//! What a walk finds, in which order, and what it makes of a tree that changes meanwhile.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod tree;

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tree::{Chain, arguments, make_file, steps};
use walk::{Arguments, Exclude, Links, Reason, Special, What};

fn make_fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
}

#[test]
fn a_folder_comes_before_and_after_its_content() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("a/b")).unwrap();
    fs::write(home.path().join("a/b/c"), "").unwrap();
    fs::write(home.path().join("z"), "").unwrap();
    let arguments = arguments(&[&home.path().join("z"), &home.path().join("a//")]);
    assert_eq!(
        steps(&arguments, Links::Send),
        ["fz", "+a", "+a/b", "fa/b/c", "-a/b", "-a"]
    );
}

#[test]
fn names_begin_at_the_argument_and_paths_as_it_was_typed() {
    let home = tempfile::tempdir().unwrap();
    let typed = home.path().join("x/../x");
    fs::create_dir_all(home.path().join("x/a")).unwrap();
    fs::write(home.path().join("x/a/f"), "").unwrap();
    let arguments = arguments(&[&typed.join("a")]);
    let mut walk = arguments.walk(Links::Send);
    let mut seen = Vec::new();
    while let Some(entry) = walk.next() {
        let entry = entry.unwrap();
        seen.push((entry.name.to_vec(), entry.path.to_vec()));
    }
    let file = typed.join("a/f").into_os_string().into_encoded_bytes();
    assert_eq!(seen[1], (b"a/f".to_vec(), file));
}

#[test]
fn a_tree_of_8000_levels_is_walked_to_its_bottom_and_back() {
    let home = tempfile::tempdir().unwrap();
    let chain = Chain::new(home.path(), 8000, |_| {});
    make_file(&chain.bottom, "1");
    let arguments = arguments(&[&home.path().join("d")]);
    let mut walk = arguments.walk(Links::Send);
    let (mut entered, mut left, mut content) = (0, 0, String::new());
    while let Some(entry) = walk.next() {
        let entry = entry.unwrap();
        match entry.what {
            What::EnterFolder(_) => {
                entered += 1;
                assert_eq!(entry.name.len(), 2 * entered - 1);
            }
            What::LeaveFolder(_) => {
                assert_eq!(entry.name.len(), 2 * (entered - left) - 1);
                left += 1;
            }
            What::File(file) => {
                assert_eq!((entered, entry.name.len()), (8000, 16_001));
                file.open().unwrap().0.read_to_string(&mut content).unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((entered, left, &*content), (8000, 8000, "1"));
}

#[test]
fn a_name_longer_than_the_format_allows_is_an_error_that_names_it() {
    let home = tempfile::tempdir().unwrap();
    // 8191 levels are 16,381 bytes of name.
    let chain = Chain::new(home.path(), 8192, |_| {});
    let arguments = arguments(&[&home.path().join("d")]);
    let mut walk = arguments.walk(Links::Send);
    let (mut entered, mut errors) = (0, Vec::new());
    while let Some(entry) = walk.next() {
        match entry {
            Ok(entry) => entered += usize::from(matches!(entry.what, What::EnterFolder(_))),
            Err(error) => errors.push(error),
        }
    }
    assert_eq!(entered, 8191);
    assert!(matches!(&*errors, [error] if matches!(error.reason, Reason::NameTooLong)));
    drop(chain);
}

#[test]
fn a_folder_that_was_closed_meanwhile_is_read_on_where_it_was_left() {
    let home = tempfile::tempdir().unwrap();
    // At 200 levels most folders are closed on the way down, between some of their entries.
    let _chain = Chain::new(home.path(), 200, |folder| {
        for file in ["1", "2", "3"] {
            make_file(folder, file);
        }
    });
    let arguments = arguments(&[&home.path().join("d")]);
    let mut found = steps(&arguments, Links::Send);
    let mut expected = Vec::new();
    let mut name = "d".to_owned();
    for _ in 0..200 {
        expected.extend([format!("+{name}"), format!("-{name}")]);
        expected.extend((1..=3).map(|file| format!("f{name}/{file}")));
        name.push_str("/d");
    }
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_wide_folder_is_walked_once_and_whole() {
    let home = tempfile::tempdir().unwrap();
    for number in 0..3000 {
        fs::create_dir_all(home.path().join(format!("w/{number}"))).unwrap();
    }
    let mut found = steps(&arguments(&[&home.path().join("w")]), Links::Send);
    found.retain(|step| step.starts_with('+'));
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 3001);
}

#[test]
fn links_are_sent_or_left_out_or_followed() {
    let home = tempfile::tempdir().unwrap();
    let (a, outside) = (home.path().join("a"), home.path().join("outside"));
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("f"), "content").unwrap();
    fs::create_dir(&a).unwrap();
    symlink("../outside", a.join("l")).unwrap();
    let arguments = arguments(&[&a]);
    assert_eq!(steps(&arguments, Links::Send), ["+a", "la/l", "-a"]);
    assert_eq!(steps(&arguments, Links::Ignore), ["+a", "-a"]);
    assert_eq!(
        steps(&arguments, Links::Follow),
        ["+a", "+a/l", "fa/l/f", "-a/l", "-a"]
    );
}

#[test]
fn a_link_hands_out_its_target_and_a_followed_one_its_file() {
    let home = tempfile::tempdir().unwrap();
    let link = home.path().join("l");
    fs::write(home.path().join("f"), "content").unwrap();
    symlink("f", &link).unwrap();
    let arguments = arguments(&[&link]);
    match arguments.walk(Links::Send).next().unwrap().unwrap().what {
        What::Symlink(link) => {
            assert_eq!(link.target().unwrap(), b"f");
            assert_eq!(link.stat().unwrap().state.size, 1);
        }
        other => panic!("{other:?}"),
    }
    match arguments.walk(Links::Follow).next().unwrap().unwrap().what {
        What::File(file) => {
            assert_eq!(file.stat().unwrap().state.size, 7);
            assert_eq!(file.open().unwrap().1.state.size, 7);
        }
        other => panic!("{other:?}"),
    };
}

#[test]
fn followed_links_may_lead_down_and_up_again_in_deep_trees() {
    let home = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let _chain = Chain::new(elsewhere.path(), 100, |_| {});
    let _outer = Chain::new(home.path(), 100, |folder| make_file(folder, "1"));
    let link = home.path().join("d/d/2");
    symlink(elsewhere.path(), &link).unwrap();
    let found = steps(&arguments(&[&home.path().join("d")]), Links::Follow);
    let count = |sign| found.iter().filter(|step| step.starts_with(sign)).count();
    assert_eq!((count('+'), count('-')), (201, 201));
    assert_eq!((count('f'), count('!')), (100, 0));
}

#[test]
fn a_followed_link_that_closes_a_loop_or_leads_nowhere_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let a = home.path().join("a");
    fs::create_dir_all(a.join("b")).unwrap();
    symlink("../..", a.join("b/up")).unwrap();
    symlink("..", a.join("self")).unwrap();
    symlink("missing", a.join("b/dangling")).unwrap();
    let arguments = arguments(&[&a]);
    let mut walk = arguments.walk(Links::Follow);
    let mut errors = Vec::new();
    while let Some(entry) = walk.next() {
        // `up` and `self` lead to the folder above `a`: the way back to `a` is the loop.
        let Err(error) = entry else { continue };
        let path = error.path.strip_prefix(a.as_os_str().as_encoded_bytes());
        errors.push((path.unwrap().to_vec(), error));
    }
    assert!(
        errors
            .iter()
            .any(|(path, error)| path == b"/b/dangling"
                && matches!(error.reason, Reason::Dangling(_)))
    );
    assert!(
        errors
            .iter()
            .any(|(_, error)| matches!(error.reason, Reason::Loop))
    );
    assert!(
        errors
            .iter()
            .all(|(_, error)| matches!(error.reason, Reason::Loop | Reason::Dangling(_)))
    );
}

#[test]
fn special_files_are_told_apart() {
    let home = tempfile::tempdir().unwrap();
    let (fifo, socket) = (home.path().join("fifo"), home.path().join("socket"));
    make_fifo(&fifo);
    let _listener = UnixListener::bind(&socket).unwrap();
    let arguments = arguments(&[&fifo, &socket, Path::new("/dev/null")]);
    let mut walk = arguments.walk(Links::Send);
    for kind in [Special::Fifo, Special::Socket, Special::Device] {
        let found = walk.next().unwrap().unwrap().what;
        assert!(matches!(found, What::Special(special) if special == kind));
    }
    assert!(walk.next().is_none());
}

#[test]
fn what_is_missing_is_named_and_the_rest_is_walked() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("f"), "").unwrap();
    let arguments = arguments(&[
        &home.path().join("missing"),
        &home.path().join("no/folder"),
        &home.path().join("f"),
    ]);
    let mut walk = arguments.walk(Links::Send);
    for _ in 0..2 {
        let error = walk.next().unwrap().unwrap_err();
        assert!(
            matches!(&error.reason, Reason::Open(error) if error.kind() == ErrorKind::NotFound)
        );
        assert!(error.to_string().contains("No such file"), "{error}");
    }
    assert!(walk.next().unwrap().is_ok());
    assert!(walk.next().is_none());
}

/// Walks a folder with `one` and `two` in it, and lets `change` do something to the one that is
/// still to come as soon as the walk has reached the other. Says what came of it.
fn changed_on_the_way(make: impl Fn(&Path), change: impl Fn(&Path)) -> Result<(), Reason> {
    let home = tempfile::tempdir().unwrap();
    let a = home.path().join("a");
    fs::create_dir(&a).unwrap();
    let both = [a.join("one"), a.join("two")];
    both.iter().for_each(|path| make(path));
    let arguments = arguments(&[&a]);
    let mut walk = arguments.walk(Links::Send);
    walk.next().unwrap().unwrap();
    let first = walk.next().unwrap().unwrap().path.to_vec();
    for path in &both {
        if path.as_os_str().as_encoded_bytes() != first {
            change(path);
        }
    }
    while let Some(entry) = walk.next() {
        if let What::File(file) = entry.map_err(|error| error.reason)?.what {
            file.open().map_err(|error| error.reason)?;
        }
    }
    Ok(())
}

#[test]
fn a_folder_swapped_for_a_link_is_an_error() {
    let outcome = changed_on_the_way(
        |path| fs::create_dir(path).unwrap(),
        |path| {
            fs::remove_dir(path).unwrap();
            symlink("/", path).unwrap();
        },
    );
    assert!(matches!(outcome, Err(Reason::Changed)), "{outcome:?}");
}

#[test]
fn a_file_swapped_for_a_link_is_an_error() {
    let outcome = changed_on_the_way(
        |path| fs::write(path, "").unwrap(),
        |path| {
            fs::remove_file(path).unwrap();
            symlink("/etc/passwd", path).unwrap();
        },
    );
    assert!(matches!(outcome, Err(Reason::Changed)), "{outcome:?}");
}

#[test]
fn a_fifo_in_the_place_of_a_file_is_not_waited_for() {
    let outcome = changed_on_the_way(
        |path| fs::write(path, "").unwrap(),
        |path| {
            fs::remove_file(path).unwrap();
            make_fifo(path);
        },
    );
    assert!(matches!(outcome, Err(Reason::Changed)), "{outcome:?}");
}

#[test]
fn what_vanishes_is_said_to_have_vanished() {
    let file = changed_on_the_way(
        |path| fs::write(path, "").unwrap(),
        |path| fs::remove_file(path).unwrap(),
    );
    let folder = changed_on_the_way(
        |path| fs::create_dir(path).unwrap(),
        |path| fs::remove_dir(path).unwrap(),
    );
    assert!(matches!(file, Err(Reason::Vanished)), "{file:?}");
    assert!(matches!(folder, Err(Reason::Vanished)), "{folder:?}");
}

#[test]
fn a_folder_moved_away_ends_the_walk() {
    let home = tempfile::tempdir().unwrap();
    let elsewhere = home.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let _chain = Chain::new(home.path(), 300, |_| {});
    let arguments = arguments(&[&home.path().join("d")]);
    let mut walk = arguments.walk(Links::Send);
    for _ in 0..300 {
        walk.next().unwrap().unwrap();
    }
    let inner = home.path().join("d/d/d");
    let _moved = Chain::new(&elsewhere, 0, |_| {});
    fs::rename(&inner, elsewhere.join("d")).unwrap();
    let error = loop {
        match walk.next() {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("the walk did not notice"),
        }
    };
    assert!(matches!(error.reason, Reason::Moved), "{error}");
    assert!(walk.next().is_none());
}

#[test]
fn what_is_excluded_is_counted_and_not_looked_at() {
    let home = tempfile::tempdir().unwrap();
    let top = home.path().join("src");
    fs::create_dir_all(top.join("target/deep")).unwrap();
    fs::write(top.join("target/deep/x.c"), "").unwrap();
    fs::write(top.join("a.o"), "").unwrap();
    fs::write(top.join("a.c"), "").unwrap();
    fs::write(home.path().join("b.o"), "").unwrap();
    symlink("a.c", top.join("link.o")).unwrap();
    let patterns = ["*.o", "target/"].map(Into::into);
    let arguments = arguments(&[&top, &home.path().join("b.o")]);
    let arguments = arguments.without(Some(Exclude::new(patterns).unwrap()));
    for links in [Links::Send, Links::Ignore, Links::Follow] {
        assert_eq!(steps(&arguments, links), ["+src", "fsrc/a.c", "-src"]);
        let mut walk = arguments.walk(links);
        while walk.next().is_some() {}
        assert_eq!(walk.excluded(), 4, "{links:?}");
    }
}

#[test]
fn an_open_file_without_a_name_is_one_entry_under_the_name_that_it_is_given() {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, b"content").unwrap();
    let arguments = Arguments::of_content("name".into(), file.into()).unwrap();
    for links in [Links::Send, Links::Ignore, Links::Follow] {
        let mut walk = arguments.walk(links);
        let found = walk.next().unwrap().unwrap();
        assert_eq!((found.name, found.path), (&b"name"[..], &b"name"[..]));
        // It stands nowhere, so nothing may be deleted for it.
        assert!(found.through_link);
        let What::File(file) = found.what else {
            panic!("{found:?}");
        };
        let mut content = String::new();
        file.open().unwrap().0.read_to_string(&mut content).unwrap();
        assert_eq!(content, "content");
        assert!(walk.next().is_none());
    }
    for bad in ["", "..", "a/b"] {
        let file = tempfile::tempfile().unwrap();
        assert!(
            Arguments::of_content(bad.into(), file.into()).is_err(),
            "{bad}"
        );
    }
}
