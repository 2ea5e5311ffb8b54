//! What developers run: [`manual`] generates the manual pages and the completions,
//! [`unicode_table`] the table of safe code points, [`defences`] proves that each defence of the
//! receiver has a test.

pub mod defences;
pub mod manual;
pub mod unicode_table;
