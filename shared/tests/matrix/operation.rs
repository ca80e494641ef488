//! The operations, by the method of the store that each is.

use shared::process::Status;

/// Which test does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Beginning,
    Working,
    Ending,
    Around,
}

/// An operation of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Submit,
    AcceptBatch,
    Admit,
    WouldAdmit,
    RecordStarts,
    NoteStartTry,
    NoteStarted,
    NoteStopped,
    Claim,
    Widen,
    PlanBatches,
    ClaimBatch,
    Stage,
    StageOrReadBack,
    CloseBatch,
    RestBatch,
    Complete,
    Finish,
    EndFailed,
    EndTimedOut,
    EndCancelled,
    Cancel,
    CancelBatch,
    EndSeen,
    CompleteFromStored,
    Mend,
    AddEvidence,
    DropLeftovers,
    DeleteEnded,
    DeleteBatches,
    Pause,
    Resume,
    SetLimits,
    NoteThrottled,
    RecountQueue,
    CountRequest,
    CountCancel,
    TakeLease,
    NoteResume,
    GiveLeaseBack,
}

impl Operation {
    /// The method, as the source has it.
    pub const fn method(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::AcceptBatch => "accept_batch",
            Self::Admit => "admit",
            Self::WouldAdmit => "would_admit",
            Self::RecordStarts => "record_starts",
            Self::NoteStartTry => "note_start_try",
            Self::NoteStarted => "note_started",
            Self::NoteStopped => "note_stopped",
            Self::Claim => "claim",
            Self::Widen => "widen",
            Self::PlanBatches => "plan_batches",
            Self::ClaimBatch => "claim_batch",
            Self::Stage => "stage",
            Self::StageOrReadBack => "stage_or_read_back",
            Self::CloseBatch => "close_batch",
            Self::RestBatch => "rest_batch",
            Self::Complete => "complete",
            Self::Finish => "finish",
            Self::EndFailed | Self::EndTimedOut | Self::EndCancelled => "end",
            Self::Cancel => "cancel",
            Self::CancelBatch => "cancel_batch",
            Self::EndSeen => "end_seen",
            Self::CompleteFromStored => "complete_from_stored",
            Self::Mend => "mend",
            Self::AddEvidence => "add_evidence",
            Self::DropLeftovers => "drop_leftovers",
            Self::DeleteEnded => "delete_ended",
            Self::DeleteBatches => "delete_batches",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::SetLimits => "set_limits",
            Self::NoteThrottled => "note_throttled",
            Self::RecountQueue => "recount_queue",
            Self::CountRequest => "count_request",
            Self::CountCancel => "count_cancel",
            Self::TakeLease => "take_lease",
            Self::NoteResume => "note_resume",
            Self::GiveLeaseBack => "give_lease_back",
        }
    }

    /// As the papers have it: the method, and with what where that matters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EndFailed => "end (FAILED)",
            Self::EndTimedOut => "end (TIMEOUT)",
            Self::EndCancelled => "end (CANCELLED)",
            _ => self.method(),
        }
    }

    /// Which test does it.
    pub const fn group(self) -> Group {
        match self {
            Self::Submit
            | Self::AcceptBatch
            | Self::Admit
            | Self::WouldAdmit
            | Self::RecordStarts
            | Self::NoteStartTry
            | Self::NoteStarted
            | Self::NoteStopped => Group::Beginning,
            Self::Claim
            | Self::Widen
            | Self::PlanBatches
            | Self::ClaimBatch
            | Self::Stage
            | Self::StageOrReadBack
            | Self::CloseBatch
            | Self::RestBatch
            | Self::Complete
            | Self::Finish => Group::Working,
            Self::EndFailed
            | Self::EndTimedOut
            | Self::EndCancelled
            | Self::Cancel
            | Self::CancelBatch
            | Self::EndSeen
            | Self::CompleteFromStored
            | Self::Mend
            | Self::AddEvidence
            | Self::DropLeftovers
            | Self::DeleteEnded => Group::Ending,
            _ => Group::Around,
        }
    }

    /// Whether it writes what belongs to no process, whatever becomes of the process.
    pub const fn is_global(self) -> bool {
        matches!(self.group(), Group::Around) || matches!(self, Self::CancelBatch)
    }

    /// What it writes into the history of the process when it is done, and the status to which it
    /// leads; `None`: the status stays.
    pub const fn writes(self) -> (&'static [&'static str], Option<Status>) {
        match self {
            Self::Admit => (&["admitted"], None),
            Self::RecordStarts => (&["started"], None),
            Self::NoteStarted | Self::NoteStopped | Self::Mend | Self::DropLeftovers => {
                (&["repaired"], None)
            }
            Self::Claim => (&["claimed"], Some(Status::Processing)),
            Self::ClaimBatch => (&["batch-claimed"], None),
            Self::Stage | Self::StageOrReadBack => (&["progressed"], None),
            Self::Complete | Self::Finish => (&["completed"], Some(Status::Completed)),
            Self::EndFailed => (&["failed"], Some(Status::Failed)),
            Self::EndTimedOut => (&["timed-out"], Some(Status::Timeout)),
            Self::EndCancelled | Self::Cancel | Self::CancelBatch => {
                (&["cancelled"], Some(Status::Cancelled))
            }
            Self::EndSeen => (&["repaired"], Some(Status::Failed)),
            Self::CompleteFromStored => (&["repaired"], Some(Status::Completed)),
            _ => (&[], None),
        }
    }
}
