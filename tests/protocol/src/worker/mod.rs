//! The worker, statement by statement: `functions/worker/src`. What it has in memory is in its
//! program counter, and is lost with it.

mod batch;
mod finish;
mod whole;

use shared::process::{ErrorCode, Failure};

use crate::{
    instance::{Instance, Trouble},
    state::{Answer, At, Call, Code, Fault, Fence, Job, Row, State},
    store::{self, BatchClaim, Claim, Standing},
};

pub use self::batch::asked;
use self::{
    batch::{look, write},
    finish::{Applying, apply, finish},
    whole::{begin_single, half_done, plan, single, widen},
};

/// How a step goes, where that is not the worker's to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Choice {
    /// Well, and in the order of the program.
    Go,
    /// The watcher looks, and the process is not the worker's any more.
    Watch,
    /// The models answer for this target of a batch before they do for another.
    Answered(u8),
    /// The models do not answer, for this target where there are several.
    Model(Trouble, u8),
    /// The statement fails, and changes nothing.
    Fails,
    /// The statement is committed, and its answer is lost.
    AnswerLost,
    /// Step Functions does not find yet what it has started.
    Lag,
}

/// Looks before it gives up: `MAX_ATTEMPTS` in `finish.rs`.
const MOST_LOOKS: u8 = 3;

const fn failed(code: ErrorCode) -> At {
    At::Answer(Answer::Failed(Fault::Code(Code(code))))
}

const DONE: At = At::Answer(Answer::Done);

/// Models that do not answer, as `ask.rs` tells it.
fn failure(trouble: Trouble) -> Failure {
    let of = |code| Failure::new(code, "");
    match trouble {
        Trouble::Throttled => of(ErrorCode::AiThrottling),
        Trouble::Invalid => of(ErrorCode::AiResponseInvalid),
        Trouble::Refused => Failure::content_refused(""),
        Trouble::Late => of(ErrorCode::TimeoutError),
        _ => of(ErrorCode::AiError),
    }
}

fn fault(failure: &Failure) -> Fault {
    if failure.is_final { Fault::ContentRefused } else { failure.code.into() }
}

fn failure_of(fault: Fault) -> Failure {
    match fault {
        Fault::Code(Code(code)) => Failure::new(code, ""),
        Fault::ContentRefused => Failure::content_refused(""),
        _ => Failure::internal(""),
    }
}

/// `output_of_stopped`: the answer of a worker that is fenced.
fn fenced(row: &Row, fence: Fence) -> At {
    match store::standing(row, fence) {
        Standing::Ended => DONE,
        Standing::Current | Standing::Overtaken => At::Answer(Answer::Failed(Fault::Overtaken)),
    }
}

/// One step of `call`, which is the worker's. Where it is then.
pub fn step(instance: &Instance, state: &mut State, call: Call, choice: Choice) -> At {
    let id = call.id;
    let guards = instance.guards;
    if let At::Claimed(attempt) = call.at
        && let Some(row) = state.row(id).filter(|row| !row.several)
    {
        return begin_single(state, row, attempt);
    }
    let Some(row) = state.rows[usize::from(id)].as_mut() else {
        return failed(ErrorCode::ProcessingNotFound);
    };
    match (call.at, call.job) {
        (At::Queued, Job::Generate) => match store::claim(guards, row) {
            Claim::Claimed(attempt) => At::Claimed(attempt),
            Claim::Planned(plan, batches) => At::Answer(Answer::Planned(plan, batches)),
            Claim::Ended => DONE,
        },
        (At::Queued, Job::Batch(batch) | Job::GiveUp(batch, _)) => {
            match store::claim_batch(row, batch) {
                BatchClaim::Claimed(fence, whole) => At::BatchClaimed(fence, whole),
                BatchClaim::Ended => DONE,
                BatchClaim::Overtaken => At::Answer(Answer::Failed(Fault::Overtaken)),
            }
        }
        (At::Claimed(attempt), _) => widen(instance, state, id, attempt),
        (At::Widened(attempt, share, roots), _) => plan(instance, row, attempt, share, roots),
        (At::Asking(attempt), _) => single(instance, state, id, attempt, choice),
        (At::HalfDone(attempt), _) => half_done(instance, state, id, attempt),
        (At::BatchClaimed(fence, whole), job) => look(state, id, fence, whole, job),
        (At::Writing(writing), job) => write(instance, state, id, writing, job, choice),
        (At::Finish(by, looks), _) => finish(instance, state, id, by, looks),
        (At::Applying { by, looks, attempt, parts, failed, error }, _) => {
            apply(instance, state, id, Applying { by, looks, attempt, parts, failed, error })
        }
        (at, _) => at,
    }
}
