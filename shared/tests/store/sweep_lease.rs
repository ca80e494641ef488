//! One sweep at a time, and where the next goes on.

use serde_json::Value;
use shared::store::{Lease, Point, Resume};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at, id, uuid};

#[sqlx::test(migrations = "../infra/migrations")]
async fn of_twenty_that_want_the_lease_one_gets_it(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options.clone()).await;
    let wishes = (1..=20).map(|number| {
        let options = options.clone();
        tokio::spawn(async move {
            Fixture::new(options).await.store.take_lease(uuid(number), at(0), at(60)).await.unwrap()
        })
    });
    let mut taken = 0;
    for wish in wishes.collect::<Vec<_>>() {
        match wish.await.unwrap() {
            Lease::Taken { .. } => taken += 1,
            Lease::Held { since, until } => assert_eq!((since, until), (at(0), at(60))),
        }
    }
    assert_eq!(taken, 1);
    // It is free again when its time is over, and what its old holder then wants is refused.
    let new = uuid(21);
    assert_eq!(
        fixture.store.take_lease(new, at(59), at(120)).await.unwrap(),
        Lease::Held { since: at(0), until: at(60) }
    );
    assert_eq!(
        fixture.store.take_lease(new, at(60), at(120)).await.unwrap(),
        Lease::Taken { resume: Resume::default() }
    );
    for old in 1..=20 {
        assert!(!fixture.store.note_resume(uuid(old), Resume::default()).await.unwrap());
    }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn the_next_sweep_goes_on_where_the_last_came_to_unless_that_was_complete(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let point = Point { created_at: at(7), id: id(3) };
    let came_to = Resume { active: Some(point), running: Some(id(4)) };
    for (complete, resume) in [(false, came_to), (true, Resume::default())] {
        let holder = uuid(1);
        assert!(matches!(
            fixture.store.take_lease(holder, at(0), at(60)).await.unwrap(),
            Lease::Taken { .. }
        ));
        // Each of both is noted by itself.
        for part in [Resume { running: None, ..came_to }, Resume { active: None, ..came_to }] {
            assert!(fixture.store.note_resume(holder, part).await.unwrap());
        }
        fixture.store.give_lease_back(holder, complete, &Value::Null, at(9)).await.unwrap();
        assert_eq!(
            fixture.store.take_lease(holder, at(10), at(60)).await.unwrap(),
            Lease::Taken { resume }
        );
        fixture.store.give_lease_back(holder, complete, &Value::Null, at(11)).await.unwrap();
    }
}
