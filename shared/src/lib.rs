//! The library behind every function, in rooms. A room uses only rooms below it; a test
//! (`tests/rooms.rs`) reads the imports and says so.
//!
//! | room | holds |
//! |---|---|
//! | [`use_case`] | what several functions do: submit a process, finish one with several targets |
//! | [`http`] | request, response, refusal, route, views, history, rate limit, `ETag` |
//! | [`lambda`] | set-up, `serve` (the one door of every `main`), log lines, metrics |
//! | [`store`] | all SQL, a file per operation; `store/reconcile/`, `store/chart/` |
//! | [`aws`] | client set-up, Step Functions, Bedrock, CloudWatch Logs, their quotas |
//! | [`chart`] | the Mandala chart: levels, items, params, prompts, answers, results; pure |
//! | [`reconcile`] | facts, plan, rules; pure |
//! | [`process`] | what a process is and how it moves and ends, and the seam to its kind; pure |
//! | [`validation`], [`language`], [`clock`], [`environment`] | what every room may use |
//!
//! Only [`chart`] and `store/chart/` name sub-goals, actions and tasks. Everything else knows them
//! as a [`process::Generation`].

pub mod aws;
pub mod chart;
pub mod clock;
pub mod environment;
pub mod http;
pub mod lambda;
pub mod language;
pub mod process;
pub mod reconcile;
pub mod store;
pub mod use_case;
pub mod validation;
