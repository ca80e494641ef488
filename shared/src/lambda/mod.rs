//! What every function's `main` needs: set-up, the one door of its invocations, logs and metrics.
//!
//! | file | holds |
//! |---|---|
//! | `setup` | the clients, built once from the environment |
//! | `let_in` | whom the function that migrates lets in to the database |
//! | `serve` | the loop of invocations, the same for every function |
//! | `telemetry` | the log lines |
//! | `metrics` | the metrics |

mod let_in;
mod metrics;
mod serve;
mod setup;
mod telemetry;

pub use self::{
    let_in::{ToLetIn, Who},
    metrics::{By, DEFAULT_STACK, Metric, Metrics, NAMESPACE},
    serve::{CANNOT_BE_SET_UP, Invocation, serve},
    setup::{CANCEL_LIMIT_PER_MINUTE, RATE_LIMIT_PER_MINUTE, Setup},
};
