//! The limits of dom0: `--profile dom0`, and `--max-fill`.

use std::process::Command;

use qfile_tests::backups::PROFILE;
use qfile_tests::code::{EDQUOT, EILSEQ};
use qfile_tests::inbox::Inbox;
use qfile_tests::peer::{Joint, feed};
use qfile_tests::receiver::Form;
use qfile_tests::stream::Stream;
use qfile_tests::suite;
use qfile_tests::user::{in_private_mounts, mount_tmpfs, needs_private_mounts, needs_set_uid};

suite! {
    links_must_be_canonical,
    four_gibibytes_are_the_limit_and_4096_files,
    an_option_after_the_profile_counts_more,
    a_share_of_the_free_space_is_the_limit [needs_private_mounts],
    variables_count_without_other_rights_than_the_callers,
    variables_do_not_count_for_a_set_uid_program [needs_set_uid],
}

fn links_must_be_canonical() {
    let link = |target| Stream::new().folder("a").link("a/b", target).end();
    for (target, options, refused) in [
        ("c/d", &PROFILE[..], false),
        ("./c", &[], false),
        ("./c", &PROFILE, true),
        ("c//d", &PROFILE, true),
    ] {
        let stream = link(target);
        let answer = Inbox::default().receive(options, &stream);
        match refused {
            true => answer.assert_refused(EILSEQ),
            false => answer.assert_confirmed(stream.checksum()),
        }
    }
}

fn four_gibibytes_are_the_limit_and_4096_files() {
    let options = [&PROFILE[..], &["--no-space-check", "--max-fill=100"]].concat();
    let more = Stream::promise("image", (4 << 30) + 1);
    let answer = Inbox::default().answer_to_the_beginning(&options, &more);
    answer.assert_refused(EDQUOT);
    let files = (0..4096).fold(Stream::new(), |stream, number| {
        stream.file(number.to_string(), "")
    });
    let inbox = Inbox::default();
    let answer = inbox.receive(&PROFILE, &files.clone().end());
    answer.assert_confirmed(files.clone().end().checksum());
    let inbox_of_more = Inbox::default();
    let answer = inbox_of_more.receive(&PROFILE, &files.file("one-more", "").end());
    answer.assert_refused(EDQUOT);
    assert_eq!(answer.last_name(), Some(&b"one-more"[..]));
    assert_eq!(inbox_of_more.landed().len(), inbox.landed().len());
}

fn an_option_after_the_profile_counts_more() {
    let stream = Stream::new().file("a", "").file("b", "").end();
    for (options, fits) in [
        (&["--profile=dom0", "--max-files=1"][..], false),
        (&["--max-files=1", "--profile=dom0"], true),
    ] {
        let answer = Inbox::default().receive(options, &stream);
        match fits {
            true => answer.assert_confirmed(stream.checksum()),
            false => answer.assert_refused(EDQUOT),
        }
    }
}

fn a_share_of_the_free_space_is_the_limit() {
    in_private_mounts(|| {
        let inbox = Inbox::default();
        mount_tmpfs(&inbox.incoming(), 1 << 20, "");
        let promise = |len| Stream::promise("file", len);
        for options in [
            &["--max-fill=50"][..],
            &["--max-fill=50", "--max-bytes=9999999"],
        ] {
            let answer = inbox.answer_to_the_beginning(options, &promise(600_000));
            answer.assert_refused(EDQUOT);
        }
        // The profile's 90 %, of what is free and not of the disk.
        let stream = Stream::new().file("half", vec![1; 500_000]).end();
        let answer = inbox.receive(&PROFILE, &stream);
        answer.assert_confirmed(stream.checksum());
        let stream = Stream::new().file("rest", vec![1; 500_000]).end();
        inbox.receive(&PROFILE, &stream).assert_refused(EDQUOT);
        inbox
            .receive(&[], &stream)
            .assert_confirmed(stream.checksum());
    });
}

/// What a receiver in `form` says to two files of 5 bytes each, with variables that allow less.
fn with_variables(form: Form, bytes: &str, files: &str, options: &[&str], refusal: Option<u32>) {
    let inbox = Inbox::new(form);
    let stream = Stream::new().file("a", "12345").file("b", "67890").end();
    let mut receiver: Command = inbox.command(options);
    receiver
        .env("UPDATES_MAX_BYTES", bytes)
        .env("UPDATES_MAX_FILES", files);
    let answer = feed(receiver, Joint::Pipes, stream.as_bytes());
    match refusal {
        Some(code) => answer.assert_refused(code),
        None => answer.assert_confirmed(stream.checksum()),
    }
}

fn variables_count_without_other_rights_than_the_callers() {
    let forms = Form::all().iter().filter(|form| **form != Form::SetUid);
    for form in forms {
        with_variables(*form, "9", "2", &PROFILE, Some(EDQUOT));
        with_variables(*form, "10", "1", &PROFILE, Some(EDQUOT));
        with_variables(*form, "10", "2", &PROFILE, None);
        with_variables(*form, "9", "1", &[], None);
    }
    let inbox = Inbox::default();
    let mut receiver = inbox.command(&PROFILE);
    receiver.env("UPDATES_MAX_BYTES", "4G");
    let answer = feed(receiver, Joint::Pipes, Stream::new().end().as_bytes());
    assert_eq!(answer.verdict.map(|verdict| verdict.code), None);
    answer.finished.assert_code(1);
    answer.finished.assert_says("UPDATES_MAX_BYTES");
}

fn variables_do_not_count_for_a_set_uid_program() {
    with_variables(Form::SetUid, "9", "1", &PROFILE, None);
    with_variables(Form::SetUid, "not a number", "", &PROFILE, None);
}
