//! Accepting, admitting and starting.

use serde_json::json;
use shared::{
    chart::{Chart, GoalParams},
    process::{Actor, Generation, Priority, ProcessType, RequestBatchId, request_batch::Scope},
    store::{NewBatch, NewProcess, Retry, Sender, Submission, Submitted},
};
use test_kit::{Fixture, at, plenty, user, uuid};

use super::{another, seen};
use crate::{
    operation::Operation,
    situation::{OWNER, goal, params, process, request},
    token::Token,
};

pub async fn perform(
    fixture: &Fixture,
    operation: Operation,
    token: Token,
) -> Option<&'static str> {
    let store = &fixture.store;
    let named = |ids: Vec<_>| ids.contains(&process());
    match operation {
        Operation::Submit => Some(submit(fixture, token).await),
        Operation::AcceptBatch => Some(accept_batch(fixture).await),
        Operation::Admit => {
            let share = share(fixture).await;
            let admitted = store.admit(&plenty(), 9, Actor::User, at(9)).await.unwrap();
            Some(if named(admitted) {
                "done"
            } else if self::share(fixture).await > share {
                "more calls"
            } else {
                "nothing"
            })
        }
        Operation::WouldAdmit => {
            let would = named(store.would_admit(&plenty(), 9, at(9)).await.unwrap());
            Some(if would { "named" } else { "nothing" })
        }
        Operation::RecordStarts => {
            let started = [(process(), "arn".to_owned(), at(9))];
            store.record_starts(&started, Actor::User).await.unwrap();
            None
        }
        Operation::NoteStartTry => {
            store.note_start_try(&seen(fixture, token).await, at(9)).await.unwrap();
            None
        }
        Operation::NoteStarted => {
            let seen = seen(fixture, token).await;
            store.note_started(&seen, "arn", Some(at(9)), at(9)).await.unwrap();
            None
        }
        Operation::NoteStopped => {
            store.note_stopped(&seen(fixture, token).await, at(9)).await.unwrap();
            None
        }
        other => panic!("{other:?} begins nothing"),
    }
}

/// The calls that the process may have in flight.
async fn share(fixture: &Fixture) -> Option<i16> {
    sqlx::query_scalar("SELECT share FROM processing_state WHERE id = $1")
        .bind(process().0)
        .fetch_optional(&fixture.pool)
        .await
        .unwrap()
}

async fn submit(fixture: &Fixture, token: Token) -> &'static str {
    let new = Submission { id: another(), now: at(9), ..request() };
    let submission = match token {
        Token::SameKey => new,
        Token::OtherBody => {
            let params = params(GoalParams { title: "別の目標".into(), ..goal() });
            Submission { params, ..new }
        }
        Token::Retry => {
            let retry = Some(Retry { of: process(), count: 1, note: None });
            Submission { retry, idempotency_key: None, ..new }
        }
        _ => Submission { idempotency_key: None, ..new },
    };
    match fixture.submit(&submission).await {
        Submitted::Accepted { .. } => "accepted",
        Submitted::Repeated { process_id, .. } if process_id == process() => "repeated",
        Submitted::KeyReused => "key reused",
        Submitted::AlreadyRunning { process_id } if process_id == process() => "already running",
        Submitted::TargetNotEmpty => "target not empty",
        other => panic!("{other:?}"),
    }
}

/// A batch of one request for the same target, which was judged to be accepted.
async fn accept_batch(fixture: &Fixture) -> &'static str {
    let params = params(goal());
    let goal_id = goal().goal_id;
    let new = NewProcess {
        id: another(),
        index: 0,
        process_type: ProcessType::new("CHART_GENERATION"),
        target_id: goal_id,
        params: Chart::to_stored(&params).unwrap(),
        priority: Priority::Low,
        planned_calls: 1,
        planned_tokens: 0,
        scope: Scope { goal_id: Some(goal_id), holds: vec![goal_id], lies_within: Vec::new() },
        target_existed: false,
    };
    let (user, terms) = (user(OWNER), plenty());
    let sender =
        Sender { user_id: &user, idempotency_key: None, terms: &terms, per_minute: 20, now: at(9) };
    let batch = NewBatch {
        id: RequestBatchId(uuid(0xacce)),
        sender,
        fingerprint: &[0; 32],
        results: &json!([{"processId": another()}]),
        processes: &[new],
        actor: Actor::User,
    };
    match fixture.store.accept_batch(&batch).await.unwrap() {
        Some(_) => "accepted",
        None => "to be judged anew",
    }
}
