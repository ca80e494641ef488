//! Statements that fail while others of the same batch succeed.

use test_kit::models_that_answer;

use super::*;

/// Has the first output that is stored fail, in whatever transaction.
const FIRST_FAILS: &str = "
    CREATE SEQUENCE stored;
    CREATE FUNCTION fail_first() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        -- A sequence counts what is rolled back too.
        IF nextval('stored') = 1 THEN RAISE EXCEPTION 'the first fails'; END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER first_fails BEFORE INSERT ON processing_output
    FOR EACH ROW EXECUTE FUNCTION fail_first();";

/// Found by the model of the protocol (docs/protocol.md, `OpenUntilStaged`): two answers come at
/// once, and staging the first of them fails. The batch had given its last call back with the
/// second, and was then tried again with a call that nobody had counted.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_batch_keeps_a_call_for_what_could_not_be_staged(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let task = json!({
        "title": "作業", "description": "説明", "type": "EXECUTION", "estimatedMinutes": 30,
    });
    let worker = Worker {
        models: models_that_answer("write_tasks", &json!({"tasks": [task]})),
        ..worker(&options).await
    };
    let batches = [(1, vec![ACTIONS, ACTIONS + 1]), (1, vec![ACTIONS + 2])];
    let (fixture, _) = begun(options, batches).await;
    let two_calls = format!(
        "UPDATE processing_batch SET slots = 2, wants = 2 WHERE id = '{}';
         UPDATE processing_state SET share = 3 WHERE id = '{}'",
        BATCHES[0],
        id(2),
    );
    fixture.sql(&two_calls).await;
    fixture.sql(FIRST_FAILS).await;
    let output = handle(&worker, batch(0)).await;
    assert!(matches!(output, Err(StepError::Failed(_))), "{output:?}");
    assert_eq!(fixture.count("processing_output").await, 1);
    let counted: (i16, i16) = sqlx::query_as(
        "SELECT batch.slots, process.share
         FROM processing_batch batch
         JOIN processing_state process ON process.id = batch.process_id
         WHERE batch.id = $1",
    )
    .bind(BATCHES[0])
    .fetch_one(&fixture.pool)
    .await
    .unwrap();
    assert_eq!(counted, (1, 2));

    let output = handle(&worker, batch(0)).await.unwrap();
    assert_eq!(output, StepOutput::ended(id(2), Status::Processing));
    assert_eq!(fixture.count("processing_output").await, 2);
}
