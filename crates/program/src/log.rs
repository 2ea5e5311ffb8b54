//! What a program does, step by step, on stderr, for whoever asks with `RUST_LOG`.

use std::env;
use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::say::say;

/// Sends `tracing` events to stderr: none, unless `RUST_LOG` asks for them (`RUST_LOG=debug`).
///
/// What is said of a wish that cannot be understood begins with the name `program`. Errors are not
/// told here but once, by the program that ends with them.
pub fn to_stderr(program: &str) {
    let wish = env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::OFF.into());
    let filter = filter.parse(wish).unwrap_or_else(|_| {
        say(format_args!(
            "{program}: RUST_LOG cannot be understood, so nothing is logged"
        ));
        EnvFilter::new("off")
    });
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .without_time()
        // It would tell that on stderr, and panic where stderr is what cannot be written to.
        .log_internal_errors(false);
    let _already_set = subscriber.try_init();
}
