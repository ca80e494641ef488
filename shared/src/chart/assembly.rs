//! The result of a process, put together from what was written for its targets.

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{Action, Chart, Level, Params, Row, Rows, SubGoal, Target, Task};
use crate::process::{
    Assembly, ErrorCode, FailedTarget, Generation, ModelTotal, ModelUsage, Output, Outputs,
    PlannedTarget, ProcessError, total_by_model,
};

/// The result of a process with several targets.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChartResult<'a> {
    /// Which chart.
    goal_id: Uuid,
    /// A goal's own sub-goals, or the sub-goals that something was written for.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_goals: Option<Vec<Node<'a>>>,
    /// The actions that something was written for.
    #[serde(skip_serializing_if = "Option::is_none")]
    actions: Option<Vec<Node<'a>>>,
    /// Whether some targets got nothing.
    partial: bool,
    /// Which ones.
    failed_targets: &'a [FailedTarget],
    /// What the calls cost, model by model.
    usage: Vec<ModelTotal>,
}

/// A field of the chart with what was written for it.
#[derive(Serialize)]
struct Node<'a> {
    #[serde(flatten)]
    field: Field<'a>,
    #[serde(flatten)]
    written: Option<Written<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Field<'a> {
    /// It was in the tables before.
    Existing {
        id: Uuid,
        title: &'a str,
    },
    SubGoal(&'a Row<SubGoal>),
    Action(&'a Row<Action>),
    Task(&'a Row<Task>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Written<'a> {
    SubGoals(Vec<Node<'a>>),
    Actions(Vec<Node<'a>>),
    Tasks(Vec<Node<'a>>),
}

/// The result of a process with one target: its rows, whose children they are, and the cost.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SingleResult<'a> {
    #[serde(flatten)]
    rows: &'a Rows,
    #[serde(skip_serializing_if = "Option::is_none")]
    goal_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_goal_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action_id: Option<Uuid>,
    usage: &'a [ModelUsage],
}

/// The result of a process that wrote `rows` for its only `target`.
pub(super) fn single_result(
    target: &Target,
    rows: &Rows,
    usage: &[ModelUsage],
) -> Result<Value, serde_json::Error> {
    let id_at = |level| (target.level == level).then_some(target.id);
    serde_json::to_value(SingleResult {
        rows,
        goal_id: id_at(Level::SubGoals),
        sub_goal_id: id_at(Level::Actions),
        action_id: id_at(Level::Tasks),
        usage,
    })
}

/// Puts together what was staged for `roots`, and names those that have `gone` from the tables.
pub(super) fn assemble(
    params: &Params,
    roots: &[Target],
    gone: &[PlannedTarget],
    outputs: &Outputs<Chart>,
    usage: &[ModelUsage],
) -> Assembly<Rows> {
    let mut walk = Walk { params, outputs, parts: Vec::new(), failed: Vec::new(), first: None };
    let (mut sub_goals, mut actions) = (None::<Vec<Node<'_>>>, None::<Vec<Node<'_>>>);
    for root in roots {
        let existing = Field::Existing { id: root.id, title: root.title() };
        match walk.target(root) {
            None => {}
            // A goal's own sub-goals stand at the top; other roots are listed by what they are.
            Some(Written::SubGoals(nodes)) => sub_goals = Some(nodes),
            Some(written @ Written::Actions(_)) => {
                let node = Node { field: existing, written: Some(written) };
                sub_goals.get_or_insert_default().push(node);
            }
            Some(written @ Written::Tasks(_)) => {
                let node = Node { field: existing, written: Some(written) };
                actions.get_or_insert_default().push(node);
            }
        }
    }
    for root in gone {
        walk.gone(*root);
    }
    let Walk { parts, failed, first, .. } = walk;
    let result = serde_json::to_value(ChartResult {
        goal_id: params.target_id(),
        sub_goals,
        actions,
        partial: !failed.is_empty(),
        failed_targets: &failed,
        usage: total_by_model(usage),
    });
    let nothing_written = parts.is_empty().then(|| {
        first.unwrap_or_else(|| ProcessError::new(ErrorCode::TargetNotFound, "no target is left"))
    });
    Assembly { parts, failed, result: result.unwrap_or_default(), nothing_written }
}

struct Walk<'a> {
    params: &'a Params,
    outputs: &'a Outputs<Chart>,
    parts: Vec<(Uuid, Rows)>,
    failed: Vec<FailedTarget>,
    /// The first failure.
    first: Option<ProcessError>,
}

impl<'a> Walk<'a> {
    /// What was written for `target`, each row with what was written for it in turn.
    fn target(&mut self, target: &Target) -> Option<Written<'a>> {
        match self.outputs.get(&target.id) {
            Some(Output::Written(rows)) => {
                self.parts.push((target.id, rows.clone()));
                let mut below: Vec<_> = Chart::children(self.params, target, rows)
                    .iter()
                    .map(|child| self.target(child))
                    .collect();
                below.resize_with(rows.len(), || None);
                let below = below.into_iter();
                Some(match rows {
                    Rows::SubGoals(rows) => Written::SubGoals(nodes(rows, below, Field::SubGoal)),
                    Rows::Actions(rows) => Written::Actions(nodes(rows, below, Field::Action)),
                    Rows::Tasks(rows) => Written::Tasks(nodes(rows, below, Field::Task)),
                })
            }
            Some(Output::GivenUp(error)) => self.fail(target, error.clone()),
            None => self.fail(target, ProcessError::new(ErrorCode::ResultMissing, "never staged")),
        }
    }

    /// Nothing can be written for what has gone. Its title went with it; what was to be written for
    /// it shows in its weight.
    fn gone(&mut self, root: PlannedTarget) {
        let error = match self.outputs.get(&root.id) {
            Some(Output::GivenUp(error)) => error.clone(),
            _ => ProcessError::new(ErrorCode::TargetNotFound, "it has gone from the tables"),
        };
        let depth = self.params.depth();
        let level = Level::ALL.iter().find(|level| level.targets_to(depth) == root.weight);
        self.name(root.id, String::new(), level.copied().unwrap_or(depth), error);
    }

    fn fail(&mut self, target: &Target, error: ProcessError) -> Option<Written<'a>> {
        self.name(target.id, target.title().to_owned(), target.level, error);
        None
    }

    fn name(&mut self, target_id: Uuid, title: String, level: Level, error: ProcessError) {
        self.failed.push(FailedTarget {
            target_id,
            title,
            missing: level.field().to_owned(),
            code: error.code,
            message: error.message.clone(),
            retryable: error.code.retryable(),
        });
        self.first.get_or_insert(error);
    }
}

fn nodes<'a, T>(
    rows: &'a [Row<T>],
    below: impl Iterator<Item = Option<Written<'a>>>,
    field: fn(&'a Row<T>) -> Field<'a>,
) -> Vec<Node<'a>> {
    rows.iter().zip(below).map(|(row, written)| Node { field: field(row), written }).collect()
}

#[cfg(test)]
mod tests;
