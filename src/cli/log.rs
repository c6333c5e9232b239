//! Debug logs, to standard error, as `RUST_LOG` asks; with a cap that nothing asks away.
//!
//! At its lowest levels the SDK prints request bodies, secrets included. So whatever is not ours speaks
//! at `INFO` at most, and a setting that would print answers in clear stops the program.

use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use super::exit::{Exit, Failure};

/// The setting by which the SDK prints the bodies of answers, secrets included.
const REVEALING: &str = "LOG_SENSITIVE_BODIES";

/// Begins to log.
pub(super) fn start() -> Result<(), Failure> {
    if std::env::var_os(REVEALING).is_some() {
        return Err(Failure::new(
            Exit::Refused,
            format!("{REVEALING} is set: with it the SDK prints secrets in clear"),
            format!("unset {REVEALING}"),
        ));
    }
    let asked =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("portcullis=warn"));
    let capped = filter_fn(|metadata| {
        metadata.target().split("::").next() == Some("portcullis")
            || *metadata.level() <= Level::INFO
    });
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_filter(capped);
    tracing_subscriber::registry().with(asked).with(layer).init();
    Ok(())
}
