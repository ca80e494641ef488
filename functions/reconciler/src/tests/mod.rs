//! The reconciler against a real Postgres and a double of Step Functions in the same process, which
//! keeps executions, counts calls, and can fail before or after it has done what it was asked.

mod double;
mod drift;
mod endings;
mod evidence;
mod failing;
mod fixture;
mod fresh;
mod interrupted;
mod invocations;
mod leftovers;
mod measured;
mod museum;
mod restored;
mod retention;
mod waiting;
