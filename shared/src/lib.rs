//! The library behind every function: pure domain first, then the ports to the outside, then the
//! edges.
//!
//! | part | modules |
//! |---|---|
//! | domain, pure | [`process`], [`transition`], [`error_code`], [`params`], [`validation`], [`generated`], [`prompt`], [`outcome`], [`estimate`], [`work`], [`retry_policy`], [`reconcile`], [`language`] |
//! | ports | [`store`] (all SQL), [`workflow`] (Step Functions), [`model`] (Bedrock), [`logs`] (CloudWatch Logs), [`limiter`] (their quotas), [`clock`] |
//! | edges | [`http`], [`accept`], [`setup`], [`config`], [`aws`], [`telemetry`], [`metrics`], [`failure`] |

pub mod accept;
pub mod aws;
pub mod clock;
pub mod config;
pub mod error_code;
pub mod estimate;
pub mod failure;
pub mod finish;
pub mod generated;
pub mod http;
pub mod language;
pub mod limiter;
pub mod logs;
pub mod metrics;
pub mod model;
pub mod outcome;
pub mod params;
pub mod process;
pub mod prompt;
pub mod reconcile;
pub mod retry_policy;
pub mod setup;
pub mod store;
pub mod telemetry;
pub mod transition;
pub mod validation;
pub mod work;
pub mod workflow;
