//! By what an operation names the state that it was decided in.

/// By what an operation names the state that it was decided in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// It has none.
    None,
    /// The attempt, and where there is one the batch's, are the current ones; or the row is as it
    /// was seen.
    Current,
    /// The attempt before it; or the row as it was seen then.
    Stale,
    /// The attempt after it, which nobody makes yet.
    Future,
    /// The current attempt at the process, and the one before it at the batch.
    StaleBatch,
    /// The current attempt at the process, and the one after it at the batch.
    FutureBatch,
    /// A batch that the current attempt has not planned.
    OtherPlan,
    /// The current attempt at the process, and no batch: for the target that all others follow
    /// from.
    WithoutBatch,
    /// The row was seen in another status.
    OtherStatus,
    /// The user whose process it is.
    Owner,
    /// Another user.
    OtherUser,
    /// Somebody who may do it to everybody's.
    Operator,
    /// A new request for the same target.
    NewRequest,
    /// The same request under the same idempotency key.
    SameKey,
    /// Another request under the same idempotency key.
    OtherBody,
    /// A retry of the process.
    Retry,
    /// An execution is noted already.
    AlreadyNoted,
    /// No result is stored.
    NoResult,
    /// Everything of it is staged.
    AllStaged,
}

impl Token {
    /// As the papers have it, English and Japanese.
    pub const fn names(self) -> [&'static str; 2] {
        match self {
            Self::None => ["", ""],
            Self::Current => ["current", "最新"],
            Self::Stale => ["stale", "古い"],
            Self::Future => ["future", "未来"],
            Self::StaleBatch => ["stale batch attempt", "バッチの試行が古い"],
            Self::FutureBatch => ["future batch attempt", "バッチの試行が未来"],
            Self::OtherPlan => ["batch of another plan", "別の計画のバッチ"],
            Self::WithoutBatch => ["current, no batch", "最新、バッチなし"],
            Self::OtherStatus => ["seen in another status", "別の状態で見た行"],
            Self::Owner => ["owner", "本人"],
            Self::OtherUser => ["another user", "別の利用者"],
            Self::Operator => ["operator", "運用者"],
            Self::NewRequest => ["new request", "新しい要求"],
            Self::SameKey => ["same key, same body", "同じキー、同じ本文"],
            Self::OtherBody => ["same key, other body", "同じキー、別の本文"],
            Self::Retry => ["retry of it", "その再試行"],
            Self::AlreadyNoted => ["execution noted", "実行を記録済み"],
            Self::NoResult => ["no result stored", "結果の保存なし"],
            Self::AllStaged => ["all staged", "すべて書き込み済み"],
        }
    }

    /// What it makes of the number of the current attempt.
    pub const fn attempt(self, current: i32) -> i32 {
        match self {
            Self::Stale => current - 1,
            Self::Future => current + 1,
            _ => current,
        }
    }

    /// The same of the attempt at the batch.
    pub const fn batch_attempt(self, current: i32) -> i32 {
        match self {
            Self::StaleBatch => current - 1,
            Self::FutureBatch => current + 1,
            _ => current,
        }
    }
}
