//! `{"check":"candidates","action":"cancel"|"retry",…}`: the processes that an operator may cancel
//! or retry together, page by page, and how many are left out and why. Nothing is changed here:
//! each of them is then cancelled or retried by its id, so that what was not shown is not touched.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::{
    clock::Clock,
    http::{Problem, Reply},
    process::{ErrorCode, MAX_RETRIES, ProcessId, Status},
    store::{Candidate, Candidates},
};

use crate::{
    command::{Action, CandidateFilter, CandidatesQuery},
    diagnostics::Diagnostics,
};

/// Processes that one page looks at: some 400 kB of an answer, of which Lambda allows 6 MB.
const PAGE: u32 = 2_000;
/// The same where results are read, of which some are large.
const PAGE_OF_RESULTS: u32 = 500;

impl CandidateFilter {
    fn lets_through(&self, candidate: &Candidate) -> bool {
        fn is<T: PartialEq>(wanted: Option<&T>, actual: &T) -> bool {
            wanted.is_none_or(|wanted| wanted == actual)
        }
        is(self.process_type.as_ref(), &candidate.process_type)
            && is(self.status.as_ref(), &candidate.status)
            && is(self.user_id.as_ref(), &candidate.user_id)
            && is(self.code.as_ref(), &candidate.code)
    }
}

/// Why the action would be refused, or would do nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum LeftOut {
    /// It has been retried already.
    Retried,
    /// It has as many retries behind it as one may have.
    RetriesUsedUp,
    /// It would fail again in the same way.
    NotRetryable,
}

impl Action {
    const fn candidates(self) -> Candidates {
        match self {
            Self::Cancel => Candidates::Active,
            Self::Retry { parts: true, .. } => Candidates::EndedBadlyOrInPart,
            Self::Retry { parts: false, .. } => Candidates::EndedBadly,
        }
    }

    const fn page(self) -> u32 {
        match self {
            Self::Retry { parts: true, .. } => PAGE_OF_RESULTS,
            _ => PAGE,
        }
    }

    /// `None`: it can be done. Judged as the functions do that will be asked for it, but that they
    /// also retry what completed in part where no part of it may be retried.
    fn leaves_out(self, candidate: &Candidate) -> Option<LeftOut> {
        let Self::Retry { force, .. } = self else { return None };
        let lasts = candidate.code.parse().is_ok_and(|code: ErrorCode| !code.retryable());
        if candidate.is_retried {
            Some(LeftOut::Retried)
        } else if candidate.retry_count >= MAX_RETRIES {
            Some(LeftOut::RetriesUsedUp)
        } else if lasts && !force {
            Some(LeftOut::NotRetryable)
        } else {
            None
        }
    }
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct CandidatesView {
    /// The newest first.
    processes: Vec<CandidateView>,
    /// Of this page.
    left_out: BTreeMap<LeftOut, u64>,
    /// Up to which time they were looked for, by which the next page is asked for.
    until: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct CandidateView {
    process_id: ProcessId,
    #[serde(rename = "type")]
    process_type: String,
    user_id: String,
    status: Status,
    #[serde(skip_serializing_if = "String::is_empty")]
    code: String,
    /// When it was accepted, or ended.
    at: DateTime<Utc>,
}

impl Diagnostics {
    pub(crate) async fn candidates(&self, query: &CandidatesQuery) -> Result<Reply, Problem> {
        let CandidatesQuery { action, filter, since, until, cursor } = query;
        let until = until.unwrap_or_else(|| self.clock.now());
        let (which, size) = (action.candidates(), action.page());
        let page = self.store.candidates(which, *since, until, *cursor, size).await?;
        let (processes, left_out) = pick(*action, filter, page.candidates);
        let next_cursor = page.next.map(|cursor| cursor.encode());
        Ok(Reply::of(200, &CandidatesView { processes, left_out, until, next_cursor })?)
    }
}

fn pick(
    action: Action,
    filter: &CandidateFilter,
    candidates: Vec<Candidate>,
) -> (Vec<CandidateView>, BTreeMap<LeftOut, u64>) {
    let mut left_out = BTreeMap::new();
    let mut picked = Vec::new();
    for candidate in candidates.into_iter().filter(|it| filter.lets_through(it)) {
        match action.leaves_out(&candidate) {
            Some(why) => *left_out.entry(why).or_default() += 1,
            None => picked.push(candidate.into()),
        }
    }
    (picked, left_out)
}

impl From<Candidate> for CandidateView {
    fn from(candidate: Candidate) -> Self {
        Self {
            process_id: candidate.id,
            process_type: candidate.process_type,
            user_id: candidate.user_id,
            status: candidate.status,
            code: candidate.code,
            at: candidate.at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn retry(force: bool) -> Action {
        Action::Retry { force, parts: false }
    }

    fn failed(code: &str) -> Candidate {
        Candidate {
            id: test_kit::id(1),
            user_id: "hanako".to_owned(),
            process_type: "SUBGOAL_GENERATION".to_owned(),
            status: Status::Failed,
            code: code.to_owned(),
            retry_count: 0,
            is_retried: false,
            at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_a_retry_would_be_refused_for_is_left_out_by_its_reason() {
        let usual = retry(false);
        for code in ErrorCode::ALL {
            let expected = (!code.retryable()).then_some(LeftOut::NotRetryable);
            assert_eq!(usual.leaves_out(&failed(code.as_str())), expected, "{code}");
            let forced = retry(true).leaves_out(&failed(code.as_str()));
            assert_eq!(forced, None, "{code}");
        }
        // A foreign hand wrote no code, or one of its own.
        assert_eq!(usual.leaves_out(&failed("")), None);
        let retried = Candidate { is_retried: true, ..failed("AI_ERROR") };
        assert_eq!(usual.leaves_out(&retried), Some(LeftOut::Retried));
        for force in [false, true] {
            let often = Candidate { retry_count: MAX_RETRIES, ..failed("AI_ERROR") };
            let why = retry(force).leaves_out(&often);
            assert_eq!(why, Some(LeftOut::RetriesUsedUp));
        }
    }

    #[test]
    fn whatever_is_active_can_be_cancelled() {
        for is_retried in [false, true] {
            let candidate = Candidate { is_retried, retry_count: 9, ..failed("VALIDATION_ERROR") };
            assert_eq!(Action::Cancel.leaves_out(&candidate), None);
        }
    }

    #[test]
    fn each_filter_keeps_what_it_does_not_name_out_of_both_lists() {
        let candidates = vec![failed("AI_ERROR"), failed("VALIDATION_ERROR")];
        let all = CandidateFilter::default();
        let (picked, left_out) = pick(retry(false), &all, candidates.clone());
        assert_eq!(picked.len(), 1);
        assert_eq!(left_out, BTreeMap::from([(LeftOut::NotRetryable, 1)]));
        for filter in [
            CandidateFilter { process_type: Some("TASK_GENERATION".to_owned()), ..all.clone() },
            CandidateFilter { status: Some(Status::Timeout), ..all.clone() },
            CandidateFilter { user_id: Some("taro".to_owned()), ..all.clone() },
            CandidateFilter { code: Some("OTHER".to_owned()), ..all.clone() },
        ] {
            let picked = pick(retry(false), &filter, candidates.clone());
            assert_eq!(picked, (vec![], BTreeMap::new()), "{filter:?}");
        }
    }
}
