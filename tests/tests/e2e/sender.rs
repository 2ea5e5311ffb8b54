//! What a receiver can do to a sender, and what the sender shows of it.

mod attacks;
mod result_line;
mod terminal;
mod verdict;

qfile_tests::topics! {
    attacks,
    result_line,
    terminal,
    verdict,
}
