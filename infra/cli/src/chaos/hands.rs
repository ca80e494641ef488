//! The faults' hands. Whatever they begin they end, also when they are dropped in the middle; what
//! cannot be ended then, [`Doer::heal`] does.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::plan::{FUNCTIONS, Fault, FaultKind};
use super::run::Run;
use crate::stack::{Hands, LocalFunctions, Reporter, StackEnv, Stopped};

/// How long the model takes for an answer when it is well: so that things happen meanwhile.
const USUAL_DELAY_MS: u64 = 120;
/// How long an invocation by hand is waited for.
const PATIENCE: Duration = Duration::from_mins(1);
/// What operators write when they end a process by hand.
const BY_HAND: &str = r#"{"code":"MANUAL_INTERVENTION","message":"chaos"}"#;

/// Who does it.
pub(super) struct Doer<'a> {
    pub(super) run: &'a Run,
    pub(super) env: &'a StackEnv,
    pub(super) hands: &'a Hands,
    pub(super) functions: &'a LocalFunctions,
    pub(super) owner: &'a PgPool,
    pub(super) superuser: &'a PgPool,
    pub(super) reporter: &'a Reporter,
    /// The ids of the users of the run: nobody else's processes are touched.
    pub(super) subs: &'a [String],
    pub(super) http: &'a Client,
    pub(super) places: Places,
}

/// What one fault at a time is done to.
#[derive(Debug, Default)]
pub(super) struct Places {
    database: Mutex<()>,
    gateway: Mutex<()>,
    model: Mutex<()>,
}

/// What a fault has met: how much of it, and which processes.
type Met = Result<(u64, Vec<Uuid>)>;

impl Doer<'_> {
    /// Does it, waits as long as it lasts, and heals it.
    pub(super) async fn fault(&self, fault: &Fault) {
        let place = match fault.kind {
            FaultKind::DatabaseCrash | FaultKind::DatabaseFailover | FaultKind::DatabaseHole => {
                Some(&self.places.database)
            }
            FaultKind::GatewayAway | FaultKind::Deployment => Some(&self.places.gateway),
            FaultKind::ModelQuota | FaultKind::ModelSlow | FaultKind::ModelSlips => {
                Some(&self.places.model)
            }
            _ => None,
        };
        let _alone = match place {
            Some(place) => Some(place.lock().await),
            None => None,
        };
        let from_ms = self.run.now_ms();
        let met = self.done(fault).await;
        self.run.met(fault, from_ms, met);
    }

    async fn done(&self, fault: &Fault) -> Met {
        let lasts = fault.lasts;
        let function = FUNCTIONS[place(fault.pick, FUNCTIONS.len())];
        match fault.kind {
            FaultKind::FunctionKilled => {
                let found = self.hands.functions(function);
                Ok((count(found.iter().filter(|it| it.signal(Signal::SIGKILL)).count()), vec![]))
            }
            FaultKind::FunctionStopped => stand(self.hands.functions(function), lasts).await,
            FaultKind::DatabaseCrash => {
                self.hands.crash_database().await?;
                self.hands.start_database(self.reporter).await?;
                Ok((1, vec![]))
            }
            FaultKind::DatabaseFailover => self.fail_over().await,
            FaultKind::DatabaseHole => stand(self.hands.database(), lasts).await,
            FaultKind::GatewayAway => {
                stand(self.hands.gateway().into_iter().collect(), lasts).await
            }
            FaultKind::ModelQuota => {
                let quota = 120 + fault.pick % 240;
                let world = json!({"requestsPerMinute": quota, "burst": 4, "delayMs": 300});
                self.world(&world, lasts).await
            }
            FaultKind::ModelSlow => self.world(&json!({"delayMs": 2_500}), lasts).await,
            FaultKind::ModelSlips => {
                let world = json!({"shortText": 0.25, "longText": 0.05, "delayMs": USUAL_DELAY_MS});
                self.world(&world, lasts).await
            }
            FaultKind::ModelErrors => {
                let faults = json!({
                    "throttle": 2, "unavailable": 2, "error": 2, "garbage": 3, "truncated": 2,
                });
                self.post("_faults", &faults).await?;
                Ok((11, vec![]))
            }
            FaultKind::DuplicateWork => self.duplicate(fault.pick).await,
            FaultKind::LateWork => self.late(fault.pick).await,
            FaultKind::HandFailed => {
                self.by_hand("status = 'FAILED', error = $3, completed_at = NOW()", fault).await
            }
            FaultKind::HandCancelled => {
                self.by_hand("status = 'CANCELLED', error = $3, completed_at = NOW()", fault).await
            }
            FaultKind::HandCompleted => {
                let set = "status = 'COMPLETED', progress = 100, completed_at = NOW(),
                           error = CASE WHEN $3::jsonb IS NULL THEN error END";
                self.by_hand(set, fault).await
            }
            FaultKind::HandProgress => {
                let set = if fault.pick.is_multiple_of(2) {
                    "progress = 150, error = CASE WHEN $3::jsonb IS NULL THEN error END"
                } else {
                    "progress = -7, error = CASE WHEN $3::jsonb IS NULL THEN error END"
                };
                self.by_hand(set, fault).await
            }
            FaultKind::HandDeleted => self.deleted(fault.pick).await,
            FaultKind::Deployment => {
                for name in FUNCTIONS {
                    self.functions.deploy_again(name).await?;
                }
                Ok((count(FUNCTIONS.len()), vec![]))
            }
        }
    }

    /// As a failover is seen by clients: every session is gone at once, and the next is let in.
    async fn fail_over(&self) -> Met {
        let ended: i64 = sqlx::query_scalar(
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))
             FROM pg_stat_activity
             WHERE usename LIKE 'aigen\\_functions%'",
        )
        .fetch_one(self.superuser)
        .await?;
        Ok((u64::try_from(ended).unwrap_or_default(), vec![]))
    }

    async fn world(&self, world: &Value, lasts: Duration) -> Met {
        self.post("_world", world).await?;
        sleep(lasts).await;
        self.usual_world().await?;
        Ok((1, vec![]))
    }

    /// The model is as it usually is. What it was asked is not forgotten.
    pub(super) async fn usual_world(&self) -> Result<()> {
        self.call(Method::DELETE, "_world", None).await?;
        self.post("_world", &json!({"delayMs": USUAL_DELAY_MS})).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<()> {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<()> {
        let mut request = self.http.request(method, format!("{}/{path}", self.env.model_url));
        if let Some(body) = body {
            request = request.json(body);
        }
        let status = request.send().await.context("the model double does not answer")?.status();
        ensure!(status.is_success(), "the model double answers {status} to {path}");
        Ok(())
    }

    /// The worker is invoked for what it is working on: for a process, and for a batch of one.
    async fn duplicate(&self, pick: u64) -> Met {
        let found: Vec<(Uuid, Option<String>, Option<Uuid>)> = sqlx::query_as(
            "SELECT process.id, execution_arn, batch.id
             FROM processing_state process
             LEFT JOIN processing_batch batch
                 ON batch.process_id = process.id AND batch.process_attempt = process.attempt
             WHERE status = 'PROCESSING' AND user_id = ANY ($1)
             ORDER BY md5($2 || process.id::text || COALESCE(batch.id::text, ''))
             LIMIT 2",
        )
        .bind(self.subs)
        .bind(pick.to_string())
        .fetch_all(self.owner)
        .await?;
        let invocations = found.iter().map(|(id, execution, batch)| {
            let payload = match batch {
                Some(batch) => json!({"processId": id, "batchId": batch}),
                None => json!({"processId": id, "executionArn": execution}),
            };
            self.invoked("ai-generation-worker", payload)
        });
        let met = futures_util::future::join_all(invocations).await.len();
        Ok((count(met), found.into_iter().map(|(id, ..)| id).collect()))
    }

    /// Whatever comes late: a worker's message, a cancel, an event, for what has ended.
    async fn late(&self, pick: u64) -> Met {
        let found: Vec<Uuid> = sqlx::query_scalar(
            "SELECT id FROM processing_state
             WHERE status IN ('COMPLETED', 'FAILED', 'TIMEOUT', 'CANCELLED') AND user_id = ANY ($1)
             ORDER BY md5($2 || id::text)
             LIMIT 2",
        )
        .bind(self.subs)
        .bind(pick.to_string())
        .fetch_all(self.owner)
        .await?;
        for id in &found {
            let machine = self.env.state_machine_arn.as_str();
            let execution =
                format!("{}:{id}", machine.replacen(":stateMachine:", ":execution:", 1));
            let event = json!({
                "source": "aws.states",
                "detail-type": "Step Functions Execution Status Change",
                "detail": {
                    "executionArn": execution, "stateMachineArn": machine, "name": id,
                    "status": "ABORTED",
                },
            });
            let of_process = json!({"processId": id});
            self.invoked("ai-generation-worker", of_process.clone()).await;
            self.invoked("cancel-handler", of_process.clone()).await;
            self.invoked("reconciler", of_process).await;
            self.invoked("reconciler", event).await;
        }
        Ok((count(found.len()), found))
    }

    /// What comes of it is read from the database: it may well be refused, or die.
    async fn invoked(&self, function: &str, payload: Value) {
        let _ = timeout(PATIENCE, self.functions.invoke(function, &payload)).await;
    }

    /// What operators write: an UPDATE of one active process, as it stands in the design.
    async fn by_hand(&self, set: &str, fault: &Fault) -> Met {
        let statement = format!(
            "UPDATE processing_state SET {set}
             WHERE id = (
                 SELECT id FROM processing_state
                 WHERE status IN ('PENDING', 'PROCESSING') AND user_id = ANY ($1)
                 ORDER BY md5($2 || id::text)
                 LIMIT 1
             )
             RETURNING id"
        );
        let error: Value = serde_json::from_str(BY_HAND)?;
        let ids: Vec<Uuid> = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
            .bind(self.subs)
            .bind(fault.pick.to_string())
            .bind(error)
            .fetch_all(self.owner)
            .await?;
        Ok((count(ids.len()), ids))
    }

    async fn deleted(&self, pick: u64) -> Met {
        let ids: Vec<Uuid> = sqlx::query_scalar(
            "DELETE FROM processing_state
             WHERE id = (
                 SELECT id FROM processing_state
                 WHERE status IN ('COMPLETED', 'FAILED', 'CANCELLED') AND user_id = ANY ($1)
                 ORDER BY md5($2 || id::text)
                 LIMIT 1
             )
             RETURNING id",
        )
        .bind(self.subs)
        .bind(pick.to_string())
        .fetch_all(self.owner)
        .await?;
        Ok((count(ids.len()), ids))
    }

    /// The stack as it was found. Guards have had everything go on by now.
    pub(super) async fn heal(&self) -> Result<()> {
        self.hands.start_database(self.reporter).await?;
        self.call(Method::POST, "_reset", None).await
    }
}

/// They stand still so long.
async fn stand(processes: Vec<crate::stack::Process>, lasts: Duration) -> Met {
    let stopped = Stopped::all(processes);
    let met = stopped.count();
    sleep(lasts).await;
    drop(stopped);
    Ok((count(met), vec![]))
}

fn place(pick: u64, of: usize) -> usize {
    usize::try_from(pick % (of.max(1) as u64)).unwrap_or_default()
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
