//! The levels of a chart, from the middle outwards.

use serde::{Deserialize, Serialize};

/// What is written for a target, from the middle of the chart outwards.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::VariantNames,
)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum Level {
    /// Eight sub-goals, for a goal.
    SubGoals,
    /// Eight actions, for a sub-goal.
    Actions,
    /// One to eight tasks, for an action.
    Tasks,
}

impl Level {
    /// What is written for what this writes; nothing for tasks.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::SubGoals => Some(Self::Actions),
            Self::Actions => Some(Self::Tasks),
            Self::Tasks => None,
        }
    }

    /// Every level.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;
    /// The name of every level.
    pub const NAMES: &[&str] = <Self as strum::VariantNames>::VARIANTS;

    /// The field of an answer and of a result that holds it.
    #[must_use]
    pub fn field(self) -> &'static str {
        self.into()
    }

    /// How many targets there are from one of this level down to `depth`, itself included.
    #[must_use]
    pub fn targets_to(self, depth: Self) -> i16 {
        match self {
            _ if self >= depth => 1,
            Self::SubGoals => 1 + 8 * Self::Actions.targets_to(depth),
            Self::Actions | Self::Tasks => 1 + 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_chart_has_73_targets_down_to_its_tasks() {
        assert_eq!(Level::SubGoals.targets_to(Level::Tasks), 1 + 8 + 64);
        assert_eq!(Level::SubGoals.targets_to(Level::Actions), 1 + 8);
        assert_eq!(Level::SubGoals.targets_to(Level::SubGoals), 1);
        assert_eq!(Level::Actions.targets_to(Level::Tasks), 1 + 8);
        assert_eq!(Level::Tasks.targets_to(Level::Tasks), 1);
    }

    #[test]
    fn a_level_is_called_on_the_wire_as_in_the_code() {
        for level in Level::ALL {
            assert_eq!(serde_json::to_value(level).unwrap(), level.field());
        }
        assert_eq!(Level::NAMES, ["subGoals", "actions", "tasks"]);
    }
}
