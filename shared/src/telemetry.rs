//! Logs, as JSON lines with the fields of section 10 of the design, on standard output, which is
//! where Lambda collects them.

use tracing_subscriber::EnvFilter;

/// Starts logging at the level of `LOG_LEVEL` (default `info`); the libraries' own lines only from
/// `warn`.
pub fn init() {
    let level = std::env::var("LOG_LEVEL").unwrap_or_default();
    let level = if level.is_empty() { "info" } else { level.as_str() };
    let filter = EnvFilter::try_new(format!(
        "warn,shared={level},api={level},worker={level},retry_handler={level},cancel={level},reconciler={level},diagnostics={level}"
    ))
    .unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_env_filter(filter)
        .init();
}
