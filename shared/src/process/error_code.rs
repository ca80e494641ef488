//! The closed set of error codes: one table from a code to its HTTP status, whether a retry can
//! help, how loudly it is logged, and what a person is told. Clients rely on the code alone; the
//! same name is the Lambda `errorType` by which the state machine's Retry and Catch choose.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::language::Language;

/// How loudly an error is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// The caller's doing; nothing for an operator to do.
    Info,
    /// Expected to pass by itself; worth watching when it grows.
    Warn,
    /// Someone should look.
    Error,
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident $name:literal $http:literal $retryable:literal $level:ident $ja:literal $en:literal;)+) => {
        /// Why a request was refused or a process ended. See the module for what hangs on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)+
        }

        impl ErrorCode {
            /// Every code, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The code as it stands on the wire, in the database and as Lambda `errorType`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// HTTP status of an answer that carries this code.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$variant => $http,)+ }
            }

            /// Whether the same request, or a retry of the process, may succeed later without
            /// anyone changing anything.
            #[must_use]
            pub const fn retryable(self) -> bool {
                match self { $(Self::$variant => $retryable,)+ }
            }

            /// How loudly it is logged.
            #[must_use]
            pub const fn level(self) -> LogLevel {
                match self { $(Self::$variant => LogLevel::$level,)+ }
            }

            /// What a person is told, and what they can do next.
            #[must_use]
            pub const fn message(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$variant, Language::Japanese) => $ja,
                      (Self::$variant, Language::English) => $en,)+
                }
            }
        }
    };
}

error_codes! {
    /// A field of the request is missing, malformed or out of range; `details` names each.
    ValidationError "VALIDATION_ERROR" 400 false Info
        "入力内容に誤りがあります。details の各項目を直してください。"
        "The request is not valid. Correct the fields named in details.";
    /// `type` is not one of the process types.
    InvalidProcessType "INVALID_PROCESS_TYPE" 400 false Info
        "処理の種類が正しくありません。"
        "The process type is not known.";
    /// An id is not a UUID.
    InvalidUuid "INVALID_UUID" 400 false Info
        "IDの形式が正しくありません。UUIDを指定してください。"
        "The id is not a UUID.";
    /// No valid token came with the request.
    Unauthorized "UNAUTHORIZED" 401 false Info
        "認証が必要です。ログインしてください。"
        "Authentication is required. Sign in and try again.";
    /// The token has expired.
    TokenExpired "TOKEN_EXPIRED" 401 false Info
        "認証の有効期限が切れました。もう一度ログインしてください。"
        "The token has expired. Sign in again.";
    /// It belongs to somebody else.
    Forbidden "FORBIDDEN" 403 false Warn
        "この操作を行う権限がありません。"
        "You are not allowed to do this.";
    /// There is no process with this id.
    ProcessingNotFound "PROCESSING_NOT_FOUND" 404 false Info
        "指定された処理が見つかりません。"
        "There is no such process.";
    /// What should receive the generated rows does not exist.
    TargetNotFound "TARGET_NOT_FOUND" 404 false Info
        "生成の対象が見つかりません。"
        "The target of the generation does not exist.";
    /// The process is not in a state from which it can be retried.
    RetryNotAllowed "RETRY_NOT_ALLOWED" 400 false Info
        "この処理は再試行できません。再試行できるのは、失敗またはタイムアウトした処理と、一部が失敗した処理だけです。"
        "This process cannot be retried: only one that failed, timed out or left targets open can.";
    /// The chain of retries is at its limit.
    MaxRetryExceeded "MAX_RETRY_EXCEEDED" 400 false Info
        "再試行の上限回数に達しました。新しく生成をやり直してください。"
        "The limit of retries is reached. Submit a new generation.";
    /// The process has already ended.
    CancelNotAllowed "CANCEL_NOT_ALLOWED" 400 false Info
        "この処理はすでに終了しているため、キャンセルできません。"
        "This process has already ended and cannot be cancelled.";
    /// The target has children and `replace` was not asked for.
    TargetNotEmpty "TARGET_NOT_EMPTY" 409 false Info
        "対象にはすでに内容があります。置き換える場合は replace を true にしてください。"
        "The target already has children. Set replace to true to replace them.";
    /// Another process of the same type is active on the same target.
    AlreadyRunning "ALREADY_RUNNING" 409 false Info
        "同じ対象の生成がすでに実行中です。完了を待つか、キャンセルしてください。"
        "A generation for this target is already running. Wait for it or cancel it.";
    /// The idempotency key was used with another body.
    IdempotencyKeyReused "IDEMPOTENCY_KEY_REUSED" 409 false Info
        "この Idempotency-Key は別の内容のリクエストで使用済みです。新しいキーを使ってください。"
        "This Idempotency-Key was used with another body. Use a new key.";
    /// Too many requests of one user in a minute.
    RateLimitExceeded "RATE_LIMIT_EXCEEDED" 429 true Info
        "リクエストが多すぎます。しばらく待ってからもう一度お試しください。"
        "Too many requests. Wait and try again.";
    /// The user has as many processes waiting as one may have.
    TooManyWaiting "TOO_MANY_WAITING" 429 true Info
        "順番を待っている処理が多すぎます。いくつかが始まるのを待ってから、もう一度お試しください。"
        "Too many of your generations are waiting. Wait until some have begun, and try again.";
    /// The budget of tokens of the user, or of all users, does not allow it today.
    BudgetExceeded "BUDGET_EXCEEDED" 429 true Warn
        "本日の利用枠を超えるため、受け付けられません。明日もう一度お試しください。"
        "Today's budget does not allow this. Try again tomorrow.";
    /// An operator has paused the service, and new requests are not taken.
    ServicePaused "SERVICE_PAUSED" 503 true Warn
        "ただいま受け付けを停止しています。しばらくしてからもう一度お試しください。"
        "New requests are not taken at the moment. Try again in a while.";
    /// The model failed.
    AiError "AI_ERROR" 500 true Error
        "AIによる生成に失敗しました。しばらくしてから再試行してください。"
        "The AI model failed. Retry in a while.";
    /// Every model was throttled.
    AiThrottling "AI_THROTTLING" 429 true Warn
        "AIサービスが混み合っています。しばらくしてから再試行してください。"
        "The AI service is busy. Retry in a while.";
    /// The model answered, but not with what was asked for.
    AiResponseInvalid "AI_RESPONSE_INVALID" 500 true Error
        "AIの応答が正しい形式ではありませんでした。再試行してください。"
        "The AI model's answer was not usable. Retry.";
    /// The database refused or lost a statement.
    DatabaseError "DATABASE_ERROR" 500 true Error
        "データベースでエラーが発生しました。しばらくしてから再試行してください。"
        "The database failed. Retry in a while.";
    /// The database could not be reached.
    DatabaseConnectionError "DATABASE_CONNECTION_ERROR" 503 true Error
        "データベースに接続できません。しばらくしてから再試行してください。"
        "The database cannot be reached. Retry in a while.";
    /// A constraint of the database refused the data.
    DatabaseConstraintViolation "DATABASE_CONSTRAINT_VIOLATION" 400 false Error
        "データの整合性を保てないため、保存できませんでした。"
        "The data breaks a rule of the database and was not stored.";
    /// The worker ran out of time and ended itself.
    TimeoutError "TIMEOUT_ERROR" 504 true Error
        "時間内に処理が終わりませんでした。再試行してください。"
        "The work did not end in time. Retry.";
    /// Step Functions ended the execution for its time limit.
    StepFunctionsTimeout "STEP_FUNCTIONS_TIMEOUT" 504 true Error
        "処理全体の制限時間を超えました。再試行してください。"
        "The execution ran past its time limit. Retry.";
    /// Step Functions failed, or cannot start the execution.
    StepFunctionsError "STEP_FUNCTIONS_ERROR" 500 false Error
        "処理の実行基盤でエラーが発生しました。"
        "The workflow engine failed.";
    /// The worker died without saying why.
    LambdaError "LAMBDA_ERROR" 500 false Error
        "処理プログラムが異常終了しました。"
        "The worker ended abnormally.";
    /// The worker could not be started, or Lambda failed: throttled, pending, without network.
    LambdaUnavailable "LAMBDA_UNAVAILABLE" 503 true Error
        "処理プログラムを起動できませんでした。しばらくしてから再試行してください。"
        "The worker could not be started. Retry in a while.";
    /// A defect or a wrong configuration of ours; `errorId` finds it in the logs.
    InternalError "INTERNAL_ERROR" 500 false Error
        "内部エラーが発生しました。errorId を添えてお問い合わせください。"
        "An internal error occurred. Contact support with the errorId.";
    /// The execution is gone (its history expired) and the process never ended.
    ExecutionNotFound "EXECUTION_NOT_FOUND" 500 true Error
        "処理の実行記録が見つかりません。再試行してください。"
        "The execution of this process no longer exists. Retry.";
    /// The execution succeeded, but no result is stored.
    ResultMissing "RESULT_MISSING" 500 true Error
        "処理は終了しましたが、結果が保存されていません。再試行してください。"
        "The execution ended, but its result is missing. Retry.";
    /// An operator ended the process by hand.
    ManualIntervention "MANUAL_INTERVENTION" 500 true Warn
        "運用担当者が処理を終了しました。"
        "An operator ended this process.";
}

impl ErrorCode {
    /// Whether it says that a time limit was over: then a process ends as TIMEOUT.
    #[must_use]
    pub const fn is_time_limit(self) -> bool {
        matches!(self, Self::TimeoutError | Self::StepFunctionsTimeout)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ErrorCode {
    type Err = UnknownErrorCode;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name).ok_or(UnknownErrorCode)
    }
}

/// The text is not one of our codes: it comes from Lambda, Step Functions or a foreign hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an error code of this system")]
pub struct UnknownErrorCode;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_from_its_own_name() {
        for code in ErrorCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn names_are_distinct_and_both_languages_speak() {
        let mut names: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert_ne!(code.message(Language::Japanese), code.message(Language::English));
        }
    }

    #[test]
    fn the_callers_mistakes_are_not_retryable_and_do_not_alarm() {
        for code in ErrorCode::ALL.iter().filter(|code| (400..429).contains(&code.http_status())) {
            assert!(!code.retryable(), "{code}");
            let level = match code {
                ErrorCode::DatabaseConstraintViolation => continue,
                // Honest clients do not come to other users' things: somebody should look.
                ErrorCode::Forbidden => LogLevel::Warn,
                _ => LogLevel::Info,
            };
            assert_eq!(code.level(), level, "{code}");
        }
    }
}
