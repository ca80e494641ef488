//! After the faults: what is active ends, one sweep looks at everything, and all has to work again.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::Place;
use super::client::new_id;
use super::hands::Doer;
use super::http::Api;
use super::run::Run;

/// When nothing has ended for so long, nothing will: longer than the engine waits before it tries a
/// lost worker again, and than the grace of what was not started.
const NOTHING_ENDS: Duration = Duration::from_secs(150);
/// The same before the sweep, which is to mend what does not end by itself.
const BEFORE_THE_SWEEP: Duration = Duration::from_secs(20);
/// How often a sweep is asked for that another one keeps waiting.
const TRIES: u32 = 20;
/// How long a job may take when all is well.
const PROBE: Duration = Duration::from_mins(1);

/// What has to be looked at.
pub(super) struct After<'a> {
    pub(super) run: &'a Run,
    pub(super) place: &'a Place,
    pub(super) subs: &'a [String],
    pub(super) api: &'a Api,
}

impl After<'_> {
    /// All is healed; what is active ends, before the one sweep or because of it.
    pub(super) async fn settle(&self, doer: &Doer<'_>) -> Result<()> {
        // Healing has the model double forget what it was asked.
        let before = self.most_in_flight().await;
        doer.heal().await?;
        self.until_ended(BEFORE_THE_SWEEP).await?;
        let sweep = self.sweep().await;
        let after = self.ask("reconciler", json!({"dryRun": true})).await;
        self.until_ended(NOTHING_ENDS).await?;
        self.run.lasted.set(self.run.now_ms());
        let in_flight = before?.max(self.most_in_flight().await?);
        let job = self.probe_job().await;
        let functions = self.probe_functions().await;
        let mut book = self.run.book.borrow_mut();
        book.sweep = sweep;
        book.after_sweep = after;
        book.capacity.most_in_flight = in_flight;
        book.probes.insert("a job".to_owned(), job);
        book.probes.extend(functions);
        Ok(())
    }

    /// Waits until nothing is active, or nothing has ended for so long.
    async fn until_ended(&self, nothing_ends: Duration) -> Result<()> {
        let (mut fewest, mut since) = (i64::MAX, Instant::now());
        loop {
            let active: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM processing_state
                 WHERE user_id = ANY ($1) AND status IN ('PENDING', 'PROCESSING')",
            )
            .bind(self.subs)
            .fetch_one(&self.place.owner)
            .await
            .context("what is active cannot be counted")?;
            if active < fewest {
                (fewest, since) = (active, Instant::now());
            }
            if active == 0 || since.elapsed() > nothing_ends {
                return Ok(());
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// One whole sweep; one that the schedule has begun goes first.
    async fn sweep(&self) -> Value {
        let mut answer = Value::Null;
        for _ in 0..TRIES {
            answer = self.ask("reconciler", json!({})).await;
            if answer["data"]["swept"] == true {
                break;
            }
            sleep(Duration::from_secs(2)).await;
        }
        answer
    }

    /// What a function answers; what went wrong, where it does not.
    async fn ask(&self, function: &str, payload: Value) -> Value {
        let answer = self.place.functions.invoke(function, &payload).await;
        answer.unwrap_or_else(|error| json!({"success": false, "broken": format!("{error:#}")}))
    }

    async fn most_in_flight(&self) -> Result<i64> {
        let url = format!("{}/_calls", self.place.env.model_url);
        let calls: Value = self.place.http.get(url).send().await?.json().await?;
        calls["maxInFlight"].as_i64().context("the model double tells no maxInFlight")
    }

    /// A job that is asked for now; what is wrong with it.
    async fn probe_job(&self) -> String {
        let marker = self.run.book.borrow().marker.clone();
        let request = json!({"type": "SUBGOAL_GENERATION", "params": {
            "goalId": new_id(),
            "title": format!("{marker} 最後の目標"),
            "description": format!("{marker} 説明"),
            "deadline": "2099-12-31T00:00:00Z",
            "background": format!("{marker} 背景"),
        }});
        let token = self.run.token(0);
        let what = (Method::POST, "probe", "generate");
        let answer = self.api.ask(self.run, &token, what, None, Some(&request)).await;
        let Some(id) = answer.data["processId"].as_str().and_then(|id| id.parse::<Uuid>().ok())
        else {
            return format!("it is not accepted: {answer:?}");
        };
        let begun = Instant::now();
        let path = format!("status/{id}");
        let mut status = String::new();
        while begun.elapsed() < PROBE {
            let what = (Method::GET, "probe", &*path);
            let answer = self.api.ask(self.run, &token, what, None, None).await;
            answer.data["status"].as_str().unwrap_or("not told").clone_into(&mut status);
            if status == "COMPLETED" {
                return String::new();
            }
            sleep(Duration::from_millis(500)).await;
        }
        format!("{id} is {status} after {} s", PROBE.as_secs())
    }

    /// Each function answers as it should to what it can be asked at any time.
    async fn probe_functions(&self) -> Vec<(String, String)> {
        let nobody = json!({ "processId": new_id() });
        let asked = [
            ("cancel-handler", nobody.clone(), Some("PROCESSING_NOT_FOUND")),
            ("retry-handler", nobody, Some("PROCESSING_NOT_FOUND")),
            ("reconciler", json!({"action": "capacity"}), None),
            ("diagnostics", json!({"check": "stats"}), None),
        ];
        let mut probes = Vec::new();
        for (function, payload, code) in asked {
            let answer = self.ask(function, payload).await;
            let is_well = match code {
                Some(code) => answer["error"]["code"] == code,
                None => answer["success"] == true,
            };
            let trouble = if is_well { String::new() } else { answer.to_string() };
            probes.push((function.to_owned(), trouble));
        }
        probes
    }
}
