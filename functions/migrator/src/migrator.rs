//! Migrating, for whoever asks.

use std::time::Duration;

use lambda_runtime::Diagnostic;
use postgres_protocol::password::scram_sha_256;
use serde_json::{Value, json};
use shared::{
    chart::Chart,
    clock::{Clock, SystemClock},
    lambda::{Invocation, Setup, ToLetIn, Who},
    process::{Failure, Retention},
    store::{Login, Proof, SchemaOwner},
};

use crate::{
    answer::{self, Done},
    deliver::deliver,
    order::Order,
};

/// What answering takes at the most, after the migrations.
const MARGIN: Duration = Duration::from_secs(45);

/// What migrating needs.
pub(crate) struct Migrator {
    /// Why there is none: a variable that is missing or wrong.
    database: Result<Owned, Failure>,
    clock: SystemClock,
}

/// The database, and who else is to be let in.
struct Owned {
    owner: SchemaOwner,
    others: Vec<ToLetIn>,
    /// For how long processes are kept: what is adopted is not to be deleted right after.
    retention: Retention,
}

/// How it is to be done.
#[derive(Debug, Clone, Copy)]
struct How {
    /// Only look.
    dry_run: bool,
    /// Adopt the tables of an app.
    adopt: bool,
}

impl Migrator {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self { database: Self::owned(setup), clock: SystemClock }
    }

    fn owned(setup: &Setup) -> Result<Owned, Failure> {
        let retention = Retention::read(setup.environment())?;
        let (owner, others) = setup.schema_owner()?;
        Ok(Owned { owner: SchemaOwner::new(owner), others, retention })
    }

    /// One of a database that a test has.
    #[cfg(test)]
    fn of(database: Result<SchemaOwner, Failure>) -> Self {
        let database = database.map(|owner| Owned {
            owner,
            others: Vec::new(),
            retention: Retention::default(),
        });
        Self { database, clock: SystemClock }
    }

    pub(crate) async fn handle(&self, invocation: Invocation) -> Result<Value, Diagnostic> {
        let time = invocation.time_left(self.clock.now()).saturating_sub(MARGIN);
        match Order::read(&invocation.payload) {
            Err(failure) => Ok(answer::to_operator(&Err(failure))),
            Ok(Order::Operator { dry_run, adopt }) => {
                Ok(answer::to_operator(&self.migrate(How { dry_run, adopt }, time).await))
            }
            // Nothing of the database is asked, and nothing of it can fail this.
            Ok(Order::Configuration { order, digest }) => {
                let answer = answer::to_configuration(&order, &digest);
                deliver(&order.response_url, &answer).await?;
                Ok(json!({}))
            }
            Ok(Order::Deployment(order)) => {
                let outcome = if order.goes_back() {
                    // Its password may have changed back; but nothing may fail a rollback.
                    if let Err(failure) = self.let_in().await {
                        let cause = failure.cause.as_str();
                        tracing::error!(errorCode = %failure.code, cause, "no role was given");
                    }
                    Ok(None)
                } else if order.is_to_migrate() {
                    let how = How { dry_run: false, adopt: order.adopts() };
                    self.migrate(how, time).await.map(Some)
                } else {
                    Ok(None)
                };
                deliver(&order.response_url, &answer::to_deployment(&order, &outcome)).await?;
                Ok(json!({}))
            }
        }
    }

    async fn migrate(&self, how: How, time: Duration) -> Result<Done, Failure> {
        let done = self.attempt(how, time).await.inspect_err(|failure| {
            let cause = failure.cause.as_str();
            tracing::error!(errorCode = %failure.code, cause, "the migrations were not applied");
        })?;
        if !done.ahead().is_empty() {
            tracing::warn!(ahead = ?done.ahead(), "the database is ahead of this version");
        }
        Ok(done)
    }

    async fn attempt(&self, how: How, time: Duration) -> Result<Done, Failure> {
        let Owned { owner, retention, .. } = self.database.as_ref().map_err(Clone::clone)?;
        match how {
            How { dry_run: true, adopt: false } => {
                return Ok(Done::new(owner.plan().await?, true, None));
            }
            How { dry_run: true, adopt: true } => {
                let adopted = owner.plan_adoption(*retention, time).await?;
                return Ok(Done::adopted(adopted, true, None));
            }
            How { dry_run: false, adopt: true } => {
                let adopted = owner.adopt(*retention, time).await?;
                let ended = adopted.plan.as_ref().map(|plan| plan.ended);
                tracing::info!(applied = ?adopted.migrated.applied, ended, "adopted");
                return Ok(Done::adopted(adopted, false, self.let_in().await?));
            }
            How { dry_run: false, adopt: false } => {}
        }
        let migrated = owner.migrate(time).await?;
        tracing::info!(applied = ?migrated.applied, newest = migrated.newest, "migrated");
        let sees_sessions = self.let_in().await?;
        Ok(Done::new(migrated, false, sees_sessions))
    }

    /// Gives each function its role, where it is another than the owner. Whether health sees the
    /// sessions of others then; `None`: there is no other role.
    async fn let_in(&self) -> Result<Option<bool>, Failure> {
        let Owned { owner, others, .. } = self.database.as_ref().map_err(Clone::clone)?;
        let mut sees_sessions = None;
        for ToLetIn { access, who } in others {
            let access = *access;
            let login = match who {
                Who::ByToken { user } => Login { role: user.clone(), proof: Proof::Token, access },
                Who::OfSecret { credentials, is_made } => {
                    let (role, password) = credentials.login().await?;
                    let proof = if *is_made {
                        Proof::Password(scram_sha_256(password.as_bytes()))
                    } else {
                        Proof::Given
                    };
                    Login { role, proof, access }
                }
            };
            let sees = owner.let_in::<Chart>(&login).await?;
            sees_sessions = Some(sees || sees_sessions == Some(true));
        }
        Ok(sees_sessions)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::{Router, routing::put};
    use shared::{process::ErrorCode, store::Credentials};
    use sqlx::{PgPool, postgres::PgConnectOptions, postgres::PgPoolOptions};
    use tokio::net::TcpListener;

    use super::*;

    /// Where `CloudFormation` waits for answers.
    struct Waiting {
        url: String,
        heard: Arc<Mutex<Vec<Value>>>,
    }

    impl Waiting {
        async fn new() -> Self {
            let heard: Arc<Mutex<Vec<Value>>> = Arc::default();
            let sink = Arc::clone(&heard);
            let hear = async move |body: String| {
                sink.lock().unwrap().push(serde_json::from_str(&body).unwrap());
            };
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/answer?signed=yes", listener.local_addr().unwrap());
            let router = Router::new().route("/answer", put(hear));
            tokio::spawn(async move { axum::serve(listener, router).await });
            Self { url, heard }
        }

        /// What `migrator` answers to a request of this kind.
        async fn answer(&self, migrator: &Migrator, kind: &str) -> Value {
            self.ask(migrator, kind, "no").await
        }

        /// The same where the template says to adopt.
        async fn adopt(&self, migrator: &Migrator) -> Value {
            self.ask(migrator, "Update", "yes").await
        }

        async fn ask(&self, migrator: &Migrator, kind: &str, adopt: &str) -> Value {
            let payload = json!({
                "RequestType": kind, "ResponseURL": self.url, "StackId": "s", "RequestId": "r",
                "LogicalResourceId": "Migrations", "ResourceType": "Custom::Migrations",
                "ResourceProperties": {"ServiceToken": "t", "Newest": "1", "Adopt": adopt},
            });
            migrator.handle(invocation(payload)).await.unwrap();
            self.heard.lock().unwrap().pop().unwrap()
        }
    }

    fn invocation(payload: Value) -> Invocation {
        let deadline = SystemClock.now() + Duration::from_mins(10);
        Invocation { payload, deadline }
    }

    fn migrator(options: PgConnectOptions) -> Migrator {
        Migrator::of(Ok(SchemaOwner::new(Credentials::Given(Box::new(options)))))
    }

    async fn count(pool: &PgPool) -> i64 {
        let select = "SELECT count(*) FROM _sqlx_migrations";
        sqlx::query_scalar(select).fetch_one(pool).await.unwrap()
    }

    #[sqlx::test(migrations = false)]
    async fn a_deployment_migrates_an_empty_database_and_once_only(
        pool: PgPoolOptions,
        options: PgConnectOptions,
    ) {
        let (waiting, migrator) = (Waiting::new().await, migrator(options.clone()));
        let looked = migrator.handle(invocation(json!({"dryRun": true}))).await.unwrap();
        let all = looked["data"]["applied"].as_array().unwrap().len();
        assert_eq!(looked["data"]["dryRun"], true);
        let answer = waiting.answer(&migrator, "Create").await;
        assert_eq!(answer["Status"], "SUCCESS", "{answer}");
        assert!(answer["Reason"].as_str().unwrap().starts_with(&format!("{all} applied")));
        let pool = pool.connect_with(options).await.unwrap();
        assert_eq!(count(&pool).await, i64::try_from(all).unwrap());
        let answer = waiting.answer(&migrator, "Update").await;
        assert!(answer["Reason"].as_str().unwrap().starts_with("nothing to apply"), "{answer}");
        let answer = waiting.answer(&migrator, "Delete").await;
        assert_eq!(answer["Status"], "SUCCESS");
        assert_eq!(count(&pool).await, i64::try_from(all).unwrap(), "nothing is taken away");
    }

    #[sqlx::test(migrations = false)]
    async fn a_database_of_an_app_fails_the_deployment_until_the_template_says_to_adopt_it(
        pool: PgPoolOptions,
        options: PgConnectOptions,
    ) {
        let (waiting, migrator) = (Waiting::new().await, migrator(options.clone()));
        let pool = pool.connect_with(options).await.unwrap();
        sqlx::raw_sql(
            "CREATE TABLE goals (
                 id uuid PRIMARY KEY, user_id text NOT NULL, title text NOT NULL,
                 description text NOT NULL, deadline timestamptz NOT NULL, background text NOT NULL,
                 constraints text);
             INSERT INTO goals VALUES (gen_random_uuid(), 'hanako', 't', 'd', now(), 'b', NULL)",
        )
        .execute(&pool)
        .await
        .unwrap();
        let answer = waiting.answer(&migrator, "Create").await;
        assert_eq!(answer["Status"], "FAILED");
        assert!(answer["Reason"].as_str().unwrap().contains("AdoptDatabase=yes"), "{answer}");
        let order = json!({"adopt": true, "dryRun": true});
        let looked = migrator.handle(invocation(order)).await.unwrap();
        assert_eq!(looked["data"]["adoption"]["obstacles"], json!([]), "{looked}");
        assert_eq!(looked["data"]["adoption"]["kept"], json!([{"table": "goals", "rows": 1}]));
        let answer = waiting.adopt(&migrator).await;
        assert_eq!(answer["Status"], "SUCCESS", "{answer}");
        assert!(answer["Reason"].as_str().unwrap().starts_with("1 tables adopted"), "{answer}");
        let again = waiting.adopt(&migrator).await;
        assert!(again["Reason"].as_str().unwrap().starts_with("nothing to apply"), "{again}");
    }

    #[sqlx::test(migrations = "../../infra/migrations")]
    async fn a_migration_that_was_changed_fails_the_deployment_with_its_number(pool: PgPool) {
        let options = pool.connect_options().as_ref().clone();
        let newest: i64 = sqlx::query_scalar(
            "UPDATE _sqlx_migrations SET checksum = '\\x00'
             WHERE version = (SELECT max(version) FROM _sqlx_migrations)
             RETURNING version",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        let (waiting, migrator) = (Waiting::new().await, migrator(options));
        let answer = waiting.answer(&migrator, "Update").await;
        assert_eq!(answer["Status"], "FAILED");
        let reason = answer["Reason"].as_str().unwrap();
        assert!(reason.contains(&newest.to_string()) && reason.contains("changed"), "{reason}");
    }

    #[tokio::test]
    async fn a_variable_that_is_missing_fails_the_deployment_at_once() {
        let cause = "the environment variable DATABASE_SECRET_ARN is not set";
        let migrator = Migrator::of(Err(Failure::new(ErrorCode::InternalError, cause)));
        let answer = Waiting::new().await.answer(&migrator, "Create").await;
        assert_eq!(answer["Status"], "FAILED");
        assert!(answer["Reason"].as_str().unwrap().contains(cause), "{answer}");
        let answer = migrator.handle(invocation(json!({}))).await.unwrap();
        assert_eq!(
            (&answer["success"], &answer["error"]["message"]),
            (&json!(false), &json!(cause))
        );
    }

    #[tokio::test]
    async fn a_wrong_order_is_answered_with_what_can_be_asked() {
        let migrator = Migrator::of(Err(Failure::internal("not asked")));
        let answer = migrator.handle(invocation(json!({"dryrun": true}))).await.unwrap();
        assert_eq!(answer["error"]["code"], "VALIDATION_ERROR");
        assert!(answer["error"]["message"].as_str().unwrap().contains("dryRun"), "{answer}");
    }

    #[tokio::test]
    async fn an_answer_that_nobody_takes_is_an_error_that_says_where_to_look() {
        let url = "http://127.0.0.1:9/nobody";
        let failure = deliver(url, &json!({})).await.unwrap_err();
        assert!(failure.cause.contains("S3"), "{}", failure.cause);
    }
}
