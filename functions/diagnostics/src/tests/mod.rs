//! Diagnostics against a real Postgres, and doubles of Step Functions and Bedrock in the same
//! process.

mod candidates;
mod export;
mod fixture;
mod health;
mod logs;
mod performance;
mod process;
mod runbook;
mod survey;
