//! The table.

use crate::{operation::Operation, token::Token};

/// A line of the table: what the operation with this token answers in each situation.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    pub operation: Operation,
    pub token: Token,
    /// By situation, in their order.
    pub cells: [&'static str; 9],
}

const fn line(operation: Operation, token: Token, cells: [&'static str; 9]) -> Line {
    Line { operation, token, cells }
}

/// Nothing, whatever the situation.
const fn nothing(operation: Operation) -> Line {
    line(operation, Token::None, ["nothing"; 9])
}

const DONE: &str = "done";
const NOT: &str = "nothing";
const MORE: &str = "more calls";
const ACCEPT: &str = "accepted";
const RUNS: &str = "already running";
const FULL: &str = "target not empty";
const ANEW: &str = "to be judged anew";
const FENCED: &str = "fenced";
const ENDED: &str = "ended";
const MISSING: &str = "missing";
const MOVED: &str = "moved";
const LATE: &str = "overtaken";

/// Nobody may, whatever the situation.
const ALL_FENCED: [&str; 9] = [FENCED; 9];
/// A worker may that has the process, whether it is planned or not.
const OF_PROCESS: [&str; 9] = [FENCED, FENCED, DONE, DONE, FENCED, FENCED, FENCED, FENCED, FENCED];
/// A worker may that has the batch.
const OF_BATCH: [&str; 9] = [FENCED, FENCED, FENCED, DONE, FENCED, FENCED, FENCED, FENCED, FENCED];
/// Whatever is active ends.
const ENDS: [&str; 9] = [DONE, DONE, DONE, DONE, ENDED, ENDED, ENDED, ENDED, MISSING];
/// Whatever is active is as it was seen.
const ACTIVE: [&str; 9] = [DONE, DONE, DONE, DONE, MOVED, MOVED, MOVED, MOVED, MOVED];
/// Nothing is as it was seen.
const ALL_MOVED: [&str; 9] = [MOVED; 9];

/// PENDING waiting, PENDING admitted, PROCESSING, PROCESSING planned, COMPLETED, FAILED, TIMEOUT,
/// CANCELLED, no row.
pub const TABLE: &[Line] = &[
    line(
        Operation::Submit,
        Token::NewRequest,
        [RUNS, RUNS, RUNS, RUNS, FULL, ACCEPT, ACCEPT, ACCEPT, ACCEPT],
    ),
    line(
        Operation::Submit,
        Token::SameKey,
        [
            "repeated", "repeated", "repeated", "repeated", "repeated", "repeated", "repeated",
            "repeated", ACCEPT,
        ],
    ),
    line(
        Operation::Submit,
        Token::OtherBody,
        [
            "key reused",
            "key reused",
            "key reused",
            "key reused",
            "key reused",
            "key reused",
            "key reused",
            "key reused",
            ACCEPT,
        ],
    ),
    line(
        Operation::Submit,
        Token::Retry,
        [RUNS, RUNS, RUNS, RUNS, FULL, ACCEPT, ACCEPT, ACCEPT, ACCEPT],
    ),
    line(
        Operation::AcceptBatch,
        Token::None,
        [ANEW, ANEW, ANEW, ANEW, ACCEPT, ACCEPT, ACCEPT, ACCEPT, ACCEPT],
    ),
    line(Operation::Admit, Token::None, [DONE, NOT, NOT, MORE, NOT, NOT, NOT, NOT, NOT]),
    line(Operation::WouldAdmit, Token::None, ["named", NOT, NOT, NOT, NOT, NOT, NOT, NOT, NOT]),
    line(
        Operation::RecordStarts,
        Token::None,
        [DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE, NOT],
    ),
    line(Operation::RecordStarts, Token::AlreadyNoted, [NOT; 9]),
    line(Operation::NoteStartTry, Token::None, [DONE, DONE, NOT, NOT, NOT, NOT, NOT, NOT, NOT]),
    line(
        Operation::NoteStarted,
        Token::None,
        [DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE, NOT],
    ),
    line(
        Operation::NoteStopped,
        Token::None,
        [DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE, NOT],
    ),
    line(
        Operation::Claim,
        Token::None,
        [DONE, DONE, DONE, "the same plan", ENDED, ENDED, ENDED, ENDED, MISSING],
    ),
    line(Operation::Widen, Token::Stale, ALL_FENCED),
    line(
        Operation::Widen,
        Token::Current,
        [FENCED, FENCED, MORE, MORE, FENCED, FENCED, FENCED, FENCED, FENCED],
    ),
    line(Operation::Widen, Token::Future, ALL_FENCED),
    line(Operation::PlanBatches, Token::Stale, ALL_FENCED),
    line(Operation::PlanBatches, Token::Current, OF_PROCESS),
    line(Operation::PlanBatches, Token::Future, ALL_FENCED),
    line(
        Operation::ClaimBatch,
        Token::Current,
        [LATE, LATE, LATE, DONE, ENDED, ENDED, ENDED, ENDED, MISSING],
    ),
    line(
        Operation::ClaimBatch,
        Token::OtherPlan,
        [LATE, LATE, LATE, LATE, ENDED, ENDED, ENDED, ENDED, MISSING],
    ),
    line(Operation::Stage, Token::Stale, ALL_FENCED),
    line(Operation::Stage, Token::Current, OF_BATCH),
    line(Operation::Stage, Token::Future, ALL_FENCED),
    line(Operation::Stage, Token::StaleBatch, ALL_FENCED),
    line(Operation::Stage, Token::FutureBatch, ALL_FENCED),
    line(Operation::Stage, Token::OtherPlan, ALL_FENCED),
    line(Operation::Stage, Token::WithoutBatch, OF_PROCESS),
    line(Operation::StageOrReadBack, Token::Stale, ALL_FENCED),
    line(Operation::StageOrReadBack, Token::Current, OF_BATCH),
    line(Operation::StageOrReadBack, Token::Future, ALL_FENCED),
    line(Operation::StageOrReadBack, Token::StaleBatch, ALL_FENCED),
    line(Operation::StageOrReadBack, Token::FutureBatch, ALL_FENCED),
    line(Operation::StageOrReadBack, Token::OtherPlan, ALL_FENCED),
    line(Operation::CloseBatch, Token::Stale, ALL_FENCED),
    line(Operation::CloseBatch, Token::Current, OF_BATCH),
    line(Operation::CloseBatch, Token::Future, ALL_FENCED),
    line(Operation::CloseBatch, Token::StaleBatch, ALL_FENCED),
    line(Operation::CloseBatch, Token::FutureBatch, ALL_FENCED),
    line(Operation::CloseBatch, Token::OtherPlan, ALL_FENCED),
    line(Operation::RestBatch, Token::Stale, ALL_FENCED),
    line(Operation::RestBatch, Token::Current, OF_BATCH),
    line(Operation::RestBatch, Token::Future, ALL_FENCED),
    line(Operation::RestBatch, Token::StaleBatch, ALL_FENCED),
    line(Operation::RestBatch, Token::FutureBatch, ALL_FENCED),
    line(Operation::RestBatch, Token::OtherPlan, ALL_FENCED),
    line(Operation::Complete, Token::Stale, ALL_FENCED),
    line(Operation::Complete, Token::Current, OF_PROCESS),
    line(Operation::Complete, Token::Future, ALL_FENCED),
    line(
        Operation::Finish,
        Token::None,
        ["not yet", "not yet", "not yet", "not yet", ENDED, ENDED, ENDED, ENDED, MISSING],
    ),
    line(
        Operation::Finish,
        Token::AllStaged,
        ["not yet", "not yet", "not yet", DONE, ENDED, ENDED, ENDED, ENDED, MISSING],
    ),
    line(Operation::EndFailed, Token::None, ENDS),
    line(Operation::EndTimedOut, Token::None, ENDS),
    line(Operation::EndCancelled, Token::None, ENDS),
    line(Operation::Cancel, Token::Owner, ENDS),
    line(
        Operation::Cancel,
        Token::OtherUser,
        [
            "another's",
            "another's",
            "another's",
            "another's",
            "another's",
            "another's",
            "another's",
            "another's",
            MISSING,
        ],
    ),
    line(Operation::Cancel, Token::Operator, ENDS),
    line(Operation::CancelBatch, Token::Owner, [DONE, DONE, DONE, DONE, NOT, NOT, NOT, NOT, NOT]),
    line(Operation::CancelBatch, Token::OtherUser, [NOT; 9]),
    line(
        Operation::CancelBatch,
        Token::Operator,
        [DONE, DONE, DONE, DONE, NOT, NOT, NOT, NOT, NOT],
    ),
    line(Operation::EndSeen, Token::Stale, ALL_MOVED),
    line(Operation::EndSeen, Token::Current, ACTIVE),
    line(Operation::EndSeen, Token::Future, ALL_MOVED),
    line(Operation::EndSeen, Token::OtherStatus, ALL_MOVED),
    line(Operation::CompleteFromStored, Token::Stale, ALL_MOVED),
    line(Operation::CompleteFromStored, Token::Current, ACTIVE),
    line(Operation::CompleteFromStored, Token::Future, ALL_MOVED),
    line(Operation::CompleteFromStored, Token::OtherStatus, ALL_MOVED),
    line(Operation::CompleteFromStored, Token::NoResult, ALL_MOVED),
    line(Operation::Mend, Token::Stale, ALL_MOVED),
    line(Operation::Mend, Token::Current, [DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE, MOVED]),
    line(Operation::Mend, Token::OtherStatus, ALL_MOVED),
    line(Operation::AddEvidence, Token::Stale, ALL_MOVED),
    line(
        Operation::AddEvidence,
        Token::Current,
        [MOVED, MOVED, MOVED, MOVED, MOVED, DONE, DONE, MOVED, MOVED],
    ),
    line(
        Operation::DropLeftovers,
        Token::Current,
        [MOVED, MOVED, MOVED, MOVED, DONE, DONE, DONE, DONE, MOVED],
    ),
    line(Operation::DropLeftovers, Token::OtherStatus, ALL_MOVED),
    line(
        Operation::DeleteEnded,
        Token::None,
        [NOT, NOT, NOT, NOT, "deleted", "deleted", "deleted", "deleted", NOT],
    ),
    nothing(Operation::Pause),
    nothing(Operation::Resume),
    nothing(Operation::SetLimits),
    nothing(Operation::NoteThrottled),
    nothing(Operation::RecountQueue),
    nothing(Operation::CountRequest),
    nothing(Operation::CountCancel),
    nothing(Operation::TakeLease),
    nothing(Operation::NoteResume),
    nothing(Operation::GiveLeaseBack),
    nothing(Operation::DeleteBatches),
];
