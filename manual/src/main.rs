//! Writes the manual pages and the completions: `manual FOLDER`, the top of the repository.

use std::path::PathBuf;

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    let top: PathBuf = std::env::args_os()
        .nth(1)
        .filter(|argument| !argument.as_encoded_bytes().starts_with(b"-"))
        .context("usage: manual FOLDER, the top of the repository")?
        .into();
    for (path, content) in manual::everything()? {
        let path = top.join(path);
        let folder = path.parent().context("every file is in a folder")?;
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, content))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
