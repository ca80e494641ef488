//! What a client does: asks for a job, watches it, changes their mind, tries again; and looks at
//! what is somebody else's.

use std::time::Duration;

use chrono::{Days, SecondsFormat, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use super::book::Job;
use super::http::Api;
use super::plan::{Act, Draft, JobKind, What};
use super::planted::Planted;
use super::run::Run;

/// How often a client looks, where the API does not say when it is worth while.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a job that ended badly is tried again.
const MOST_RETRIES: u32 = 2;

/// All clients.
pub(super) struct Clients<'a> {
    pub(super) run: &'a Run,
    pub(super) api: &'a Api,
    pub(super) planted: &'a Planted,
    /// By which requests of this run are told from others'.
    pub(super) name: &'a str,
}

impl Clients<'_> {
    /// Does it, unless the time for it is over.
    pub(super) async fn act(&self, act: &Act) {
        if self.run.is_over() {
            return;
        }
        match &act.what {
            What::Job(draft) => self.job(act.user, draft).await,
            What::Batch { drafts, cancel_after } => {
                self.batch(act.user, drafts, *cancel_after).await;
            }
            What::Look => self.look(act.user).await,
        }
    }

    fn token(&self, user: usize) -> String {
        self.run.token(user)
    }

    async fn job(&self, user: usize, draft: &Draft) {
        let (goal, request) = self.request(draft);
        let place = self.run.enter(entry(draft, user, goal));
        let key = format!("{}-{}", self.name, draft.number);
        let post = (Method::POST, "generate", "generate");
        let mut first = None;
        // The same request is sent again, as by a client that missed the answer.
        for time in 0..=draft.repeats {
            if time > 0 {
                sleep(LOOK_EVERY / 2).await;
            }
            let token = self.token(user);
            let answer =
                self.api.ask_patiently(self.run, &token, post.clone(), Some(&key), Some(&request));
            let answer = answer.await;
            match id_of(&answer.data) {
                Some(id) => {
                    self.run.accepted(place, id, user);
                    first = first.or(Some(id));
                }
                None => self.run.note(place, |job| {
                    job.refused = Some(answer.code.clone().unwrap_or_else(|| "NONE".to_owned()));
                }),
            }
        }
        let Some(mut id) = first else { return };
        let mut place = place;
        let regret = async {
            if let Some(after) = draft.cancel_after {
                sleep(after).await;
                self.cancel(user, place, id).await;
            }
        };
        let (mut status, ()) = tokio::join!(self.watch(user, place, id), regret);
        for _ in 0..MOST_RETRIES {
            if !draft.retries || !matches!(status.as_str(), "FAILED" | "TIMEOUT") {
                return;
            }
            let Some((next, again)) = self.retry(user, draft, goal, id).await else { return };
            (place, id) = (next, again);
            status = self.watch(user, place, id).await;
        }
    }

    async fn retry(
        &self,
        user: usize,
        draft: &Draft,
        goal: Uuid,
        id: Uuid,
    ) -> Option<(usize, Uuid)> {
        let what = (Method::POST, "retry", &*format!("retry/{id}"));
        let key = None;
        let answer = self.api.ask_patiently(self.run, &self.token(user), what, key, None).await;
        let again = id_of(&answer.data)?;
        let place = self.run.enter(Job { retry_of: Some(id), ..entry(draft, user, goal) });
        self.run.accepted(place, again, user);
        Some((place, again))
    }

    async fn cancel(&self, user: usize, place: usize, id: Uuid) {
        let body = json!({"reason": "chaos"});
        let what = (Method::POST, "cancel", &*format!("cancel/{id}"));
        let token = &self.token(user);
        let answer = self.api.ask_patiently(self.run, token, what, None, Some(&body)).await;
        if answer.status == Some(200) {
            self.run.note(place, |job| job.cancelled = true);
        }
    }

    /// Looks at a process until it has ended, or nobody watches any more; its last status.
    async fn watch(&self, user: usize, place: usize, id: Uuid) -> String {
        self.run.watched.set(self.run.watched.get() + 1);
        let status = self.watched(user, place, id).await;
        self.run.watched.set(self.run.watched.get().saturating_sub(1));
        status
    }

    async fn watched(&self, user: usize, place: usize, id: Uuid) -> String {
        let path = format!("status/{id}");
        let mut last = String::new();
        while !self.run.is_past() {
            let what = (Method::GET, "status", &*path);
            let answer = self.api.ask(self.run, &self.token(user), what, None, None).await;
            if answer.status == Some(404) {
                // A hand has deleted it.
                break;
            }
            if let Some(status) = answer.data["status"].as_str() {
                let now = (status.to_owned(), answer.data["progress"].as_i64().unwrap_or(-1));
                self.run.note(place, |job| {
                    if job.seen.last() != Some(&now) {
                        job.seen.push(now.clone());
                    }
                });
                status.clone_into(&mut last);
                if !matches!(status, "PENDING" | "PROCESSING") {
                    self.run.ended.set(self.run.ended.get() + 1);
                    break;
                }
            }
            sleep(answer.wait(LOOK_EVERY).max(LOOK_EVERY / 2)).await;
        }
        last
    }

    async fn batch(&self, user: usize, drafts: &[Draft], cancel_after: Option<Duration>) {
        let mut requests = Vec::new();
        let mut places = Vec::new();
        for draft in drafts {
            let (goal, mut request) = self.request(draft);
            // In a batch it is the default.
            request["priority"] = if draft.low { "low" } else { "normal" }.into();
            requests.push(request);
            places.push(self.run.enter(entry(draft, user, goal)));
        }
        let number = drafts.first().map_or(0, |draft| draft.number);
        let key = format!("{}-batch-{number}", self.name);
        let body = json!({"requests": requests});
        let what = (Method::POST, "batch", "batch");
        let token = &self.token(user);
        let answer = self.api.ask_patiently(self.run, token, what, Some(&key), Some(&body)).await;
        for result in answer.data["results"].as_array().into_iter().flatten() {
            let index = result["index"].as_u64().and_then(|index| usize::try_from(index).ok());
            let Some(place) = index.and_then(|index| places.get(index)) else { continue };
            match id_of(result) {
                Some(id) => self.run.accepted(*place, id, user),
                None => self.run.note(*place, |job| {
                    job.refused = result["error"]["code"].as_str().map(str::to_owned);
                }),
            }
        }
        let Some(batch) = answer.data["batchId"].as_str().map(str::to_owned) else { return };
        if let Some(after) = cancel_after {
            sleep(after).await;
            let what = (Method::POST, "batch-cancel", &*format!("batch/{batch}/cancel"));
            self.api.ask_patiently(self.run, token, what, None, Some(&json!({}))).await;
        }
        while !self.run.is_past() {
            let what = (Method::GET, "batch-status", &*format!("batch/{batch}"));
            let answer = self.api.ask(self.run, token, what, None, None).await;
            if answer.status == Some(404) || answer.data["completedAt"].is_string() {
                return;
            }
            sleep(answer.wait(2 * LOOK_EVERY).max(LOOK_EVERY)).await;
        }
    }

    /// The history holds what is the user's own, and of another's process there is nothing to see
    /// and nothing to cancel.
    async fn look(&self, user: usize) {
        let token = &self.token(user);
        let what = (Method::GET, "history", "history?pageSize=50");
        let answer = self.api.ask(self.run, token, what, None, None).await;
        for process in answer.data["processes"].as_array().into_iter().flatten() {
            let owner = id_of(process).and_then(|id| self.run.owner(id));
            if owner.is_some_and(|owner| owner != user) {
                self.run.breach(format!("user {user} sees in the history {process}"));
            }
        }
        let pick = self.run.now_ms();
        let Some(id) = self.run.foreign(user, pick) else { return };
        let status = format!("status/{id}");
        let cancel = format!("cancel/{id}");
        for what in [(Method::GET, "foreign", &*status), (Method::POST, "foreign", &*cancel)] {
            let body = (what.0 == Method::POST).then(|| json!({}));
            let answer = self.api.ask(self.run, token, what.clone(), None, body.as_ref()).await;
            if answer.status.is_some_and(|status| status < 300) {
                self.run.breach(format!("user {user} was answered {} {}", what.0, what.2));
            }
        }
    }

    /// The request of a job, and for which goal.
    fn request(&self, draft: &Draft) -> (Uuid, Value) {
        let found = self.planted.of(draft.number);
        let goal = found.map_or_else(new_id, |found| found.goal);
        let mut params = match (draft.kind, found.and_then(|found| found.target)) {
            (JobKind::ActionsOfOne, Some(target)) => json!({ "subGoalId": target }),
            (JobKind::TasksOfOne, Some(target)) => json!({ "actionId": target }),
            (JobKind::ActionsOfAll | JobKind::TasksOfAll, _) => json!({ "goalId": goal }),
            _ => self.texts(draft, goal),
        };
        match draft.kind {
            JobKind::ChartOfSubGoals => params["depth"] = "subGoals".into(),
            JobKind::ChartOfActions => params["depth"] = "actions".into(),
            JobKind::ChartOfTasks => params["depth"] = "tasks".into(),
            _ => {}
        }
        if draft.replace {
            params["replace"] = true.into();
        }
        let mut request = json!({"type": draft.kind.process_type(), "params": params});
        if draft.low {
            request["priority"] = "low".into();
        }
        (goal, request)
    }

    fn texts(&self, draft: &Draft, goal: Uuid) -> Value {
        let marker = &self.planted.marker;
        json!({
            "goalId": goal,
            "title": format!("{marker} 目標{}", draft.number),
            "description": format!("{marker} 半年後に実務で使えるようになる"),
            "deadline": next_year(),
            "background": format!("{marker} 基礎は一通り学んだ"),
        })
    }
}

fn entry(draft: &Draft, user: usize, goal: Uuid) -> Job {
    Job {
        number: draft.number,
        user,
        kind: draft.kind,
        replace: draft.replace,
        goal,
        accepted: Vec::new(),
        refused: None,
        retry_of: None,
        seen: Vec::new(),
        cancelled: false,
    }
}

fn id_of(data: &Value) -> Option<Uuid> {
    data["processId"].as_str()?.parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "this is an edge: a deadline lies in the future")]
fn next_year() -> String {
    (Utc::now() + Days::new(365)).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// An id that no other run has used.
#[expect(clippy::disallowed_methods, reason = "this is an edge: each goal is another one")]
pub(super) fn new_id() -> Uuid {
    Uuid::new_v4()
}
