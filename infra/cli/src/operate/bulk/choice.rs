//! Which processes: all that diagnostics has for the filter, page by page, before any is touched.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Deed;
use crate::operate::diagnose::{ask, moment};
use crate::operate::kind::Kind;
use crate::operate::reconciler::Functions;

/// How far back a retry looks where nothing is said.
const USUAL_PAST: TimeDelta = TimeDelta::hours(24);

/// The filters of both verbs.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Filter {
    /// Only this type, such as `SUBGOAL_GENERATION`.
    #[arg(long = "type", value_name = "TYPE")]
    pub(super) kind: Option<Kind>,
    /// Only this status.
    #[arg(long)]
    pub(super) status: Option<String>,
    /// Only those of this user.
    #[arg(long, value_name = "ID")]
    pub(super) user: Option<String>,
    /// Only what was accepted (to cancel) or ended (to retry) before: an RFC 3339 time, or so long
    /// ago (30m, 12h, 7d).
    #[arg(long, value_name = "WHEN")]
    pub(super) older_than: Option<String>,
    /// Only what was accepted, or ended, after.
    #[arg(long, value_name = "WHEN")]
    pub(super) since: Option<String>,
}

impl Filter {
    pub(super) const fn is_empty(&self) -> bool {
        let Self { kind, status, user, older_than, since } = self;
        kind.is_none()
            && status.is_none()
            && user.is_none()
            && older_than.is_none()
            && since.is_none()
    }
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate {
    #[serde(rename = "processId")]
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) user_id: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) code: String,
    pub(super) at: DateTime<Utc>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// The newest first: what waits is cancelled before what it waits for, and so is not admitted
    /// on the way.
    pub(super) processes: Vec<Candidate>,
    /// How many cannot be retried, by the reason.
    pub(super) left_out: BTreeMap<String, u64>,
    /// From when on.
    pub(super) since: Option<DateTime<Utc>>,
}

impl Chosen {
    /// As JSON.
    pub(super) fn data(&self, deed: &Deed<'_>) -> Value {
        let ids: Vec<_> = self.processes.iter().map(|process| &process.id).collect();
        json!({
            "action": deed.name(),
            "dryRun": deed.how().dry_run,
            "previewed": ids.len(),
            "leftOut": self.left_out,
            "processes": ids,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CandidatePage {
    processes: Vec<Candidate>,
    left_out: BTreeMap<String, u64>,
    next_cursor: Option<String>,
}

/// What diagnostics is asked.
pub(super) struct Wanted {
    pub(super) query: Map<String, Value>,
    since: Option<DateTime<Utc>>,
}

pub(super) fn wanted(deed: &Deed<'_>, now: DateTime<Utc>) -> Result<Wanted> {
    let Filter { kind, status, user, older_than, since } = deed.filter();
    let time = |name, text: &Option<String>| -> Result<Option<DateTime<Utc>>> {
        let Some(text) = text else { return Ok(None) };
        Ok(Some(DateTime::deserialize(moment(name, text, now)?)?))
    };
    let since = match (time("--since", since)?, deed) {
        (None, Deed::Retry(_)) => Some(now - USUAL_PAST),
        (since, _) => since,
    };
    // A fixed end: what comes later is not meant, however long the pages take.
    let until = time("--older-than", older_than)?.unwrap_or(now);
    if let Some(since) = since {
        ensure!(
            since < until,
            "no process lies after {} and before {}: --older-than and --since leave nothing \
             (retry looks at the last 24 hours unless --since says otherwise)",
            since.to_rfc3339_opts(SecondsFormat::Secs, true),
            until.to_rfc3339_opts(SecondsFormat::Secs, true)
        );
    }
    let moment = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let mut query = deed.query();
    let fields = [
        ("type", kind.clone().map(String::from)),
        ("status", status.as_ref().map(|status| status.to_uppercase())),
        ("userId", user.clone()),
        ("since", since.map(moment)),
        ("until", Some(moment(until))),
    ];
    let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    query.extend(given.map(|(name, value)| (name, value.into())));
    Ok(Wanted { query, since })
}

/// Asks for all pages.
pub(super) async fn choose(deed: &Deed<'_>, functions: &impl Functions) -> Result<Chosen> {
    let Wanted { mut query, since } = wanted(deed, crate::operate::now())?;
    let mut chosen = Chosen { since, ..Chosen::default() };
    loop {
        let data = ask(functions, &Value::Object(query.clone())).await?;
        let page = CandidatePage::deserialize(data)
            .context("diagnostics answered what this aigen does not understand")?;
        chosen.processes.extend(page.processes);
        for (why, count) in page.left_out {
            *chosen.left_out.entry(why).or_default() += count;
        }
        let Some(next) = page.next_cursor else { return Ok(chosen) };
        query.insert("cursor".to_owned(), next.into());
    }
}
