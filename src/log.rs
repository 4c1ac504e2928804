//! The log on standard error, and the latest of it that went wrong, kept for whoever asks.
//!
//! What is logged holds the ids of events and organisations, and nothing of candidates, no bodies and
//! no credentials: an event's id leads whoever may see more to the rest.

mod recent;

use std::io::IsTerminal;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

pub use recent::{Entry, recent};

use recent::Remember;

/// How lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// An object of JSON each.
    Json,
}

/// Logs to standard error: `info` and above of the bridge, warnings of what it is built on, unless
/// `RUST_LOG` says otherwise; coloured on a terminal only. A line that cannot be written, as on a
/// full disk, is lost: complaining of it on standard error would panic in whatever logged it.
pub fn start(format: Format) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,imper_bridge=info"));
    // Whatever the filter lets through to standard error.
    let own = Targets::new().with_target("imper_bridge", LevelFilter::WARN);
    tracing_subscriber::registry().with(lines(format).with_filter(filter)).with(Remember.with_filter(own)).init();
}

fn lines(format: Format) -> Box<dyn Layer<Registry> + Send + Sync> {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    match format {
        Format::Human => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        Format::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(true).boxed(),
    }
}
