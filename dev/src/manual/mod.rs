//! The manual pages and the completions of the shells, made from the definitions of the command
//! lines: [`programs`] lists the programs, [`words`] has what no definition says, [`page`] puts
//! both into roff, [`settings`] is the page of a file, [`completions`] into what the shells read.

pub mod completions;
pub mod page;
pub mod programs;
pub mod settings;
pub mod words;

/// A generated file: its path in the folder of all, and its content. Manual pages are where man(1)
/// looks for them below `man`.
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
    files.push(settings::render()?);
    for command in programs::other_names_of_qvm_copy() {
        files.push(page::link(command.get_name(), "qvm-copy"));
        files.extend(completions::render(&command));
    }
    Ok(files)
}
