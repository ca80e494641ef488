//! The harness has to be able to fail: wrong copies of the definition, each of which somebody could
//! have written, and the facts that notice it.

use serde_json::{Value, json};

use crate::DEFINITION;
use crate::interpreter::faults;
use crate::table;

/// Lets `spoil` change one place of the definition, which has to be there.
fn spoilt(pointer: &str, spoil: impl FnOnce(&mut Value)) -> String {
    let mut definition: Value = serde_json::from_str(DEFINITION).unwrap();
    let place = definition.pointer_mut(pointer);
    spoil(place.unwrap_or_else(|| panic!("the definition has no {pointer}")));
    let spoilt = definition.to_string();
    assert_ne!(serde_json::from_str::<Value>(DEFINITION).unwrap(), definition, "{pointer}");
    spoilt
}

/// Takes a field away.
fn without(pointer: &str, field: &str) -> String {
    spoilt(pointer, |place| {
        place.as_object_mut().unwrap().remove(field);
    })
}

/// A wrong copy has to break the fact that it is about, and not every other of its part.
fn notices(definition: &str, part: &str, fact: &str) {
    let paths: Vec<_> = table::part(part).into_iter().filter(|path| !path.is_long()).collect();
    assert!(paths.iter().any(|path| path.fact == fact), "the table has no such fact: {fact}");
    let faults = faults(definition, &paths);
    let all = faults.join("\n");
    assert!(faults.iter().any(|fault| fault.starts_with(&format!("- {fact}\n"))), "{fact}\n{all}");
    assert!(faults.len() < paths.len(), "nothing holds any more:\n{all}");
}

#[test]
fn a_catch_of_generate_that_forgets_the_input_is_noticed() {
    let broken = without("/States/Generate/Catch/0", "ResultPath");
    notices(&broken, "settle", "Settle hears the error and the cause that Generate ended with");
}

#[test]
fn a_retry_less_is_noticed() {
    let broken = spoilt("/States/Generate/Retry/1/MaxAttempts", |attempts| *attempts = json!(2));
    notices(&broken, "generate", "the last retry of Generate counts like the first");
}

#[test]
fn a_map_without_its_limit_is_noticed() {
    let broken = without("/States/Batches", "MaxConcurrencyPath");
    notices(&broken, "success", "73 batches run, eight at once");
}

#[test]
fn a_catch_of_settle_that_forgets_generates_error_is_noticed() {
    let broken = spoilt("/States/Settle/Catch/0/ResultPath", |place| *place = json!("$.failure"));
    notices(
        &broken,
        "settle",
        "an error that Settle does not know leaves Generate's error the last word",
    );
}

#[test]
fn a_batch_that_nobody_gives_up_is_noticed() {
    let broken = without("/States/Batches/ItemProcessor/States/Batch", "Catch");
    notices(&broken, "batch", "one batch is given up and the others complete");
}

#[test]
fn a_wait_that_is_not_drawn_is_noticed() {
    let broken = without("/States/Generate/Retry/6", "JitterStrategy");
    notices(&broken, "generate", "a worker that was overtaken is followed by one that completes");
}
