//! A request of a batch is judged exactly as the same request is judged alone, and what is stored
//! of it is the same.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::{
    chart::Chart,
    http::{Problem, Refusal},
    language::Language,
    process::{ProcessId, Terms, parse_generate, request_batch::Scope},
    store::{SetBy, Submission},
    use_case::submit,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Engine, Fixture, GOAL, at, goal_numbered, plenty, submission, user, uuid};
use uuid::Uuid;

use crate::kit::*;

/// The goal of another user, with one part.
const THEIRS: u128 = 0x7e15;
/// A goal of hanako's without any part.
const BARE: u128 = 0xbae0;
/// A goal that nobody has stored.
const NEW: u128 = 0x4e77;

/// Goals with parts: of hanako's first one two parts have parts of their own, and the first of
/// those has one more below it.
async fn with_charts(options: PgConnectOptions) -> Fixture {
    let fixture = Fixture::new(options).await;
    for (number, owner) in [(GOAL, "hanako"), (THEIRS, "taro"), (BARE, "hanako")] {
        let insert = format!(
            "INSERT INTO goals (id, user_id, title, description, deadline, background)
             VALUES ('{}', '{owner}', 't', 'd', now(), 'b')",
            uuid(number)
        );
        fixture.sql(&insert).await;
    }
    let parts = format!(
        "INSERT INTO sub_goals (id, goal_id, position, title, description, background)
         SELECT lpad(to_hex(n), 32, '0')::uuid,
                CASE WHEN n = 65535 THEN '{}'::uuid ELSE '{}' END, n % 8, 't', 'd', 'b'
         FROM unnest(ARRAY[{A}, {B}, {C}, 65535]) n;
         INSERT INTO actions (id, sub_goal_id, position, title, description, background, type)
         SELECT lpad(to_hex(n), 32, '0')::uuid,
                lpad(to_hex(CASE WHEN n >= {B0} THEN {B} ELSE {A} END), 32, '0')::uuid,
                n % 8, 't', 'd', 'b', 'HABIT'
         FROM unnest(ARRAY[{A0}, {A1}, {B0}]) n;
         INSERT INTO tasks (
             id, action_id, position, title, description, type, estimated_minutes
         )
         SELECT gen_random_uuid(), lpad(to_hex({A0}), 32, '0')::uuid, 0, 't', 'd', 'HABIT', 30",
        uuid(THEIRS),
        uuid(GOAL),
    );
    fixture.sql(&parts).await;
    fixture
}

const A: u128 = 1_000;
const B: u128 = 1_001;
const C: u128 = 1_002;
const A0: u128 = 2_000;
const A1: u128 = 2_001;
const B0: u128 = 2_010;

fn request(kind: &str, field: &str, number: u128) -> Value {
    json!({"type": kind, "params": {field: uuid(number)}})
}

/// What may be asked for.
fn requests() -> Vec<Value> {
    let mut requests = Vec::new();
    for number in [GOAL, THEIRS, BARE, NEW] {
        let mut params = json!(goal_numbered(number));
        requests.push(json!({"type": "SUBGOAL_GENERATION", "params": params}));
        params["depth"] = "tasks".into();
        requests.push(json!({"type": "CHART_GENERATION", "params": params}));
        requests.push(request("ACTION_GENERATION", "goalId", number));
        requests.push(request("TASK_GENERATION", "goalId", number));
    }
    for number in [A, B, C, 65_535, 4_711] {
        requests.push(request("ACTION_GENERATION", "subGoalId", number));
    }
    for number in [A0, A1, B0, 4_711] {
        requests.push(request("TASK_GENERATION", "actionId", number));
    }
    let replacing = requests.clone().into_iter().map(|mut request| {
        request["params"]["replace"] = true.into();
        request
    });
    let mut all: Vec<_> = requests.iter().cloned().chain(replacing).collect();
    let mut late = wanting(NEW);
    late["params"]["deadline"] = json!(at(-1));
    all.extend([late, invalid(), json!({"type": "POEM"}), json!({"params": {}})]);
    all
}

/// What of a process is stored, apart from its id, its batch, its priority and whether it waits.
async fn stored(fixture: &Fixture, id: ProcessId) -> Value {
    sqlx::query_scalar(
        "SELECT to_jsonb(process) - 'id' - 'request_batch_id' - 'request_index'
                    - 'admitted_at' - 'share' - 'priority' - 'execution_arn'
                    - 'execution_started_at'
         FROM processing_state process
         WHERE id = $1",
    )
    .bind(id.0)
    .fetch_one(&fixture.pool)
    .await
    .unwrap()
}

/// Has `request` judged alone, and in a batch; gives what both were told, if it was refused.
async fn judged_alike(fixture: &Fixture, request: &Value, terms: Terms) -> Option<Refusal> {
    let batch = Sending { per_minute: 1_000, ..sending(9, vec![request.clone()]).by(terms) };
    let tried = batch.tried_by(&fixture.store).await.remove(0);
    let alone = match parse_generate::<Chart>(&request.to_string(), at(0)) {
        Err(invalid) => Err(invalid.into()),
        Ok(parsed) => {
            let submission = Submission::<Chart> {
                params: parsed.params,
                late: parsed.late,
                terms,
                ..submission(8, "hanako")
            };
            let workflow = Engine::default().workflow();
            match submit(&fixture.store, &workflow, &submission).await.unwrap().0 {
                Ok(accepted) => Ok(accepted.process_id),
                Err(Problem::Refused(refusal)) => Err(*refusal),
                Err(Problem::Failed(failure)) => panic!("{failure}"),
            }
        }
    };
    assert_eq!(tried, alone.clone().err(), "{request}");
    let results = batch.judged_by(&fixture.store).await;
    fixture.sql("DELETE FROM request_batch").await;
    match alone {
        Ok(id) => {
            // The one alone stands in the way of the one in the batch, until it is gone.
            let running = answer(&batch, &results)["results"][0]["error"]["processId"].clone();
            assert_eq!(running, json!(id), "{request}");
            let row = stored(fixture, id).await;
            delete(fixture, id).await;
            let results = batch.judged_by(&fixture.store).await;
            assert_eq!(told(&results), [Ok(batch.process_id(0))], "{request}");
            assert_eq!(stored(fixture, batch.process_id(0)).await, row, "{request}");
            delete(fixture, batch.process_id(0)).await;
            fixture.sql("DELETE FROM request_batch").await;
            None
        }
        Err(refusal) => {
            let error = &answer(&batch, &results)["results"][0]["error"];
            assert_eq!(*error, refusal.envelope(Language::English)["error"], "{request}");
            Some(refusal)
        }
    }
}

/// As if it had never been.
async fn delete(fixture: &Fixture, id: ProcessId) {
    let delete = format!("DELETE FROM processing_state WHERE id = '{id}'; DELETE FROM token_use");
    fixture.sql(&delete).await;
}

/// Has each request judged in both ways; how often each code was told.
async fn all_judged_alike(fixture: &Fixture, terms: Terms) -> BTreeMap<&'static str, usize> {
    let mut codes = BTreeMap::new();
    for request in requests() {
        let refusal = judged_alike(fixture, &request, terms).await;
        let code = refusal.map_or("accepted", |refusal| refusal.code.as_str());
        *codes.entry(code).or_default() += 1;
    }
    codes
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn whatever_is_asked_for_whatever_runs_already(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = with_charts(options).await;
    let alone = all_judged_alike(&fixture, plenty()).await;
    assert!(alone["accepted"] > 20 && alone["TARGET_NOT_EMPTY"] > 3, "{alone:?}");
    assert!(alone["FORBIDDEN"] == 8 && alone["TARGET_NOT_FOUND"] > 5, "{alone:?}");
    let running = [
        ("hanako", json!({"type": "SUBGOAL_GENERATION", "params": goal_numbered(NEW)}), false),
        ("taro", json!({"type": "SUBGOAL_GENERATION", "params": goal_numbered(NEW)}), false),
        ("hanako", request("ACTION_GENERATION", "goalId", GOAL), true),
        ("hanako", request("ACTION_GENERATION", "subGoalId", A), true),
        ("hanako", request("TASK_GENERATION", "actionId", A0), true),
        ("hanako", request("TASK_GENERATION", "actionId", B0), true),
    ];
    for (whose, mut request, replace) in running {
        request["params"]["replace"] = replace.into();
        let before =
            Sending { user: user(whose), per_minute: 1_000, ..sending(1, vec![request.clone()]) };
        assert!(told(&before.judged_by(&fixture.store).await)[0].is_ok(), "{request}");
        let codes = all_judged_alike(&fixture, plenty()).await;
        let in_the_way = if whose == "taro" { "FORBIDDEN" } else { "ALREADY_RUNNING" };
        assert!(codes[in_the_way] > alone.get(in_the_way).copied().unwrap_or(0), "{codes:?}");
        delete(&fixture, before.process_id(0)).await;
        fixture.sql("DELETE FROM request_batch").await;
    }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn whatever_admission_leaves(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = with_charts(options).await;
    let budget = Terms { tokens_per_user: 20_000, ..plenty() };
    let codes = all_judged_alike(&fixture, budget).await;
    assert!(codes["BUDGET_EXCEEDED"] > 3 && codes["accepted"] > 3, "{codes:?}");

    let set = SetBy { at: at(0), by: "operator".into(), reason: None };
    fixture.store.pause(&set, true).await.unwrap();
    let codes = all_judged_alike(&fixture, plenty()).await;
    assert!(codes["SERVICE_PAUSED"] > 20 && codes["FORBIDDEN"] == 8, "{codes:?}");
    fixture.store.resume().await.unwrap();

    let first = sending(1, wanting_all([0x0ff1])).by(waiting(1));
    let first = Sending { per_minute: 1_000, ..first };
    assert!(told(&first.judged_by(&fixture.store).await)[0].is_ok());
    let codes = all_judged_alike(&fixture, waiting(1)).await;
    assert!(codes["TOO_MANY_WAITING"] > 20 && codes["FORBIDDEN"] == 8, "{codes:?}");
}

/// The judge's rule of what overlaps is that of the schema.
#[sqlx::test(migrations = "../infra/migrations")]
async fn what_overlaps_is_the_same_in_the_judge_and_in_the_schema(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let sets: Vec<Vec<Uuid>> = (0..8_u32)
        .map(|bits| {
            (0..3_u32).filter(|bit| bits & (1 << bit) != 0).map(|bit| uuid(bit.into())).collect()
        })
        .collect();
    let scopes: Vec<Scope> = sets
        .iter()
        .flat_map(|holds| {
            sets.iter().map(|lies_within| Scope {
                goal_id: Some(uuid(9)),
                holds: holds.clone(),
                lies_within: lies_within.clone(),
            })
        })
        .collect();
    for one in &scopes {
        let (holds, within): (Vec<_>, Vec<_>) =
            scopes.iter().map(|other| (json!(other.holds), json!(other.lies_within))).unzip();
        let in_schema: Vec<bool> = sqlx::query_scalar(
            "SELECT holds_overlap(
                 $1, $2,
                 ARRAY(SELECT jsonb_array_elements_text(other.holds))::uuid[],
                 ARRAY(SELECT jsonb_array_elements_text(other.within))::uuid[]
             )
             FROM UNNEST($3::jsonb[], $4::jsonb[]) WITH ORDINALITY AS other (holds, within, n)
             ORDER BY n",
        )
        .bind(&one.holds)
        .bind(&one.lies_within)
        .bind(holds)
        .bind(within)
        .fetch_all(&fixture.pool)
        .await
        .unwrap();
        let judged: Vec<bool> = scopes.iter().map(|other| one.overlaps(other)).collect();
        assert_eq!(judged, in_schema, "{one:?}");
    }
}
