//! Logs: one JSON object per line on stderr, with the fields of the reconcile they belong to.
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The Kubernetes client quotes an answer that it cannot parse in a warning, and an answer may be a
/// Secret.
const NEVER: &str = "kube_client::client=error";

/// Starts logging.
///
/// # Errors
/// The filter cannot be parsed.
pub fn start_logging(filter: &str) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(filter)?.add_directive(NEVER.parse()?);
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}
