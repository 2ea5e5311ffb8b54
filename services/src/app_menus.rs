//! The service qubes.GetAppmenus: which applications of this qube dom0 shows in its menu.
//!
//! Of all files with one ID the first in the order of the freedesktop.org specifications counts,
//! which is also the one that qubes.StartApp starts. `persistence` says which folders are this
//! qube's own, and `lines` what of a desktop file dom0 takes.

mod lines;
mod persistence;

use std::collections::HashMap;
use std::io::{BufWriter, Write as _, stdout};
use std::path::PathBuf;

use clap::Parser;
use desktop_entries::find::{Applications, Wanted};
use desktop_entries::{Entry, folders, programs};
use nix::unistd::{User, geteuid};
use program::failure::Failure;
use program::say::say;

use lines::{Judged, MenuEntry};
use persistence::Persistence;

use crate::qube;

/// The name of the program.
pub const NAME: &str = "qubes-app-menus";

/// Lines, empty ones too, of which dom0 reads no more.
const MAX_LINES: usize = 100_000;

/// Bytes that are written at once.
const BUFFER: usize = 1 << 16;

/// Most lines of an entry without its translations, and the empty line behind it.
const LINES_OF_AN_ENTRY: usize = 8;

/// Tell dom0 which applications this qube has: the service qubes.GetAppmenus.
///
/// Writes to stdout, for each application that a menu can show, the lines of its desktop file that
/// dom0 takes, each after the name of the file, and an empty line. What dom0 would not take is named
/// on stderr.
#[derive(Debug, Parser)]
#[command(name = NAME, version, after_help = STATUSES)]
pub struct AppMenus {}

const STATUSES: &str = "\
Exit status:
  0   the applications were listed
  1   the list cannot be written
  2   the command line is wrong";

/// Lists the applications.
///
/// # Errors
/// The list cannot be written.
pub fn serve() -> Result<(), Failure> {
    let home = home();
    let folders = folders::for_home(home.as_deref());
    let persistence = Persistence::of_this_qube(home.as_deref());
    let lost = Failure::of("cannot write the list of applications");
    list(&folders, &persistence).map_err(lost)
}

fn list(folders: &[PathBuf], persistence: &Persistence) -> std::io::Result<()> {
    let is_own: Vec<bool> = folders
        .iter()
        .map(|folder| persistence.keeps(folder))
        .collect();
    if !is_own.contains(&true) {
        return Ok(());
    }
    let mut applications = Applications::find(folders, Wanted::All);
    let ids: Vec<Vec<u8>> = applications.ids().map(<[u8]>::to_vec).collect();
    let mut out = BufWriter::with_capacity(BUFFER, stdout().lock());
    let mut room = MAX_LINES;
    let mut demanded = Demanded::default();
    for (done, id) in ids.iter().enumerate() {
        let resolved = applications.resolve(id);
        for problem in applications.take_problems() {
            tell(&problem.path, &problem.to_string());
        }
        let Some(resolved) = resolved.filter(|resolved| is_own[resolved.folder]) else {
            continue;
        };
        match lines::judge(id, &resolved.entry) {
            Judged::Shown(entry) if demanded.are_there(&resolved.entry) => {
                for lost in &entry.lost {
                    tell(&resolved.file, lost);
                }
                let waiting = (ids.len() - done - 1).saturating_mul(LINES_OF_AN_ENTRY);
                let Some(left) = room.checked_sub(LINES_OF_AN_ENTRY) else {
                    tell(
                        &resolved.file,
                        "dom0 reads no more lines, so this line and all after it are left out",
                    );
                    break;
                };
                room = left;
                let translations = entry.translations.len().min(room.saturating_sub(waiting));
                room -= translations;
                write(&mut out, &entry, translations)?;
            }
            Judged::Shown(_) | Judged::NotShown => {}
            Judged::Refused(why) => tell(&resolved.file, &why),
        }
    }
    for problem in applications.take_problems() {
        tell(&problem.path, &problem.to_string());
    }
    out.flush()
}

/// The programs that the keys `TryExec` demand, each looked for once: many applications demand the
/// same one.
#[derive(Default)]
struct Demanded(HashMap<Vec<u8>, bool>);

impl Demanded {
    fn are_there(&mut self, entry: &Entry) -> bool {
        entry.string("TryExec").is_none_or(|program| {
            let found = self.0.entry(program);
            let look = |program: &Vec<u8>| programs::find(program).is_some();
            *found.or_insert_with_key(look)
        })
    }
}

fn write(
    out: &mut impl std::io::Write,
    entry: &MenuEntry,
    translations: usize,
) -> std::io::Result<()> {
    for line in entry
        .lines
        .iter()
        .chain(&entry.translations[..translations])
    {
        out.write_all(line)?;
        out.write_all(b"\n")?;
    }
    out.write_all(b"\n")
}

fn tell(file: &std::path::Path, what: &str) {
    say(format_args!("{NAME}: {}: {what}", text::file(file)));
}

/// The home folder of the user of this qube: root asks for that one's applications, not its own.
fn home() -> Option<PathBuf> {
    let own = || std::env::var_os("HOME").map(PathBuf::from);
    if !geteuid().is_root() {
        return own();
    }
    let name = qube::read("/default-user").unwrap_or_else(|| "user".to_owned());
    let user = User::from_name(&name).ok().flatten();
    user.map(|user| user.dir).or_else(own)
}
