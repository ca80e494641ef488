//! An operation, and how lists of them are made up.

use proptest::{collection, prelude::*, sample::Index};

/// How the number that somebody names lies to the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    Stale,
    Current,
    Future,
}

impl Number {
    pub const fn of(self, current: i32) -> i32 {
        match self {
            Self::Stale => current - 1,
            Self::Current => current,
            Self::Future => current + 1,
        }
    }
}

/// Who cancels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Owner,
    OtherUser,
    Operator,
}

/// How it ends otherwise than by completing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Failed,
    TimedOut,
}

/// What is done.
#[derive(Debug, Clone)]
pub enum Move {
    Claim,
    Plan { attempt: Number, batches: usize, more: i16 },
    ClaimBatch { batch: Index },
    Stage { attempt: Number, batch: Index, batch_attempt: Number, target: u8 },
    Widen { attempt: Number, wanted: i32 },
    Complete { attempt: Number },
    End { way: Way },
    EndSeen { attempt: Number },
    Cancel { by: By },
}

/// One operation.
#[derive(Debug, Clone)]
pub enum Step {
    /// A user asks for something new.
    Submit {
        user: usize,
    },
    /// Whoever waits is admitted, up to so many.
    Admit {
        most: i32,
    },
    /// An operator sets the limits.
    Limit {
        calls: i16,
        calls_per_user: i16,
    },
    Pause,
    Resume,
    /// Something is done to one of the processes, or to one that is not there.
    To {
        process: Index,
        what: Move,
    },
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        1 => Just(Number::Stale),
        5 => Just(Number::Current),
        1 => Just(Number::Future),
    ]
}

fn what() -> impl Strategy<Value = Move> {
    let index = any::<Index>;
    prop_oneof![
        8 => Just(Move::Claim),
        4 => (number(), 1..4_usize, 0..3_i16)
            .prop_map(|(attempt, batches, more)| Move::Plan { attempt, batches, more }),
        4 => index().prop_map(|batch| Move::ClaimBatch { batch }),
        6 => (number(), index(), number(), 0..6_u8).prop_map(
            |(attempt, batch, batch_attempt, target)| Move::Stage {
                attempt, batch, batch_attempt, target,
            }
        ),
        3 => (number(), 1..6_i32).prop_map(|(attempt, wanted)| Move::Widen { attempt, wanted }),
        4 => number().prop_map(|attempt| Move::Complete { attempt }),
        1 => prop_oneof![Just(Way::Failed), Just(Way::TimedOut)].prop_map(|way| Move::End { way }),
        1 => number().prop_map(|attempt| Move::EndSeen { attempt }),
        2 => prop_oneof![Just(By::Owner), Just(By::OtherUser), Just(By::Operator)]
            .prop_map(|by| Move::Cancel { by }),
    ]
}

/// Lists of steps.
pub fn lists() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..3_usize).prop_map(|user| Step::Submit { user }),
        5 => (0..4_i32).prop_map(|most| Step::Admit { most }),
        1 => (1..8_i16, 1..4_i16)
            .prop_map(|(calls, calls_per_user)| Step::Limit { calls, calls_per_user }),
        1 => Just(Step::Pause),
        2 => Just(Step::Resume),
        26 => (any::<Index>(), what()).prop_map(|(process, what)| Step::To { process, what }),
    ];
    collection::vec(step, 20..70)
}
