//! The built agent against receivers that a test plays.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cancel;
mod manifest;
mod progress;
mod receiver;
mod stream;
mod verdict;
