//! A kind of generation that is as small as one can be, so that the product's own functions over
//! kinds ([`open_in_plan`], [`batches`]) run in the model: targets are numbers, and nothing follows
//! from any.

use std::{collections::HashMap, convert::Infallible};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use shared::{
    process::{
        Assembly, Generation, ModelUsage, Output, Outputs, PlannedTarget, ProcessError,
        ProcessType, Prompt, Rejection, UnreadableParams,
        generation::{batches, open_in_plan},
    },
    validation::Reader,
};
use uuid::Uuid;

use crate::state::{Mask, Out, Row, members};

/// The kind.
#[derive(Debug, Clone, Copy)]
pub enum Toy {}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    several: bool,
    wanted: Mask,
}

fn id(target: u8) -> Uuid {
    Uuid::from_u128(target.into())
}

fn number(id: Uuid) -> u8 {
    u8::try_from(id.as_u128()).unwrap_or(u8::MAX)
}

const PARAMS: Params = Params { several: true, wanted: 0 };

/// What is planned and neither written nor given up, by the product's [`open_in_plan`].
#[must_use]
pub fn open(planned: Mask, row: &Row) -> Mask {
    let planned: Vec<_> =
        members(planned).map(|target| PlannedTarget { id: id(target), weight: 1 }).collect();
    let outputs: Outputs<Toy> = (0..)
        .zip(row.outputs)
        .filter_map(|(target, out)| {
            let output = match out? {
                Out::Written => Output::Written(()),
                Out::GivenUp(code) => Output::GivenUp(ProcessError {
                    code: code.0,
                    message: String::new(),
                    cause: None,
                    evidence: Vec::new(),
                }),
            };
            Some((id(target), output))
        })
        .collect::<HashMap<_, _>>();
    let open = open_in_plan::<Toy>(&PARAMS, &planned, &outputs);
    open.iter().fold(0, |mask, target| mask | 1 << number(target.id))
}

/// In which batches `roots` are written, by the product's [`batches`].
#[must_use]
pub fn batches_of(roots: Mask, count: u8) -> Vec<Mask> {
    let roots: Vec<u8> = members(roots).collect();
    batches::<Toy>(&PARAMS, &roots, count.into())
        .iter()
        .map(|batch| batch.iter().fold(0, |mask, target| mask | 1 << number(target.id)))
        .collect()
}

impl Generation for Toy {
    type Params = Params;
    type Target = u8;
    type Written = ();
    type Draft = Infallible;

    const TYPE_NAMES: &'static [&'static str] = &["TOY"];
    const LEAF: &'static str = "toy";

    fn read_params(
        _: &str,
        _: &mut Reader<'_>,
        _: &Map<String, Value>,
        _: DateTime<Utc>,
    ) -> Option<Params> {
        None
    }

    fn to_stored(_: &Params) -> Result<Value, serde_json::Error> {
        Ok(Value::Null)
    }

    fn parse_stored(_: &ProcessType, _: &Value) -> Result<Params, UnreadableParams> {
        Ok(PARAMS)
    }

    fn process_type(_: &Params) -> ProcessType {
        ProcessType::new("TOY")
    }

    fn target_id(_: &Params) -> Uuid {
        Uuid::nil()
    }

    fn target_must_exist(_: &Params) -> bool {
        true
    }

    fn replace(_: &Params) -> bool {
        false
    }

    fn only_what_is_open(_: &Params) -> bool {
        false
    }

    fn planned_calls(params: &Params) -> i16 {
        i16::try_from(params.wanted.count_ones()).unwrap_or(1)
    }

    fn has_several_targets(params: &Params) -> bool {
        params.several
    }

    fn leading_root(_: &Params) -> Option<u8> {
        None
    }

    fn params_for_retry(params: Params, _: Option<&Value>) -> Params {
        params
    }

    fn id(target: &u8) -> Uuid {
        id(*target)
    }

    fn weight(_: &Params, _: &u8) -> i16 {
        1
    }

    fn children(_: &Params, _: &u8, (): &()) -> Vec<u8> {
        Vec::new()
    }

    fn planned_children(_: &Params, (): &()) -> Vec<PlannedTarget> {
        Vec::new()
    }

    fn prompt(_: &u8) -> Prompt {
        Prompt {
            system: String::new(),
            context: String::new(),
            question: String::new(),
            tool: "toy",
            tool_description: "toy",
            schema: Value::Null,
            max_tokens: 1,
            schema_recurs: false,
            context_recurs: false,
        }
    }

    fn repair_prompt(target: &u8, _: &Rejection<Infallible>) -> Prompt {
        Self::prompt(target)
    }

    fn read_answer(
        _: &u8,
        _: &Value,
        _: Option<Infallible>,
        _: &mut dyn FnMut() -> Uuid,
    ) -> Result<(), Rejection<Infallible>> {
        Ok(())
    }

    fn single_result(_: &u8, (): &(), _: &[ModelUsage]) -> Result<Value, serde_json::Error> {
        Ok(Value::Null)
    }

    fn assemble(
        _: &Params,
        _: &[u8],
        _: &[PlannedTarget],
        _: &Outputs<Self>,
        _: &[ModelUsage],
    ) -> Assembly<()> {
        Assembly {
            parts: Vec::new(),
            failed: Vec::new(),
            result: Value::Null,
            nothing_written: None,
        }
    }
}
