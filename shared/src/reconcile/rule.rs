//! The rules by name: the same id stands in code, tests, reports, logs, metrics, history and docs.

use std::fmt;

use serde::Serialize;

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident $meaning:literal,)+) => {
        /// A rule of section 9 of the design.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize,
        )]
        pub enum Rule {
            $($(#[$doc])* $rule,)+
        }

        impl Rule {
            /// Every rule, in order.
            pub const ALL: &[Self] = &[$(Self::$rule,)+];

            /// Its id.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$rule => stringify!($rule),)+ }
            }

            /// What it says, for operators.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$rule => $meaning,)+ }
            }
        }
    };
}

rules! {
    /// Admitted, never started.
    R1 "PENDING, admitted longer ago than the start grace, and no execution: start it under the \
        same name; after 3 failed starts over 15 minutes FAILED STEP_FUNCTIONS_ERROR",
    /// All is well.
    R2 "active, and the execution is running within its time limit and grace; or waiting, and \
        there is none: leave it",
    /// Only the status is missing.
    R3 "active, the execution succeeded, and the result is stored: COMPLETED, progress 100",
    /// Success without a result.
    R4 "active, the execution succeeded, and no result is stored: FAILED RESULT_MISSING",
    /// The execution failed behind the process's back.
    R5 "active, the execution failed: FAILED (TIMEOUT if its error is a time-out) with the \
        execution's error and evidence from the log",
    /// The execution timed out behind the process's back.
    R6 "active, the execution timed out: TIMEOUT STEP_FUNCTIONS_TIMEOUT with evidence from the log",
    /// Somebody stopped the execution.
    R7 "active, the execution was aborted: CANCELLED",
    /// The execution is gone.
    R8 "PROCESSING, or PENDING with an ARN, and there is no such execution (its history \
        expired): FAILED EXECUTION_NOT_FOUND",
    /// The execution runs for too long.
    R9 "active, the execution is running past its time limit and grace: stop it, then TIMEOUT \
        STEP_FUNCTIONS_TIMEOUT with evidence from the log",
    /// The process has ended, the execution has not.
    R10 "CANCELLED, ended by hand, or ended longer ago than the grace, and the execution is \
        running: stop it",
    /// Completed all the same.
    R11 "COMPLETED, and the execution failed, timed out or was aborted: leave it, report it",
    /// Progress that no status allows.
    R12 "progress outside 0-100, or 100 and not COMPLETED: clamp it to 0-99",
    /// Completed is 100.
    R13 "COMPLETED, and progress is not 100: set it to 100",
    /// Terminal has a time of end, active has none.
    R14 "terminal without completed_at: set it to updated_at; active with one: clear it",
    /// A wake-up was lost.
    R15 "waiting, and capacity is free: admit it",
    /// What only an active process needs.
    R16 "terminal, with staged outputs or batches: delete them",
    /// An older state of the database was restored, or it is another one.
    R17 "no process of this id (a backup was restored, a row was deleted, or it is another \
        database), and its execution is running: leave it, as its worker finds no row and ends \
        it; report it",
}

impl Rule {
    /// Whether the worker's log may know more about an ending by this rule.
    #[must_use]
    pub const fn wants_evidence(self) -> bool {
        matches!(self, Self::R5 | Self::R6 | Self::R9)
    }

    /// Whether the rule names a disagreement: all but R2, by which all is well.
    #[must_use]
    pub const fn is_drift(self) -> bool {
        !matches!(self, Self::R2)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
