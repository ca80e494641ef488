//! Cancel and completion at the same moment: one of them wins, and the rows are there exactly when
//! it is the completion.

use shared::{
    chart::Params,
    process::{Actor, Status},
    store::{Claim, Completion, Submission},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at, goal_numbered, id, submission};

#[sqlx::test(migrations = "../infra/migrations")]
async fn five_hundred_races_have_one_winner_each(_: PgPoolOptions, options: PgConnectOptions) {
    let (canceller, worker) = (Fixture::new(options.clone()).await, Fixture::new(options).await);
    let mut cancelled = 0;
    for number in 1..=500 {
        let own = goal_numbered(0x90a1_0000 + number);
        canceller
            .submit(&Submission {
                params: Params::SubGoals(own.clone()),
                ..submission(number, "hanako")
            })
            .await;
        assert!(matches!(
            worker.store.claim(id(number), None, at(1)).await.unwrap(),
            Claim::Claimed { .. }
        ));

        // Each way of beginning first, in turn: `join!` polls in order.
        let cancel = async {
            canceller
                .store
                .cancel(id(number), None, None, Actor::User, at(2))
                .await
                .unwrap()
                .unwrap()
        };
        let complete = worker.complete(number, 1, &own);
        let (cancelling, completion) = if number % 2 == 0 {
            tokio::join!(cancel, complete)
        } else {
            let (completion, cancelling) = tokio::join!(complete, cancel);
            (cancelling, completion)
        };

        let process = worker.process(number).await;
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM sub_goals WHERE goal_id = $1")
            .bind(own.goal_id)
            .fetch_one(&worker.pool)
            .await
            .unwrap();
        let ends = worker
            .history(number)
            .await
            .into_iter()
            .filter(|(_, _, to)| matches!(to.as_deref(), Some("COMPLETED" | "CANCELLED")))
            .count();
        let expected = if cancelling.cancelled {
            (Completion::Fenced, Status::Cancelled, 0)
        } else {
            (Completion::Completed, Status::Completed, 8)
        };
        assert_eq!((completion, process.summary.status, rows), expected, "race {number}");
        assert_eq!(ends, 1, "race {number}");
        cancelled += u32::from(cancelling.cancelled);
    }
    assert!(
        (1..500).contains(&cancelled),
        "only one side ever won ({cancelled} cancels): nothing raced"
    );
}
