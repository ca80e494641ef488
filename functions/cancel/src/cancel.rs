//! The intent comes first: once CANCELLED is committed it wins over everything later, and a running
//! worker sees it and stops. Stopping the execution only saves what it would still cost; if that
//! fails, the sweep does it (R10).

use shared::{
    aws::workflow::Workflow,
    clock::{Clock, SystemClock},
    http::{
        Caller, CancelledView, Problem, ProcessView, REASON_LENGTH, RateLimit, Refusal, Reply,
        Request, Response, Route, limited,
    },
    lambda::Setup,
    process::{Actor, Author, ErrorCode, Failure, Process, Status, Terms},
    store::{Cancelling, Store},
    use_case::admit,
    validation::{Reader, Text},
};

/// What cancelling needs.
pub(crate) struct CancelHandler {
    pub(crate) store: Store,
    pub(crate) workflow: Workflow,
    pub(crate) clock: SystemClock,
    limit: RateLimit,
    terms: Terms,
}

impl CancelHandler {
    /// From the environment.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub(crate) async fn new(setup: &Setup) -> Result<Self, Failure> {
        Ok(Self {
            workflow: setup.workflow()?,
            limit: RateLimit::Cancelling(setup.cancel_limit_per_minute()?),
            terms: setup.terms()?,
            clock: SystemClock,
            store: setup.store_for_requests().await?,
        })
    }

    pub(crate) async fn handle(&self, request: &Request) -> Response {
        let cancel = async || {
            if is_for_batch(request) {
                self.cancel_batch(request).await
            } else {
                self.cancel(request).await
            }
        };
        limited(&self.store, self.limit, request, self.clock.now(), cancel).await
    }

    async fn cancel(&self, request: &Request) -> Result<Reply, Problem> {
        let id = request.process_id()?;
        let Wish { reason, author } = read_wish(request, "processId")?;
        let (owner, actor) = (request.caller.owner(), author.actor);
        let by = author.name.clone();
        let cancelling =
            self.store.cancel(id, owner, reason.as_deref(), author, self.clock.now()).await?;
        let newly = cancelling.as_ref().is_some_and(|cancelling| cancelling.cancelled);
        let process = cancelled_process(cancelling, &request.caller)?.summary;
        let stopped = self.workflow.stop(id, "CANCELLED", "cancelled by request").await;
        if let Err(failure) = &stopped {
            tracing::warn!(
                processId = %id,
                errorCode = %failure.code,
                cause = failure.cause,
                "cancelled, but its execution may still run; the sweep will stop it"
            );
        }
        tracing::info!(
            processId = %id,
            userId = %process.user_id,
            status = %process.status,
            actor = actor.as_str(),
            by,
            "cancelled"
        );
        if newly {
            self.make_room(actor).await;
        }
        let view = CancelledView {
            process: ProcessView::new(&process, request.language),
            execution_stopped: stopped.is_ok(),
        };
        Ok(Reply::of(200, &view)?)
    }
}

impl CancelHandler {
    /// What was cancelled has given its calls back. Where nobody can be admitted now, the end of an
    /// execution is the next occasion.
    pub(crate) async fn make_room(&self, actor: Actor) {
        let now = self.clock.now();
        if let Err(failure) = admit(&self.store, &self.workflow, &self.terms, actor, now).await {
            tracing::warn!(
                errorCode = %failure.code,
                cause = failure.cause,
                "cancelled, and nobody was admitted; the next occasion will see to it"
            );
        }
    }
}

/// The process if it is cancelled now or has been before; a repeated cancel is answered like the
/// first.
fn cancelled_process(cancelling: Option<Cancelling>, caller: &Caller) -> Result<Process, Problem> {
    let Cancelling { process, cancelled } = cancelling.ok_or(ErrorCode::ProcessingNotFound)?;
    let status = process.summary.status;
    if caller.owner().is_some_and(|user| *user != process.summary.user_id) {
        Err(ErrorCode::Forbidden.into())
    } else if cancelled || status == Status::Cancelled {
        Ok(process)
    } else {
        let refusal =
            Refusal { current_status: Some(status), ..ErrorCode::CancelNotAllowed.into() };
        Err(refusal.into())
    }
}

/// Whether a whole batch is to be cancelled: by the route or, in a direct invocation, by the id
/// that it names.
fn is_for_batch(request: &Request) -> bool {
    match request.caller {
        Caller::User(_) => request.route == Some(Route::CancelBatch),
        Caller::Operator => request.object().is_ok_and(|payload| payload.contains_key("batchId")),
    }
}

/// What a caller says besides what is to be cancelled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) reason: Option<String>,
    pub(crate) author: Author,
}

/// Reads it. The reason is the only field of a body; an operator's payload names by `id` what is to
/// be cancelled, and may say who asks.
pub(crate) fn read_wish(request: &Request, id: &'static str) -> Result<Wish, Refusal> {
    let body = request.object()?;
    let mut reader = Reader::new("", &body);
    if request.caller == Caller::Operator {
        reader.required(id);
    }
    let author = request.caller.author(&mut reader);
    let reason = reader.optional_text("reason", Text::Lines, REASON_LENGTH);
    let details = reader.finish();
    if details.is_empty() { Ok(Wish { reason, author }) } else { Err(Refusal::invalid(details)) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared::process::{ProcessId, ProcessSummary, ProcessType, UserId};

    use super::*;

    const ID: &str = "0193e4a0-0000-7000-8000-000000000001";

    fn cancelling(status: Status, cancelled: bool) -> Cancelling {
        let now = "2026-11-22T00:00:00Z".parse().unwrap();
        let summary = ProcessSummary {
            id: ProcessId(ID.parse().unwrap()),
            user_id: UserId("hanako".into()),
            process_type: ProcessType::new("CHART_GENERATION"),
            status,
            progress: 50,
            error: None,
            retry_count: 0,
            original_process_id: None,
            attempt: 1,
            cancel_reason: None,
            created_at: now,
            started_at: None,
            updated_at: now,
            completed_at: None,
        };
        let (target_id, params) = (ID.parse().unwrap(), Value::Null);
        let process = Process { summary, target_id, params, result: None, execution_arn: None };
        Cancelling { process, cancelled }
    }

    fn refused(result: Result<Process, Problem>) -> Refusal {
        match result {
            Err(Problem::Refused(refusal)) => *refusal,
            other => panic!("{other:?}"),
        }
    }

    fn user(name: &str) -> Caller {
        Caller::User(UserId(name.into()))
    }

    #[test]
    fn what_ended_otherwise_cannot_be_cancelled_and_says_how_it_stands() {
        for status in Status::ALL.iter().filter(|status| status.is_terminal()) {
            let result = cancelled_process(Some(cancelling(*status, false)), &user("hanako"));
            if *status == Status::Cancelled {
                assert!(result.is_ok(), "a repeated cancel is answered like the first");
            } else {
                let refusal = refused(result);
                let expected = (ErrorCode::CancelNotAllowed, Some(*status));
                assert_eq!((refusal.code, refusal.current_status), expected);
            }
        }
    }

    #[test]
    fn another_users_process_is_forbidden_and_nothing_is_told_of_it() {
        let found = Some(cancelling(Status::Completed, false));
        let refusal = refused(cancelled_process(found, &user("taro")));
        assert_eq!((refusal.code, refusal.current_status), (ErrorCode::Forbidden, None));
        assert!(
            cancelled_process(Some(cancelling(Status::Cancelled, true)), &Caller::Operator).is_ok(),
            "an operator may cancel anybody's"
        );
    }

    #[test]
    fn a_process_that_is_not_there_is_not_found() {
        let refusal = refused(cancelled_process(None, &user("hanako")));
        assert_eq!(refusal.code, ErrorCode::ProcessingNotFound);
    }

    #[test]
    fn a_reason_is_a_text_of_at_most_500_characters_and_the_only_field() {
        let read = |body: Value| {
            let mut payload = json!({"processId": ID});
            payload.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            read_wish(&Request::read(payload).unwrap(), "processId").map(|wish| wish.reason)
        };
        assert_eq!(read(json!({})), Ok(None));
        assert_eq!(read(json!({"reason": "気が変わった"})), Ok(Some("気が変わった".into())));
        for (body, field) in [
            (json!({"reason": "長".repeat(501)}), "reason"),
            (json!({"reason": 7}), "reason"),
            (json!({"why": "x"}), "why"),
        ] {
            assert_eq!(read(body).unwrap_err().details[0].field, field);
        }
    }

    #[test]
    fn an_operator_may_say_who_cancels() {
        let payload = json!({"processId": ID, "by": "hanako", "reason": "incident 7"});
        let wish = read_wish(&Request::read(payload).unwrap(), "processId").unwrap();
        assert_eq!(wish.author.name.as_deref(), Some("hanako"));
        assert_eq!(wish.author.actor, Actor::Operator);
    }

    #[test]
    fn an_operator_cancels_a_process_or_a_batch_and_not_both() {
        let read = |payload: Value| Request::read(payload).unwrap();
        assert!(!is_for_batch(&read(json!({"processId": ID}))));
        assert!(!is_for_batch(&read(json!({}))));
        let batch = read(json!({"batchId": ID, "reason": "mistake"}));
        assert!(is_for_batch(&batch));
        assert_eq!(read_wish(&batch, "batchId").unwrap().reason, Some("mistake".into()));
        let both = read(json!({"batchId": ID, "processId": ID}));
        assert!(is_for_batch(&both));
        assert_eq!(read_wish(&both, "batchId").unwrap_err().details[0].field, "processId");
    }

    #[test]
    fn a_user_cancels_a_batch_by_its_route_only() {
        let request = |key: &str| {
            Request::read(json!({
                "routeKey": key,
                "body": json!({"batchId": ID}).to_string(),
                "requestContext": {"authorizer": {"jwt": {"claims": {"sub": "hanako"}}}},
            }))
            .unwrap()
        };
        assert!(is_for_batch(&request("POST /api/ai/async/batch/{batchId}/cancel")));
        let single = request("POST /api/ai/async/cancel/{processId}");
        assert!(!is_for_batch(&single));
        assert_eq!(read_wish(&single, "processId").unwrap_err().details[0].field, "batchId");
    }
}
