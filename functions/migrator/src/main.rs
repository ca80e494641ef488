//! `migrator`: brings the database's schema to what this version of the functions expects, when the
//! stack is deployed (as a custom resource of `CloudFormation`, which the functions wait for), or
//! when an operator asks. It also makes the digest of the functions' configuration that versions of
//! them are known by.
//!
//! | file | holds |
//! |---|---|
//! | `migrator` | what migrating needs, and doing it |
//! | `order` | what it is asked: pure |
//! | `answer` | what is told to `CloudFormation`: pure |
//! | `deliver` | telling it |

mod answer;
mod deliver;
mod migrator;
mod order;

use shared::lambda::{Setup, serve};

use crate::migrator::Migrator;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let setup = Setup::new(env!("CARGO_CRATE_NAME")).await;
    // A variable that is missing is for the deployment to hear of, which waits for an answer.
    serve(Ok(Migrator::new(&setup)), async |migrator, invocation| {
        Box::pin(migrator.handle(invocation)).await
    })
    .await
}
