//! The names that the schema admits are those that the code knows: a name added to one of them
//! alone would be refused, or could not be read.

use std::collections::BTreeSet;

use shared::{
    chart::{ActionType, ChartType},
    process::{Actor, EventKind, Status},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::Fixture;

/// The names between quotes in the definition of a CHECK.
async fn admitted(fixture: &Fixture, constraint: &str) -> BTreeSet<String> {
    let definition: String = sqlx::query_scalar(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1",
    )
    .bind(constraint)
    .fetch_one(&fixture.pool)
    .await
    .unwrap();
    definition.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn the_schema_admits_the_names_of_the_enums_and_no_others(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let kinds: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let actors: Vec<&str> = Actor::ALL.iter().map(|actor| actor.as_str()).collect();
    for (constraint, names) in [
        ("processing_event_kind", kinds.as_slice()),
        ("processing_event_actor", actors.as_slice()),
        ("processing_state_status", Status::NAMES),
        ("processing_state_type", ChartType::NAMES),
        ("actions_type", ActionType::NAMES),
        ("tasks_type", ActionType::NAMES),
    ] {
        let names: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(admitted(&fixture, constraint).await, names, "{constraint}");
    }
}
