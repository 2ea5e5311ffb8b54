pub(crate) fn tests() -> qfile_tests::cannot_run::Tests {
    Vec::new()
}
