//! How a process may move. The statements of the store name the same states (tests try every move
//! from every state), so this is the one place to read the protocol:
//!
//! ```text
//! PENDING ──claim──► PROCESSING ──complete──► COMPLETED
//!    │                │  ▲ claim (a newer attempt fences off the older)
//!    │                └──┘
//!    └──── fail, time out, cancel (from both) ───► FAILED, TIMEOUT, CANCELLED
//! ```

use super::Status;

/// A move that somebody wants to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::VariantArray)]
pub enum Transition {
    /// A worker begins an attempt.
    Claim,
    /// The worker of the current attempt has made progress.
    Progress,
    /// The worker of the current attempt stores everything it generated.
    Complete,
    /// An error ends the process.
    Fail,
    /// A time limit ends the process.
    TimeOut,
    /// A person ends the process.
    Cancel,
}

impl Transition {
    /// Every move.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Where the move leads from `status`, or a refusal that says where the process stands.
    ///
    /// # Errors
    /// [`Refused`] when the protocol has no such move: above all, nothing leaves a terminal status.
    pub const fn from(self, status: Status) -> Result<Status, Refused> {
        match (self, status) {
            (Self::Claim, Status::Pending | Status::Processing)
            | (Self::Progress, Status::Processing) => Ok(Status::Processing),
            (Self::Complete, Status::Processing) => Ok(Status::Completed),
            (Self::Fail, Status::Pending | Status::Processing) => Ok(Status::Failed),
            (Self::TimeOut, Status::Pending | Status::Processing) => Ok(Status::Timeout),
            (Self::Cancel, Status::Pending | Status::Processing) => Ok(Status::Cancelled),
            (_, current) => Err(Refused { current }),
        }
    }
}

/// The process is not in a state that the move may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the process is {current}")]
pub struct Refused {
    /// Where it stands.
    pub current: Status,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_a_terminal_status() {
        for status in Status::ALL.iter().filter(|status| status.is_terminal()) {
            for transition in Transition::ALL {
                assert_eq!(transition.from(*status), Err(Refused { current: *status }));
            }
        }
    }

    #[test]
    fn only_a_claimed_process_makes_progress_or_completes() {
        assert!(Transition::Progress.from(Status::Pending).is_err());
        assert!(Transition::Complete.from(Status::Pending).is_err());
        assert_eq!(Transition::Complete.from(Status::Processing), Ok(Status::Completed));
    }

    #[test]
    fn no_move_leads_back_to_pending() {
        for status in Status::ALL {
            for transition in Transition::ALL {
                assert_ne!(transition.from(*status), Ok(Status::Pending));
            }
        }
    }
}
