//! Who repeats a request whose start was lost starts it, and starts it once.

use shared::{chart::Chart, store::Submission, use_case::submit};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Engine, Fixture, at, id, submission};

// Protocol B10.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_repeat_starts_what_was_accepted_and_never_started(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let engine = Engine::default();
    let (workflow, asked) = (engine.workflow(), || engine.started().len());
    engine.be_out_of_reach(true);
    let send = async |number, seconds| {
        let submission = Submission::<Chart> {
            idempotency_key: Some("key 1".into()),
            now: at(seconds),
            ..submission(number, "hanako")
        };
        submit(&fixture.store, &workflow, &submission).await.unwrap().0.unwrap()
    };
    assert_eq!(send(1, 0).await.process_id, id(1));
    engine.be_out_of_reach(false);
    // Its start may still be under way.
    assert_eq!((send(2, 5).await.process_id, asked()), (id(1), 1));
    assert_eq!((send(3, 30).await.process_id, asked()), (id(1), 2));
    assert_eq!(engine.started(), [id(1).to_string(), id(1).to_string()]);
    let process = fixture.process(1).await;
    assert_eq!(process.execution_arn.as_deref(), Some(&*Engine::execution_arn()));
    // It is noted as started, so that nobody starts it again.
    assert_eq!((send(4, 60).await.process_id, asked()), (id(1), 2));
}
