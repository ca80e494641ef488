//! Processes of one goal exclude each other exactly where they could touch the same rows, and a
//! goal that is being generated belongs to who asked first.

use std::collections::BTreeMap;

use shared::{
    chart::{Chart, ChartParams, Level, Params, Part},
    process::{Actor, Status},
    store::{Submission, Submitted},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, GOAL, at, goal, goal_numbered, id, part, user, uuid};

use crate::kit::*;

fn chart(only: Option<Vec<u128>>) -> Params {
    let only = only.map(|only| only.into_iter().map(uuid).collect());
    Params::Chart(ChartParams { goal: goal(), depth: Level::Tasks, only })
}

/// What may be asked for on a goal with two sub-goals that have actions, by name. All replace, so
/// that nothing but each other stands in their way.
fn requests() -> BTreeMap<&'static str, Params> {
    let mut requests = BTreeMap::from([
        ("sub-goals", Params::SubGoals(goal())),
        ("chart", chart(None)),
        ("all actions", Params::Actions(part(Part::GoalId(uuid(GOAL))))),
        ("all tasks", Params::Tasks(part(Part::GoalId(uuid(GOAL))))),
        ("actions of A", Params::Actions(part(Part::SubGoalId(uuid(SUB_GOALS))))),
        ("actions of B", Params::Actions(part(Part::SubGoalId(uuid(SUB_GOALS + 1))))),
        ("tasks of A0", Params::Tasks(part(Part::ActionId(uuid(ACTIONS))))),
        ("tasks of A1", Params::Tasks(part(Part::ActionId(uuid(ACTIONS + 1))))),
        ("tasks of B0", Params::Tasks(part(Part::ActionId(uuid(ACTIONS + 10))))),
        ("rest of A1 and B", chart(Some(vec![ACTIONS + 1, SUB_GOALS + 1]))),
    ]);
    for params in requests.values_mut() {
        match params {
            Params::SubGoals(goal) | Params::Chart(ChartParams { goal, .. }) => goal.replace = true,
            Params::Actions(part) | Params::Tasks(part) => part.replace = true,
        }
    }
    requests
}

/// Pairs that have no row in common; all others have.
const APART: [(&str, &str); 8] = [
    ("actions of A", "actions of B"),
    ("actions of A", "tasks of B0"),
    ("actions of B", "tasks of A0"),
    ("actions of B", "tasks of A1"),
    ("tasks of A0", "tasks of A1"),
    ("tasks of A0", "tasks of B0"),
    ("tasks of A1", "tasks of B0"),
    ("rest of A1 and B", "tasks of A0"),
];

async fn with_actions(options: PgConnectOptions) -> Fixture {
    let fixture = with_sub_goals(options).await;
    add_actions(&fixture, 0).await;
    add_actions(&fixture, 1).await;
    fixture
}

/// A7.
#[sqlx::test(migrations = "../infra/migrations")]
async fn two_processes_of_a_goal_are_accepted_only_if_they_have_no_row_in_common(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_actions(options).await;
    for (name, first) in requests() {
        for (other, second) in requests() {
            accepted(&fixture, &wanting(2, first.clone())).await;
            let submitted = fixture.submit(&wanting(3, second)).await;
            let apart = APART.contains(&(name, other)) || APART.contains(&(other, name));
            if apart {
                assert!(matches!(submitted, Submitted::Accepted { .. }), "{name}, {other}");
            } else {
                let expected = Submitted::AlreadyRunning { process_id: id(2) };
                assert_eq!(submitted, expected, "{name}, {other}");
            }
            fixture.sql("DELETE FROM processing_state WHERE status = 'PENDING'").await;
        }
    }
}

/// A7: of 48 at once, for the same goal and for its parts.
#[sqlx::test(migrations = "../infra/migrations")]
async fn of_many_at_once_exactly_those_are_accepted_that_fit_together(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_actions(options.clone()).await;
    let wide = ["sub-goals", "chart", "all actions", "all tasks"];
    let parts = ["actions of A", "tasks of A0", "actions of B", "tasks of B0"];
    for (names, most) in [(&wide[..], 1), (&parts[..], 2)] {
        let requests = requests();
        // All of them wait here, and then go at once.
        let gate = hold_by(&fixture, "LOCK TABLE processing_state IN SHARE MODE").await;
        let submitting = (0..16).map(|worker| {
            let store = rival(&options);
            let requests: Vec<Params> = names.iter().map(|name| requests[name].clone()).collect();
            tokio::spawn(async move {
                let mut accepted = 0;
                for n in 0..3 {
                    let number = 100 + 10 * worker + n;
                    let params = requests[usize::try_from(worker + n).unwrap() % 4].clone();
                    let (submitted, _) = store.submit(&wanting(number, params)).await.unwrap();
                    match submitted {
                        Submitted::Accepted { .. } => accepted += 1,
                        Submitted::AlreadyRunning { .. } => {}
                        other => panic!("{other:?}"),
                    }
                }
                accepted
            })
        });
        let submitting: Vec<_> = submitting.collect();
        fixture.until_waiting(16).await;
        gate.commit().await.unwrap();
        let mut accepted = 0;
        for worker in submitting {
            accepted += worker.await.unwrap();
        }
        assert_eq!(accepted, most);
        fixture.sql("DELETE FROM processing_state WHERE status = 'PENDING'").await;
    }
}

/// What both submissions get when neither can see the other: both have looked, and both wait for
/// the goal.
async fn at_once(
    fixture: &Fixture,
    options: &PgConnectOptions,
    submissions: [Submission<Chart>; 2],
) -> Vec<Submitted> {
    let lock = format!("SELECT pg_advisory_xact_lock(hashtextextended('{}', 0))", uuid(GOAL));
    let holder = hold_by(fixture, &lock).await;
    let mut submitting = Vec::new();
    for (waiting, submission) in (1..).zip(submissions) {
        let store = rival(options);
        submitting.push(tokio::spawn(async move { store.submit(&submission).await.unwrap().0 }));
        fixture.until_waiting(waiting).await;
    }
    holder.commit().await.unwrap();
    let mut outcomes = Vec::new();
    for submitted in submitting {
        outcomes.push(submitted.await.unwrap());
    }
    outcomes
}

/// A7.
#[sqlx::test(migrations = "../infra/migrations")]
async fn of_two_that_cannot_see_each_other_the_second_is_told_of_the_first(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_actions(options.clone()).await;
    let requests = requests();
    let both = [("tasks of A0", 2), ("actions of A", 3)]
        .map(|(name, number)| wanting(number, requests[name].clone()));
    let outcomes = at_once(&fixture, &options, both).await;
    assert!(matches!(outcomes[0], Submitted::Accepted { .. }), "{outcomes:?}");
    assert_eq!(outcomes[1], Submitted::AlreadyRunning { process_id: id(2) });
}

/// S3.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_goal_that_is_being_generated_belongs_to_who_asked_first(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options.clone()).await;
    let mallory =
        |number, params| Submission { user_id: user("mallory"), ..wanting(number, params) };
    accepted(&fixture, &wanting(2, chart(None))).await;
    for (number, params) in (3..).zip([Params::SubGoals(goal()), chart(None)]) {
        assert_eq!(fixture.submit(&mallory(number, params)).await, Submitted::Forbidden);
    }
    let other = Params::SubGoals(goal_numbered(GOAL + 1));
    accepted(&fixture, &mallory(5, other)).await;
    fixture.store.cancel(id(2), None, None, Actor::User, at(1)).await.unwrap();
    accepted(&fixture, &mallory(6, Params::SubGoals(goal()))).await;
    fixture.store.cancel(id(6), None, None, Actor::User, at(1)).await.unwrap();

    // Also when neither can see the other.
    let both = [wanting(7, chart(None)), mallory(8, Params::SubGoals(goal()))];
    let outcomes = at_once(&fixture, &options, both).await;
    assert!(matches!(outcomes[0], Submitted::Accepted { .. }), "{outcomes:?}");
    assert_eq!(outcomes[1], Submitted::Forbidden);
}

/// A7: whichever hand ends a process.
#[sqlx::test(migrations = "../infra/migrations")]
async fn an_ended_process_stands_in_nobodys_way(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = with_actions(options).await;
    for (number, status) in (2..).zip(["FAILED", "CANCELLED", "COMPLETED"]) {
        accepted(&fixture, &wanting(number, requests()["all actions"].clone())).await;
        let by_hand = format!(
            "UPDATE processing_state SET status = '{status}', completed_at = NOW() WHERE id = '{}'",
            id(number)
        );
        fixture.sql(&by_hand).await;
    }
    accepted(&fixture, &wanting(9, requests()["tasks of A0"].clone())).await;
    assert_eq!(fixture.process(9).await.summary.status, Status::Pending);
}
