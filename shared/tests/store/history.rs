//! The history: order, pages, cursors and filters, and that each filter is read from an index.

use shared::{
    process::{ProcessType, Status},
    store::{Cursor, Filter, HISTORY_SQL, Page, Window},
};
use sqlx::{
    PgConnection, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use test_kit::{Fixture, at, user};

/// `count` ended processes of `user_name` with ids from `start`, one a second; every fifth of
/// another type, every tenth FAILED.
async fn many(fixture: &Fixture, user_name: &str, start: i64, count: i64) {
    sqlx::query(
        "INSERT INTO processing_state (
             id, user_id, type, status, target_id, params, progress, result,
             created_at, updated_at, completed_at
         )
         SELECT lpad(to_hex($2 + n), 32, '0')::uuid, $1,
                CASE WHEN n % 5 = 0 THEN 'TASK_GENERATION' ELSE 'SUBGOAL_GENERATION' END,
                CASE WHEN n % 10 = 0 THEN 'FAILED' ELSE 'COMPLETED' END,
                gen_random_uuid(), '{}', 100, '{\"big\": true}',
                $4 + n * interval '1 s', $4, $4
         FROM generate_series(1, $3) n",
    )
    .bind(user_name)
    .bind(start)
    .bind(count)
    .bind(at(0))
    .execute(&fixture.pool)
    .await
    .unwrap();
}

async fn page_of(fixture: &Fixture, filter: Filter, window: Window) -> Page {
    fixture.store.history(&user("hanako"), &filter, &window, 10_000).await.unwrap()
}

fn numbers(page: &Page) -> Vec<u128> {
    page.processes.iter().map(|process| process.id.0.as_u128()).collect()
}

fn first(size: u32) -> Window {
    Window { page: 1, size, after: None }
}

fn after(cursor: Cursor, size: u32) -> Window {
    Window { page: cursor.page, size, after: Some(cursor) }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn the_newest_come_first_and_only_ones_own(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    many(&fixture, "hanako", 0, 5).await;
    many(&fixture, "taro", 100, 5).await;
    let page = page_of(&fixture, Filter::default(), first(3)).await;
    assert_eq!((numbers(&page), page.total, page.next.unwrap().page), (vec![5, 4, 3], 5, 2));
    let page = page_of(&fixture, Filter::default(), Window { page: 2, ..first(3) }).await;
    assert_eq!((numbers(&page), page.total, page.next), (vec![2, 1], 5, None));
    let beyond = page_of(&fixture, Filter::default(), Window { page: 3, ..first(3) }).await;
    assert_eq!((numbers(&beyond), beyond.total, beyond.next), (vec![], 5, None));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_cursor_goes_on_where_it_was_whatever_comes_meanwhile(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    many(&fixture, "hanako", 0, 7).await;
    // All at one moment, so that the id has to decide.
    sqlx::query("UPDATE processing_state SET created_at = $1")
        .bind(at(0))
        .execute(&fixture.pool)
        .await
        .unwrap();
    let mut seen = Vec::new();
    let mut window = first(3);
    for round in 1.. {
        let page = page_of(&fixture, Filter::default(), window).await;
        seen.extend(numbers(&page));
        many(&fixture, "hanako", 1_000 * round, 3).await;
        match page.next {
            Some(next) => window = after(next, 3),
            None => break,
        }
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn each_filter_lets_only_its_own_through(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    many(&fixture, "hanako", 0, 20).await;
    let all = Filter::default;
    for (filter, expected) in [
        (
            Filter { process_type: Some(ProcessType::new("TASK_GENERATION")), ..all() },
            vec![20, 15, 10, 5],
        ),
        (Filter { status: Some(Status::Failed), ..all() }, vec![20, 10]),
        (Filter { status: Some(Status::Cancelled), ..all() }, vec![]),
        (
            Filter {
                process_type: Some(ProcessType::new("SUBGOAL_GENERATION")),
                status: Some(Status::Failed),
                ..all()
            },
            vec![],
        ),
        (Filter { from: Some(at(18)), ..all() }, vec![20, 19, 18]),
        (Filter { until: Some(at(2)), ..all() }, vec![2, 1]),
        (
            Filter {
                from: Some(at(5)),
                until: Some(at(10)),
                status: Some(Status::Failed),
                ..all()
            },
            vec![10],
        ),
    ] {
        let shown = format!("{filter:?}");
        let page = page_of(&fixture, filter, first(100)).await;
        assert_eq!(
            (numbers(&page), usize::try_from(page.total).unwrap()),
            (expected.clone(), expected.len()),
            "{shown}"
        );
    }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn counting_stops_one_beyond_the_limit(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    many(&fixture, "hanako", 0, 30).await;
    let counted = async |limit| {
        fixture
            .store
            .history(&user("hanako"), &Filter::default(), &first(1), limit)
            .await
            .unwrap()
            .total
    };
    assert_eq!(
        (counted(10).await, counted(29).await, counted(30).await, counted(1_000).await),
        (11, 30, 30, 30)
    );
}

/// How Postgres executes the statement with these values of type, status, from, until, cursor: by
/// one plan for all values, as on a function's connection.
async fn plan(connection: &mut PgConnection, values: [&str; 5]) -> String {
    let [process_type, status, from, until, created_at] = values;
    let values = format!(
        "'hanako', {process_type}, {status}, {from}, {until}, {created_at}, NULL, 20, 0, 10000"
    );
    let run = |sql: String| sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
    let statement =
        HISTORY_SQL[usize::from(process_type != "NULL") + 2 * usize::from(status != "NULL")];
    let prepared = "PREPARE history (
        text, text, text, timestamptz, timestamptz, timestamptz, uuid, bigint, bigint, bigint
    ) AS";
    run(format!(
        "SET plan_cache_mode = force_generic_plan; DEALLOCATE ALL; {prepared} {statement}"
    ))
    .execute(&mut *connection)
    .await
    .unwrap();
    let rows = run(format!("EXPLAIN EXECUTE history ({values})"))
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn each_filter_is_read_from_an_index_of_its_own(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    many(&fixture, "hanako", 0, 20_000).await;
    many(&fixture, "taro", 100_000, 20_000).await;
    fixture.sql("VACUUM ANALYZE processing_state").await;
    let mut connection = fixture.pool.acquire().await.unwrap();
    let none = "NULL";
    let day = "'1970-01-01'";
    for (values, index) in [
        ([none, none, none, none, none], "processing_state_history"),
        (["'TASK_GENERATION'", none, none, none, none], "processing_state_history_type"),
        ([none, "'CANCELLED'", none, none, none], "processing_state_history_status"),
        ([none, none, day, day, none], "processing_state_history"),
        ([none, none, none, none, day], "processing_state_history"),
        (["'TASK_GENERATION'", none, day, day, day], "processing_state_history_type"),
        ([none, "'FAILED'", day, day, day], "processing_state_history_status"),
        (["'TASK_GENERATION'", "'FAILED'", none, none, none], "processing_state_history_"),
    ] {
        let plan = plan(&mut connection, values).await;
        assert!(!plan.contains("Seq Scan"), "{values:?}\n{plan}");
        assert!(
            plan.contains(&format!("using {index}"))
                && (index.ends_with('_') || plan.contains(&format!("{index} on processing_state"))),
            "{values:?}\n{plan}"
        );
        assert!(
            !plan.contains("Sort Key: processing_state"),
            "the page is not read in order: {values:?}\n{plan}"
        );
    }
}
