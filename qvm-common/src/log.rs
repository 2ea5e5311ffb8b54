//! What a program does, step by step, on stderr, for whoever asks with `RUST_LOG`.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Sends `tracing` events to stderr: none, unless `RUST_LOG` asks for them (`RUST_LOG=debug`).
///
/// Errors are not told here but once, by the program that ends with them.
pub fn to_stderr() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::OFF.into())
        .from_env_lossy();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .without_time();
    let _already_set = subscriber.try_init();
}
