//! What the history of a process tells.

use strum::VariantArray;

use super::Status;

/// What happened, as a row of `processing_event` names it. The schema admits these and no others.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum EventKind {
    /// It was accepted.
    Submitted,
    /// It had waited, and was given its share of the model calls.
    Admitted,
    /// Its execution was started.
    Started,
    /// A worker began an attempt.
    Claimed,
    /// A worker began an attempt at one of its batches.
    BatchClaimed,
    /// A target was staged.
    Progressed,
    /// A target was given up.
    GivenUp,
    /// It became COMPLETED.
    Completed,
    /// It became FAILED.
    Failed,
    /// It became TIMEOUT.
    TimedOut,
    /// It became CANCELLED.
    Cancelled,
    /// The reconciler changed it.
    Repaired,
}

impl EventKind {
    /// Every kind.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Its name in the history.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The event by which a process reaches `status`; `None` for the statuses it only begins with.
    #[must_use]
    pub const fn of_end(status: Status) -> Option<Self> {
        match status {
            Status::Pending | Status::Processing => None,
            Status::Completed => Some(Self::Completed),
            Status::Failed => Some(Self::Failed),
            Status::Timeout => Some(Self::TimedOut),
            Status::Cancelled => Some(Self::Cancelled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_its_event() {
        for status in Status::ALL {
            assert_eq!(EventKind::of_end(*status).is_some(), status.is_terminal());
        }
        assert_eq!(EventKind::TimedOut.as_str(), "timed-out");
    }
}
