//! Turns a tar archive into a qfile stream.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::ExitCode;

use program::command_line;
use program::failure::end;
use qfile_proto::Charset;
use rustix::stdio::stdin;
use services::args::Tar2qfile;
use services::selection::Selection;
use services::send::{Order, Sent, send};
use services::{Error, input};

const NAME: &str = "tar2qfile";

fn main() -> ExitCode {
    match command_line::parse() {
        Ok(args) => {
            let sent = run(args).map(|sent| sent.tell(NAME));
            end(NAME, sent.map_err(Into::into))
        }
        Err(status) => status,
    }
}

fn run(args: Tar2qfile) -> Result<Sent, Error> {
    let is_stdin = args.archive == "-";
    if is_stdin && input::stdin_is_the_receivers() {
        return Err(Error::StdinIsTheReceivers);
    }
    let opened: io::Result<File> = if is_stdin {
        stdin().as_fd().try_clone_to_owned().map(File::from)
    } else {
        input::open(args.archive.as_ref())
    };
    let order = Order {
        archive: opened.map_err(|error| Error::Open(args.archive.as_bytes().to_vec(), error))?,
        selection: Selection::new(args.prefixes.into_iter().map(OsStringExt::into_vec)),
        charset: match args.allow_all_names {
            true => Charset::All,
            false => Charset::Safe,
        },
        is_answered: !is_stdin,
    };
    send(order, |_| Ok(()))
}
