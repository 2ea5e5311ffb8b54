//! The manual pages and the completions of the shells, made from the definitions of the command
//! lines: [`programs`] lists the programs, [`words`] has what no definition says, [`page`] puts
//! both into roff, [`completions`] into what the shells read.

pub mod completions;
pub mod page;
pub mod programs;
pub mod words;

/// A generated file: its path in the repository, and its content.
pub type Generated = (String, Vec<u8>);

/// Every generated file.
///
/// # Errors
/// Those of writing to memory: none is expected.
pub fn everything() -> std::io::Result<Vec<Generated>> {
    let mut files = Vec::new();
    for program in programs::all() {
        files.push(page::render(&program)?);
        if program.section == 1 {
            files.extend(completions::render(&program.command));
        }
    }
    Ok(files)
}
