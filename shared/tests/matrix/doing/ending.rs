//! What ends a process otherwise, and what repairs and deletes it.

use shared::{
    process::{
        Actor, Ending, ErrorCode, EventKind, Evidence, ProcessError, RequestBatchId, Status,
    },
    reconcile::{Mend, Rule},
    store::{Ended, EndingNote, Leftovers, Repaired},
};
use test_kit::{Fixture, at, user};

use super::seen;
use crate::{
    operation::Operation,
    situation::{OWNER, REQUEST_BATCH, Situation, error, process},
    token::Token,
};

const fn moved(repaired: Repaired) -> &'static str {
    match repaired {
        Repaired::Done => "done",
        Repaired::Moved => "moved",
    }
}

pub async fn perform(
    fixture: &Fixture,
    operation: Operation,
    token: Token,
    situation: Situation,
) -> &'static str {
    let (store, one) = (&fixture.store, process());
    match operation {
        Operation::EndFailed => end(fixture, Ending::Failed(error())).await,
        Operation::EndTimedOut => end(fixture, Ending::TimedOut(error())).await,
        Operation::EndCancelled => end(fixture, Ending::Cancelled).await,
        Operation::Cancel => cancel(fixture, token).await,
        Operation::CancelBatch => {
            let (owner, actor) = by(token);
            let batch = RequestBatchId(REQUEST_BATCH);
            let cancelled =
                store.cancel_batch(batch, owner.as_ref(), None, actor, at(9)).await.unwrap();
            let cancelled = cancelled.unwrap().cancelled;
            if cancelled.contains(&one) { "done" } else { "nothing" }
        }
        Operation::EndSeen => {
            let kind = EventKind::Repaired;
            let note = EndingNote { rule: Rule::R5, kind, execution: "FAILED" };
            let (seen, ending) = (seen(fixture, token).await, Ending::Failed(error()));
            moved(store.end_seen(&seen, &ending, note, at(9)).await.unwrap())
        }
        Operation::CompleteFromStored => {
            let seen = seen(fixture, token).await;
            moved(store.complete_from_stored(&seen, at(9)).await.unwrap())
        }
        Operation::Mend => {
            let mut seen = seen(fixture, token).await;
            seen.progress += i16::from(token == Token::Stale);
            moved(store.mend(&seen, Rule::R12, Mend::Progress(17), at(9)).await.unwrap())
        }
        Operation::AddEvidence => {
            let mut ending = situation.ending();
            if let (Token::Stale, Some(error)) = (token, ending.error_mut()) {
                *error = ProcessError::new(ErrorCode::LambdaError, "another error");
            }
            let line = Evidence {
                timestamp: "2026-11-27T00:00:00Z".to_owned(),
                message: "the model failed".to_owned(),
                error_code: None,
                cause: None,
                attempt: None,
            };
            moved(store.add_evidence(one, &ending, &[line]).await.unwrap())
        }
        Operation::DropLeftovers => {
            let status = seen(fixture, token).await.status;
            let left = Leftovers { id: one, status, outputs: 1, batches: 0 };
            moved(store.drop_leftovers(&left, at(9)).await.unwrap())
        }
        Operation::DeleteEnded => {
            let deleted = store.delete_ended(at(1_000_000)).await.unwrap();
            if deleted == 1 { "deleted" } else { "nothing" }
        }
        other => panic!("{other:?} ends nothing"),
    }
}

async fn end(fixture: &Fixture, ending: Ending) -> &'static str {
    match fixture.store.end(process(), &ending, Actor::Worker, at(9)).await.unwrap() {
        Ended::Now(Status::Pending | Status::Processing) => "done",
        Ended::Before(status) if status.is_terminal() => "ended",
        Ended::Missing => "missing",
        other => panic!("{other:?}"),
    }
}

/// Whose it must be, and who does it.
fn by(token: Token) -> (Option<shared::process::UserId>, Actor) {
    match token {
        Token::Owner => (Some(user(OWNER)), Actor::User),
        Token::OtherUser => (Some(user("taro")), Actor::User),
        _ => (None, Actor::Operator),
    }
}

async fn cancel(fixture: &Fixture, token: Token) -> &'static str {
    let (owner, actor) = by(token);
    let cancelling =
        fixture.store.cancel(process(), owner.as_ref(), Some("why"), actor, at(9)).await.unwrap();
    match cancelling {
        None => "missing",
        Some(cancelling) if cancelling.cancelled => "done",
        Some(_) if token == Token::OtherUser => "another's",
        Some(cancelling) => {
            assert!(cancelling.process.summary.status.is_terminal(), "{cancelling:?}");
            "ended"
        }
    }
}
