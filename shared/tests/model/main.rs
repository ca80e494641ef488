//! Random lists of operations, done to a real Postgres and to a small pure model of the rules at
//! the same time: after each of them both must say the same.
//!
//! | file | holds |
//! |---|---|
//! | `step` | an operation, and how lists of them are made up |
//! | `reference` | the rules, and a process as they have it |
//! | `capacity` | what admission may do, and what it must |
//! | `real`, `acting` | the same operation on the store, and what its row is then |
//!
//! A run makes up the same few lists each time. With `PROPTEST_CASES` it makes up as many as that,
//! new ones each time; whatever fails is made smaller, printed, and its seed is kept in
//! `shared/proptest-regressions/model.txt`, from where every run tries it first.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

mod acting;
mod capacity;
mod real;
mod reference;
mod step;

use proptest::test_runner::{
    Config, FileFailurePersistence, RngSeed, TestCaseError, TestCaseResult, TestRunner,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::Fixture;

use self::{real::Real, reference::Reference, step::Step};

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/model.txt");

/// So many lists in a run that nobody has asked for more.
const CASES: u32 = 24;

fn config() -> Config {
    let mut config = Config {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(KEPT))),
        max_shrink_iters: 300,
        ..Config::default()
    };
    // `Config::default` has read the variable.
    if std::env::var_os("PROPTEST_CASES").is_none() {
        (config.cases, config.rng_seed) = (CASES, RngSeed::Fixed(13));
    }
    config
}

fn differ(
    what: &str,
    expected: &impl std::fmt::Debug,
    found: &impl std::fmt::Debug,
) -> TestCaseError {
    TestCaseError::fail(format!("{what}: the model says {expected:?}, and it is {found:?}"))
}

/// Does the steps to both, and compares after each.
async fn both_agree(fixture: &Fixture, steps: &[Step]) -> TestCaseResult {
    let (mut real, mut reference) = (Real::new(fixture).await, Reference::default());
    for (number, step) in steps.iter().enumerate() {
        let before = reference.clone();
        let answer = real.perform(&reference, step).await;
        let expected = reference.perform(step, &answer);
        let told = format!("step {number}, {step:?}");
        if answer != expected {
            return Err(differ(&told, &expected, &answer));
        }
        let rows = real.rows().await;
        for (process, row) in reference.processes.iter_mut().zip(&rows) {
            if process.row() != row.process {
                return Err(differ(&told, &process.row(), &row.process));
            }
            process
                .observe(row)
                .map_err(|fault| TestCaseError::fail(format!("{told}: {fault}")))?;
        }
        capacity::is_lawful(&before, &reference, step, &answer)
            .map_err(|fault| TestCaseError::fail(format!("{told}: {fault}")))?;
    }
    real.nothing_is_left(&reference).await.map_err(TestCaseError::fail)
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn whatever_is_done_in_whatever_order_the_store_does_what_the_rules_say(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    // proptest is not async: it gets a thread, and a runtime, of its own.
    let proven = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let options = options.options([("synchronous_commit", "off")]);
        let fixture = runtime.block_on(Fixture::new(options));
        let proven = TestRunner::new(config())
            .run(&step::lists(), |steps| runtime.block_on(both_agree(&fixture, &steps)));
        runtime.block_on(fixture.pool.close());
        proven.map_err(|error| error.to_string())
    });
    if let Err(error) = proven.await.unwrap() {
        panic!("{error}");
    }
}
