//! What a process is: one requested generation, one row of `processing_state`.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{error_code::ErrorCode, logs::Evidence};

/// Id of a process, and the name of the execution that drives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcessId(pub Uuid);

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The `sub` claim of a user's JWT: 1–255 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub String);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An enum whose variants have one name each on the wire and in the database.
macro_rules! named_enum {
    ($(#[$doc:meta])* $enum:ident, $unknown:literal, { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $enum {
            $($(#[$variant_doc])* #[serde(rename = $name)] $variant,)+
        }

        impl $enum {
            /// Every variant.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name on the wire and in the database.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $enum {
            type Err = UnknownName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|each| each.as_str() == name).ok_or_else(|| UnknownName { what: $unknown, name: name.to_owned() })
            }
        }
    };
}

named_enum! {
    /// What a process generates.
    ProcessType, "process type", {
        /// Eight sub-goals for a goal.
        SubgoalGeneration = "SUBGOAL_GENERATION",
        /// Eight actions for a sub-goal, or for each sub-goal of a goal.
        ActionGeneration = "ACTION_GENERATION",
        /// One to eight tasks for an action, or for each action of a goal.
        TaskGeneration = "TASK_GENERATION",
        /// From a goal to its whole chart, as deep as is asked for.
        ChartGeneration = "CHART_GENERATION",
    }
}

named_enum! {
    /// Where a process stands. Active: PENDING and PROCESSING; terminal: the others.
    Status, "status", {
        /// Accepted and stored; no worker has claimed it.
        Pending = "PENDING",
        /// A worker has claimed it.
        Processing = "PROCESSING",
        /// Done; what it generated is in the goal tables.
        Completed = "COMPLETED",
        /// Ended by an error; nothing has changed.
        Failed = "FAILED",
        /// Ended by a time limit; nothing has changed.
        Timeout = "TIMEOUT",
        /// Ended by a person; nothing has changed.
        Cancelled = "CANCELLED",
    }
}

impl Status {
    /// Whether the process may still change.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Pending | Self::Processing)
    }

    /// Whether the status is final.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !self.is_active()
    }
}

/// A name that is none of the known ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a known {what}")]
pub struct UnknownName {
    what: &'static str,
    name: String,
}

/// Why a process ended, as its row keeps it. `cause` is for operators; users see the code and a
/// message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessError {
    /// The code.
    pub code: ErrorCode,
    /// What a person is told. An operator who ends a process by hand writes their own.
    pub message: String,
    /// What happened, in words for operators: never shown to users, never containing user text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The last errors in the log about it, for operators.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

impl ProcessError {
    /// An error with the code's own message.
    #[must_use]
    pub fn new(code: ErrorCode, cause: impl Into<String>) -> Self {
        Self {
            code,
            message: code.message(crate::language::Language::default()).to_owned(),
            cause: Some(cause.into()),
            evidence: Vec::new(),
        }
    }

    /// Reads the `error` column, which foreign hands may have written: whatever is not ours counts
    /// as manual intervention.
    #[must_use]
    pub fn from_stored(stored: &Value) -> Self {
        serde_json::from_value(stored.clone()).unwrap_or_else(|_| {
            let text = |field: &str| stored.get(field).and_then(Value::as_str);
            let code = text("code")
                .and_then(|code| code.parse().ok())
                .unwrap_or(ErrorCode::ManualIntervention);
            let message = text("message")
                .unwrap_or_else(|| code.message(crate::language::Language::default()))
                .to_owned();
            Self { code, message, cause: None, evidence: Vec::new() }
        })
    }
}

/// A process as its row tells it. Foreign hands may have left a row half right, so what a status
/// should bring along is optional here: reading never fails for it, and the reconciler mends it.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// Its id.
    pub id: ProcessId,
    /// Who asked for it.
    pub user_id: UserId,
    /// What it generates.
    pub process_type: ProcessType,
    /// Where it stands.
    pub status: Status,
    /// Whose children it generates.
    pub target_id: Uuid,
    /// The validated params of the request.
    pub params: Value,
    /// Percent as stored; see [`Process::shown_progress`].
    pub progress: i16,
    /// What was generated.
    pub result: Option<Value>,
    /// Why it ended.
    pub error: Option<ProcessError>,
    /// How many retries lie before it in its chain.
    pub retry_count: i16,
    /// The process that it retries.
    pub original_process_id: Option<ProcessId>,
    /// The current worker run, from 1; 0 before the first.
    pub attempt: i32,
    /// Known once the execution has been started.
    pub execution_arn: Option<String>,
    /// Why it was cancelled, in the words of who did.
    pub cancel_reason: Option<String>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When the first worker claimed it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it reached its terminal status.
    pub completed_at: Option<DateTime<Utc>>,
}

impl Process {
    /// Percent as a client sees it: 100 exactly when COMPLETED, and within 0–100 whatever foreign
    /// hands wrote.
    #[must_use]
    pub fn shown_progress(&self) -> i16 {
        match self.status {
            Status::Completed => 100,
            _ => self.progress.clamp(0, 99),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_read_back() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
            assert_ne!(status.is_active(), status.is_terminal());
        }
        for process_type in ProcessType::ALL {
            assert_eq!(process_type.as_str().parse(), Ok(*process_type));
        }
        assert_eq!(
            "DONE".parse::<Status>().unwrap_err().to_string(),
            r#""DONE" is not a known status"#
        );
    }

    #[test]
    fn a_hand_written_error_is_read_as_far_as_it_goes() {
        let manual = ProcessError::from_stored(
            &json!({"code": "MANUAL_INTERVENTION", "message": "stuck since noon"}),
        );
        assert_eq!(
            (manual.code, manual.message.as_str()),
            (ErrorCode::ManualIntervention, "stuck since noon")
        );
        let foreign = ProcessError::from_stored(&json!({"code": "WHATEVER", "message": "mine"}));
        assert_eq!(
            (foreign.code, foreign.message.as_str()),
            (ErrorCode::ManualIntervention, "mine")
        );
        assert_eq!(ProcessError::from_stored(&json!("broken")).code, ErrorCode::ManualIntervention);
        assert_eq!(
            ProcessError::from_stored(&json!({"code": "AI_ERROR"})).code,
            ErrorCode::AiError
        );
    }
}
