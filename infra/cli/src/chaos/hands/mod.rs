//! The faults' hands. Whatever they begin they end, also when they are dropped in the middle; what
//! cannot be ended then, [`Doer::heal`] does. `processes` holds what is done to single processes.

mod processes;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio::time::sleep;
use uuid::Uuid;

use super::plan::{FUNCTIONS, Fault, FaultKind};
use super::run::Run;
use crate::stack::{Hands, LocalFunctions, Reporter, StackEnv, Stopped};

/// How long the model takes for an answer when it is well: so that things happen meanwhile.
const USUAL_DELAY_MS: u64 = 120;

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
            FaultKind::DatabaseCrash
            | FaultKind::DatabaseFailover
            | FaultKind::DatabaseHole
            // A hand that loses its session does not know whether it has changed anything.
            | FaultKind::HandFailed
            | FaultKind::HandCancelled
            | FaultKind::HandCompleted
            | FaultKind::HandProgress
            | FaultKind::HandDeleted => Some(&self.places.database),
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
