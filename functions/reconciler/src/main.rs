//! `reconciler`: makes the database and the executions agree.
//!
//! Three occasions lead here, and an operator's command. All of them end in `settle`, which decides
//! by the row and the execution as they are now, and never by what an event says about them.
//!
//! | file | holds |
//! |---|---|
//! | `reconciler` | what reconciling needs, and which occasion leads where |
//! | `trigger` | which occasion it is, read from the payload |
//! | `execution_failed`, `execution_ended` | the state machine's Catch; the event of an execution |
//! | `operator` | an operator's command: a sweep, or one process |
//! | `sweep/` | everything is looked at; its lease, its steps |
//! | `run` | one invocation at work: its report, its time, its cost |
//! | `settle` | one process and its execution: plan, then repair |
//! | `repair`, `mend` | the repairs; what is broken in a row alone |
//! | `explain` | what the log tells of the processes that were ended |
//! | `finding`, `report`, `views` | what was found and done, and how it is told |
//! | `engine`, `config` | Step Functions and the log, within their quotas; the settings |

mod capacity;
mod config;
mod engine;
mod execution_ended;
mod execution_failed;
mod explain;
mod finding;
mod mend;
mod operator;
mod reconciler;
mod repair;
mod report;
mod run;
mod settle;
mod sweep;
mod trigger;
mod views;

#[cfg(test)]
mod tests;

use shared::lambda::{Setup, serve};

use crate::reconciler::Reconciler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let setup = Setup::new(env!("CARGO_CRATE_NAME")).await;
    let reconciler = Reconciler::new(&setup).await;
    serve(reconciler, async |reconciler, invocation| Box::pin(reconciler.handle(invocation)).await)
        .await
}
