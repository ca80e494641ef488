//! With a kind that is as small as a kind can be: a target is a number, and each number below the
//! limit of the params brings forth two.

use std::convert::Infallible;

use serde_json::json;

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubling {}

/// How many numbers `number` leads to below `limit`, itself included.
fn weight(limit: u128, number: u128) -> i16 {
    if number < limit { 1 + weight(limit, 2 * number) + weight(limit, 2 * number + 1) } else { 1 }
}

impl Generation for Doubling {
    type Params = u128;
    type Target = u128;
    type Written = [u128; 2];
    type Draft = Infallible;

    const TYPE_NAMES: &'static [&'static str] = &["DOUBLING"];
    const LEAF: &'static str = "none";

    fn read_params(
        _: &str,
        _: &mut Reader<'_>,
        params: &Map<String, Value>,
        _: DateTime<Utc>,
    ) -> Option<u128> {
        params["limit"].as_u64().map(u128::from)
    }

    fn to_stored(params: &u128) -> Result<Value, serde_json::Error> {
        serde_json::to_value(params)
    }

    fn parse_stored(_: &ProcessType, stored: &Value) -> Result<u128, UnreadableParams> {
        u128::deserialize(stored).map_err(|error| UnreadableParams(error.to_string()))
    }

    fn planned_calls(_: &u128) -> i16 {
        1
    }

    fn process_type(_: &u128) -> ProcessType {
        ProcessType::new("DOUBLING")
    }

    fn target_id(_: &u128) -> Uuid {
        Uuid::from_u128(1)
    }

    fn target_must_exist(_: &u128) -> bool {
        false
    }

    fn replace(_: &u128) -> bool {
        false
    }

    fn only_what_is_open(_: &u128) -> bool {
        false
    }

    fn has_several_targets(_: &u128) -> bool {
        true
    }

    fn leading_root(_: &u128) -> Option<u128> {
        None
    }

    fn params_for_retry(params: u128, _: Option<&Value>) -> u128 {
        params
    }

    fn id(target: &u128) -> Uuid {
        Uuid::from_u128(*target)
    }

    fn weight(limit: &u128, target: &u128) -> i16 {
        weight(*limit, *target)
    }

    fn children(limit: &u128, target: &u128, written: &[u128; 2]) -> Vec<u128> {
        if target < limit { written.to_vec() } else { Vec::new() }
    }

    fn planned_children(limit: &u128, written: &[u128; 2]) -> Vec<PlannedTarget> {
        // What brings forth `written` is half of it, and brings forth nothing beyond the limit.
        if written[0] / 2 >= *limit {
            return Vec::new();
        }
        written.iter().map(|id| planned(*limit, *id)).collect()
    }

    fn prompt(target: &u128) -> Prompt {
        Prompt {
            system: String::new(),
            context: target.to_string(),
            question: String::new(),
            tool: "double",
            tool_description: "",
            schema: json!({}),
            max_tokens: 1,
            schema_recurs: true,
            context_recurs: false,
        }
    }

    fn repair_prompt(target: &u128, _: &Rejection<Infallible>) -> Prompt {
        Self::prompt(target)
    }

    fn read_answer(
        target: &u128,
        _: &Value,
        _: Option<Infallible>,
        _: &mut dyn FnMut() -> Uuid,
    ) -> Result<[u128; 2], Rejection<Infallible>> {
        Ok([2 * target, 2 * target + 1])
    }

    fn single_result(
        _: &u128,
        written: &[u128; 2],
        _: &[ModelUsage],
    ) -> Result<Value, serde_json::Error> {
        serde_json::to_value(written)
    }

    fn assemble(
        _: &u128,
        _: &[u128],
        _: &[PlannedTarget],
        _: &Outputs<Self>,
        _: &[ModelUsage],
    ) -> Assembly<[u128; 2]> {
        Assembly { parts: Vec::new(), failed: Vec::new(), result: json!({}), nothing_written: None }
    }
}

fn written(number: u128) -> (Uuid, Output<[u128; 2]>) {
    (Uuid::from_u128(number), Output::Written([2 * number, 2 * number + 1]))
}

fn planned(limit: u128, number: u128) -> PlannedTarget {
    PlannedTarget { id: Uuid::from_u128(number), weight: weight(limit, number) }
}

fn ids(numbers: &[u128]) -> Vec<Uuid> {
    numbers.iter().copied().map(Uuid::from_u128).collect()
}

#[test]
fn work_is_divided_into_so_many_batches_in_its_order() {
    let planned = |number: &u128| planned(10, *number);
    let leaves: Vec<u128> = (10..74).collect();
    for (count, lengths) in [(8, vec![8; 8]), (3, vec![22, 21, 21]), (1, vec![64])] {
        let divided = batches::<Doubling>(&10, &leaves, count);
        assert_eq!(divided.iter().map(Vec::len).collect::<Vec<_>>(), lengths);
        assert_eq!(divided.concat(), leaves.iter().map(planned).collect::<Vec<_>>());
    }
}

#[test]
fn batches_have_about_as_much_work_each_and_none_is_empty() {
    let weights = |roots: &[u128], count| {
        let divided = batches::<Doubling>(&10, roots, count);
        let weight = |batch: &Vec<PlannedTarget>| batch.iter().map(|target| target.weight).sum();
        divided.iter().map(weight).collect::<Vec<i16>>()
    };
    assert_eq!(weights(&[20, 5, 21, 6, 22], 2), [5, 4]);
    assert_eq!(weights(&[5, 20, 21, 22], 8), [3, 2, 1]);
    assert_eq!(weights(&[20, 21], 0), [2]);
    assert!(weights(&[], 8).is_empty());
}

#[test]
fn the_total_is_the_sum_over_the_roots_and_does_not_overflow() {
    assert_eq!(total_weight::<Doubling>(&4, &[1, 9]), (1 + 2 + 4) + 1);
    assert_eq!(total_weight::<Doubling>(&1, &[]), 0);
    let many = vec![9; usize::try_from(i16::MAX).unwrap() + 1];
    assert_eq!(total_weight::<Doubling>(&4, &many), i16::MAX);
}

#[test]
fn what_is_staged_is_not_open_and_what_it_brings_forth_is() {
    let mut outputs = Outputs::<Doubling>::new();
    let open = |outputs: &Outputs<Doubling>| open_targets::<Doubling>(&4, &[1, 9], outputs);
    assert_eq!(open(&outputs), [1, 9]);
    outputs.extend([written(1)]);
    assert_eq!(open(&outputs), [2, 3, 9]);
    outputs.extend([written(3), written(9)]);
    assert_eq!(open(&outputs), [2, 6, 7]);
    let error = ProcessError::new(ErrorCode::AiError, "test");
    outputs.insert(Uuid::from_u128(2), Output::GivenUp(error));
    assert_eq!(open(&outputs), [6, 7], "nothing follows from what was given up");
    outputs.extend([written(6), written(7)]);
    assert!(open(&outputs).is_empty());
}

#[test]
fn a_plan_is_whole_when_every_target_of_it_is_written_or_given_up() {
    let plan = [planned(4, 1), planned(4, 9)];
    let mut outputs = Outputs::<Doubling>::new();
    let open = |outputs: &Outputs<Doubling>| open_in_plan::<Doubling>(&4, &plan, outputs);
    assert_eq!(open(&outputs), plan);
    // Whatever else is staged is nothing of this plan.
    outputs.extend([written(1), written(9), written(100), written(101), written(102)]);
    assert_eq!(open(&outputs), [planned(4, 2), planned(4, 3)]);
    let error = ProcessError::new(ErrorCode::AiError, "test");
    outputs.insert(Uuid::from_u128(2), Output::GivenUp(error));
    outputs.extend([written(3), written(6)]);
    assert_eq!(open(&outputs), [planned(4, 7)]);
    outputs.extend([written(7)]);
    assert!(open(&outputs).is_empty());
}

#[test]
fn only_the_ids_of_failed_targets_are_read_from_a_result() {
    let result = json!({"failedTargets": [
        {"targetId": Uuid::from_u128(1), "code": "A_CODE_OF_A_NEWER_VERSION"},
        {"targetId": Uuid::from_u128(2)},
    ]});
    assert_eq!(parse_failed_targets(&result), ids(&[1, 2]));
    for none in [json!({}), json!(null), json!("text"), json!({"failedTargets": [{"id": 1}]})] {
        assert!(parse_failed_targets(&none).is_empty(), "{none}");
    }
}

#[test]
fn a_staged_row_is_what_was_written_or_why_not() {
    let error = json!({"code": "AI_ERROR", "message": "m"});
    let parse = |payload: Option<Value>, error: Option<Value>| {
        parse_output::<[u128; 2]>(payload.as_ref(), error.as_ref())
    };
    assert_eq!(parse(Some(json!([1, 2])), None), Some(Output::Written([1, 2])));
    let given_up = parse(None, Some(error));
    assert!(
        matches!(given_up, Some(Output::GivenUp(ProcessError { code: ErrorCode::AiError, .. }))),
        "{given_up:?}"
    );
    assert_eq!(parse(Some(json!("unreadable")), None), None);
    assert_eq!(parse(None, None), None);
}
