//! Who makes a change.

use strum::VariantArray;

/// Who makes a change, as the history names them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub enum Actor {
    /// The user whose process it is.
    User,
    /// A direct invocation, whom IAM has let through.
    Operator,
    /// The worker.
    Worker,
    /// The reconciler.
    Reconciler,
}

impl Actor {
    /// Every actor.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Its name in the history.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
