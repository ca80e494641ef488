//! A reconciler on the test's own database, and rows in whatever state a foreign hand may leave
//! them.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use shared::{
    aws::{limiter::Rate, logs::Logs, workflow::Workflow},
    clock::Clock,
    environment::Environment,
    lambda::{Invocation, Metric, Metrics},
    process::{ProcessId, Terms},
    reconcile::Rule,
    store::{Access, Credentials, Database, Store},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, postgres::PgConnectOptions};
use test_kit::as_role;
use uuid::Uuid;

use super::double::{Double, MACHINE};
use crate::{
    config::ReconcilerConfig,
    engine::Engine,
    reconciler::Reconciler,
    report::{Report, Swept},
};

/// Terms by which everything is admitted at once.
pub(super) fn plenty() -> Terms {
    Terms { calls: 30_000, calls_per_user: 30_000, ..Terms::default() }
}

pub(super) struct Fixture {
    pub(super) double: Double,
    pub(super) pool: PgPool,
    options: PgConnectOptions,
    /// The same database as the reconciler's role.
    as_reconciler: Box<PgConnectOptions>,
    /// The lines of metrics that its reconcilers have emitted.
    emitted: Arc<Mutex<Vec<Value>>>,
}

pub(super) fn began() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

pub(super) fn ago(seconds: i64) -> DateTime<Utc> {
    began() - TimeDelta::seconds(seconds)
}

/// As a change of a row: that the first worker claimed it so long ago.
pub(super) fn claimed(seconds: i64) -> String {
    format!("started_at = '{}'", ago(seconds).to_rfc3339())
}

pub(super) fn id(number: u128) -> ProcessId {
    ProcessId(Uuid::from_u128(number))
}

#[derive(Debug)]
struct DoublesClock(Double);

#[expect(
    clippy::disallowed_methods,
    reason = "the holder of a lease must be unique in the test's database too"
)]
impl Clock for DoublesClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }

    fn new_id(&self) -> Uuid {
        Uuid::new_v4()
    }
}

/// A copy of the database as it was.
#[derive(Debug)]
pub(super) struct Snapshot(String);

/// What a test looks at of a row.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(super) struct Seen {
    pub(super) status: String,
    pub(super) progress: i16,
    pub(super) error: Option<Value>,
    pub(super) completed_at: Option<DateTime<Utc>>,
    pub(super) execution_arn: Option<String>,
}

impl Seen {
    pub(super) fn code(&self) -> &str {
        self.error.as_ref().and_then(|error| error["code"].as_str()).unwrap_or_default()
    }
}

impl Fixture {
    pub(super) async fn new(options: PgConnectOptions) -> Self {
        let pool = PgPool::connect_with(options.clone()).await.unwrap();
        let double = Double::new(pool.clone(), began());
        let as_reconciler = Box::new(as_role(&options, Access::Reconciling).await);
        Self { double, pool, options, as_reconciler, emitted: Arc::default() }
    }

    fn metrics(&self) -> Metrics {
        let emitted = Arc::clone(&self.emitted);
        Metrics::new("", move |line| {
            emitted.lock().unwrap().push(serde_json::from_str(line).unwrap());
        })
    }

    /// The sum of `metric` over all lines that were emitted without another dimension than the
    /// stack.
    pub(super) fn emitted(&self, metric: Metric) -> f64 {
        let emitted = self.emitted.lock().unwrap();
        let lines = emitted.iter().filter(|line| line.get("Rule").is_none());
        lines.filter_map(|line| line[metric.as_str()].as_f64()).sum()
    }

    /// A reconciler of its own, as another Lambda environment has one.
    pub(super) fn reconciler(&self) -> Reconciler {
        self.configured(|_| {})
    }

    /// The same, with other settings.
    pub(super) fn configured(&self, change: impl FnOnce(&mut ReconcilerConfig)) -> Reconciler {
        let mut config = ReconcilerConfig::read(Environment::new(&|_| None)).unwrap();
        // The double has no quotas.
        let unlimited = Rate { per_second: 1e6, burst: 1e6 };
        (config.list, config.describe, config.filter) = (unlimited, unlimited, unlimited);
        change(&mut config);
        let aws = self.double.config();
        let logs = Logs::new(&aws, "/aws/lambda/ai-generation-worker".to_owned());
        let engine = Engine::new(Workflow::new(&aws, MACHINE.to_owned()), Some(logs), &config);
        let metrics = self.metrics();
        let credentials = Credentials::Given(self.as_reconciler.clone());
        let store =
            Store::new(Database::new(credentials)).observed_by(move |fact| metrics.committed(fact));
        Reconciler {
            store,
            engine,
            config,
            terms: plenty(),
            clock: Box::new(DoublesClock(self.double.clone())),
            metrics: self.metrics(),
        }
    }

    pub(super) async fn sql(&self, sql: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.unwrap();
    }

    /// A row in `status` of ten minutes ago, as the product leaves it; then `changes` by a foreign
    /// hand.
    pub(super) async fn row(&self, number: u128, status: &str, changes: &str) -> ProcessId {
        let id = id(number);
        let old = ago(600).to_rfc3339();
        self.sql(&format!(
            r#"
            INSERT INTO processing_state (
                id, user_id, type, status, target_id, params,
                progress,
                result,
                error,
                attempt,
                execution_arn,
                created_at, updated_at, admitted_at, share,
                started_at,
                completed_at
            )
            SELECT
                '{id}', 'hanako', 'SUBGOAL_GENERATION', s, '{id}', '{{}}',
                CASE s WHEN 'COMPLETED' THEN 100 ELSE 0 END,
                CASE s WHEN 'COMPLETED' THEN '{{}}'::jsonb END,
                CASE WHEN s IN ('FAILED', 'TIMEOUT')
                    THEN '{{"code":"AI_ERROR","message":"x"}}'::jsonb END,
                CASE s WHEN 'PENDING' THEN 0 ELSE 1 END,
                CASE s WHEN 'PENDING' THEN NULL ELSE 'arn' END,
                '{old}', '{old}', '{old}', 1,
                CASE s WHEN 'PENDING' THEN NULL ELSE '{old}'::timestamptz END,
                CASE WHEN s IN ('PENDING', 'PROCESSING') THEN NULL ELSE '{old}'::timestamptz END
            FROM (SELECT '{status}'::text AS s) status
            "#
        ))
        .await;
        if !changes.is_empty() {
            self.change(number, changes).await;
        }
        id
    }

    pub(super) async fn change(&self, number: u128, changes: &str) {
        self.sql(&format!("UPDATE processing_state SET {changes} WHERE id = '{}'", id(number)))
            .await;
    }

    pub(super) async fn seen(&self, number: u128) -> Seen {
        sqlx::query_as(
            "SELECT status, progress, error, completed_at, execution_arn
             FROM processing_state WHERE id = $1",
        )
        .bind(id(number).0)
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    /// The history: kind, actor, rule.
    pub(super) async fn history(&self, number: u128) -> Vec<(String, String, Option<String>)> {
        sqlx::query_as(
            "SELECT kind, actor, detail ->> 'rule'
             FROM processing_event WHERE process_id = $1 ORDER BY id",
        )
        .bind(id(number).0)
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    /// Everything that a sweep could change.
    pub(super) async fn everything(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for table in [
            "processing_state",
            "processing_event",
            "processing_start",
            "processing_output",
            "processing_batch",
            "reconciler_sweep",
        ] {
            let rows: Vec<Value> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
                "SELECT to_jsonb(row) FROM {table} row ORDER BY to_jsonb(row)::text"
            )))
            .fetch_all(&self.pool)
            .await
            .unwrap();
            all.extend(rows);
        }
        all
    }

    /// Copies the database as it is.
    pub(super) async fn snapshot(&mut self) -> Snapshot {
        let name = format!("snapshot_{}", DoublesClock(self.double.clone()).new_id().simple());
        self.replace(&name, self.options.get_database().unwrap()).await;
        self.pool = PgPool::connect_with(self.options.clone()).await.unwrap();
        Snapshot(name)
    }

    /// Has the database be as `snapshot` holds it, under everything that goes on outside of it.
    pub(super) async fn restore(&mut self, snapshot: Snapshot) {
        self.replace(self.options.get_database().unwrap(), &snapshot.0).await;
        let mut server = server().await;
        server_does(&mut server, format!("DROP DATABASE \"{}\"", snapshot.0)).await;
        self.pool = PgPool::connect_with(self.options.clone()).await.unwrap();
    }

    /// Makes the database `name` anew, like `template`. Nobody may be connected to either.
    async fn replace(&self, name: &str, template: &str) {
        self.pool.close().await;
        let mut server = server().await;
        server_does(&mut server, format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")).await;
        let copy = format!("CREATE DATABASE \"{name}\" TEMPLATE \"{template}\"");
        server_does(&mut server, copy).await;
    }

    pub(super) fn far(&self) -> DateTime<Utc> {
        self.double.now() + TimeDelta::hours(10)
    }

    /// An invocation with `payload`, and with time enough.
    pub(super) fn invocation(&self, payload: Value) -> Invocation {
        Invocation { payload, deadline: self.far() }
    }

    pub(super) async fn sweep(&self) -> Report {
        self.sweep_until(false, self.far()).await
    }

    pub(super) async fn sweep_until(&self, dry_run: bool, stop_at: DateTime<Utc>) -> Report {
        match self.reconciler().sweep(dry_run, stop_at).await.unwrap() {
            Swept::Done(report) => *report,
            Swept::AnotherIsRunning { since, .. } => {
                panic!("another sweep is running since {since}")
            }
        }
    }
}

/// How often the rule held.
pub(super) fn count(report: &Report, rule: Rule) -> u64 {
    report.rules.get(&rule).copied().unwrap_or_default()
}

/// A connection to the server, and to none of the test's databases: where `sqlx::test` makes those.
async fn server() -> PgConnection {
    PgConnection::connect(&std::env::var("DATABASE_URL").unwrap()).await.unwrap()
}

async fn server_does(server: &mut PgConnection, statement: String) {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(server).await.unwrap();
}
