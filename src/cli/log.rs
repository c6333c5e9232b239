//! Debug logs, to standard error, as `RUST_LOG` asks; with a cap that nothing asks away.
//!
//! At its lowest levels the SDK prints request bodies, secrets included. So whatever is not ours speaks
//! at `INFO` at most, and a setting that would print answers in clear stops the program.

use std::io::Write;

use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use super::exit::{Exit, Failure};
use super::view;

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
    let layer = fmt::layer()
        .with_writer(|| Visible(std::io::stderr()))
        .with_ansi(false)
        .with_filter(capped);
    tracing_subscriber::registry().with(asked).with(layer).init();
    Ok(())
}

/// Shows control characters instead of sending them: what programs that give credentials write, for one, is in the log.
struct Visible<W>(W);

impl<W: Write> Write for Visible<W> {
    /// A line at a time, as the log writes it.
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let (text, end) = text.strip_suffix('\n').map_or((&*text, ""), |text| (text, "\n"));
        self.0.write_all(format!("{}{end}", view::plain(text)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_log_moves_the_cursor() {
        let mut written = Vec::new();
        Visible(&mut written).write_all(b"WARN a\x1b[2Jb\nINFO c\xff\n").unwrap();
        let written = String::from_utf8(written).unwrap();
        assert_eq!(written, "WARN a\\u{1b}[2Jb\\u{a}INFO c\u{fffd}\n");
    }
}
