//! The Mandala chart: the one kind of generation that the product has. One goal, eight sub-goals
//! around it, eight actions around each sub-goal, tasks under each action.
//!
//! | file | holds |
//! |---|---|
//! | `level` | the levels from the middle outwards |
//! | `item` | sub-goals, actions and tasks, and the limits of their texts |
//! | `params`, `request` | what may be asked for, and reading it |
//! | `target` | what is written for, with its ancestors |
//! | `schema`, `prompt` | what a model is asked |
//! | `answer`, `draft` | whether it wrote that, and what is kept while the rest is repaired |
//! | `assembly` | the result, put together from what was written for each target |
//!
//! Only this room and [`crate::store`]'s `chart/` name sub-goals, actions and tasks. All else
//! knows them as [`Generation`].

mod answer;
mod assembly;
mod draft;
mod item;
mod level;
mod params;
mod prompt;
mod request;
mod schema;
mod target;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

pub use self::{
    answer::{ChartRejection, parse_answer},
    draft::Draft,
    item::{
        ACTIONS, Action, ActionType, BACKGROUND_LENGTH, DESCRIPTION_LENGTH, Row, Rows, SUB_GOALS,
        SubGoal, TASK_DESCRIPTION_LENGTH, TASK_MINUTES, TASK_TITLE_LENGTH, TASKS, TITLE_LENGTH,
        Task,
    },
    level::Level,
    params::{ChartParams, ChartType, GoalParams, Needs, Params, Part, PartParams},
    prompt::{DATA_BUDGET, repair_prompt, write_prompt},
    schema::{repair_schema, schema},
    target::{GoalText, PartText, Target},
};
use crate::{
    process::{
        Assembly, Generation, ModelUsage, Outputs, PlannedTarget, ProcessType, Prompt,
        UnreadableParams,
    },
    validation::Reader,
};

/// The Mandala chart as a kind of generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chart {}

impl Generation for Chart {
    type Params = Params;
    type Target = Target;
    type Written = Rows;
    type Draft = Draft;

    const TYPE_NAMES: &'static [&'static str] = ChartType::NAMES;
    const LEAF: &'static str = "tasks";

    fn read_params(
        name: &str,
        reader: &mut Reader<'_>,
        params: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Option<Params> {
        request::read_params(name.parse().ok()?, reader, params, now)
    }

    fn to_stored(params: &Params) -> Result<Value, serde_json::Error> {
        params.to_stored()
    }

    fn parse_stored(
        process_type: &ProcessType,
        stored: &Value,
    ) -> Result<Params, UnreadableParams> {
        Params::parse_stored(process_type, stored)
    }

    fn process_type(params: &Params) -> ProcessType {
        params.chart_type().into()
    }

    fn target_id(params: &Params) -> Uuid {
        params.target_id()
    }

    fn target_must_exist(params: &Params) -> bool {
        params.new_goal().is_none()
    }

    fn replace(params: &Params) -> bool {
        params.replace()
    }

    fn only_what_is_open(params: &Params) -> bool {
        params.only_what_is_open()
    }

    fn planned_calls(params: &Params) -> i16 {
        params.planned_calls()
    }

    fn has_several_targets(params: &Params) -> bool {
        params.has_several_targets()
    }

    fn leading_root(params: &Params) -> Option<Target> {
        params.new_goal().filter(|_| params.has_several_targets()).map(Target::goal)
    }

    fn params_for_retry(params: Params, result: Option<&Value>) -> Params {
        params.for_retry_after(result)
    }

    fn id(target: &Target) -> Uuid {
        target.id
    }

    fn weight(params: &Params, target: &Target) -> i16 {
        target.level.targets_to(params.depth())
    }

    fn children(params: &Params, target: &Target, written: &Rows) -> Vec<Target> {
        if target.level < params.depth() { target.children(written) } else { Vec::new() }
    }

    fn planned_children(params: &Params, written: &Rows) -> Vec<PlannedTarget> {
        let (level, ids): (_, Vec<Uuid>) = match written {
            Rows::SubGoals(rows) => (Level::Actions, rows.iter().map(|row| row.id).collect()),
            Rows::Actions(rows) => (Level::Tasks, rows.iter().map(|row| row.id).collect()),
            Rows::Tasks(_) => return Vec::new(),
        };
        if level > params.depth() {
            return Vec::new();
        }
        let weight = level.targets_to(params.depth());
        ids.into_iter().map(|id| PlannedTarget { id, weight }).collect()
    }

    fn prompt(target: &Target) -> Prompt {
        write_prompt(target)
    }

    fn repair_prompt(target: &Target, rejection: &ChartRejection) -> Prompt {
        repair_prompt(target, rejection)
    }

    fn read_answer(
        target: &Target,
        answer: &Value,
        draft: Option<Draft>,
        new_id: &mut dyn FnMut() -> Uuid,
    ) -> Result<Rows, ChartRejection> {
        parse_answer(target.level, answer, draft, new_id)
    }

    fn single_result(
        target: &Target,
        written: &Rows,
        usage: &[ModelUsage],
    ) -> Result<Value, serde_json::Error> {
        assembly::single_result(target, written, usage)
    }

    fn assemble(
        params: &Params,
        roots: &[Target],
        gone: &[PlannedTarget],
        outputs: &Outputs<Self>,
        usage: &[ModelUsage],
    ) -> Assembly<Rows> {
        assembly::assemble(params, roots, gone, outputs, usage)
    }
}
