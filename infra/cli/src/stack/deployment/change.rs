//! What a deployment lacks.

use std::collections::{BTreeMap, BTreeSet};

use super::Deployment;

/// What has to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// What is deployed is what is built.
    Nothing(Deployment),
    /// These functions, by their logical ids, run other code than was built for them.
    Code(Deployment, Vec<String>),
    /// All of it, by `sam deploy`. That compares with what it deployed itself, so it does not see
    /// that a function has been given other code since: these have to be given theirs again. None
    /// when nothing is known of the gateway.
    Everything(Option<BTreeSet<String>>),
}

/// What has to be done so that `code` (fingerprints by logical id) runs in `frame` (of all else).
pub(super) fn needed(
    deployed: Option<Deployment>,
    frame: &str,
    code: &BTreeMap<String, String>,
) -> Change {
    let Some(deployed) = deployed else {
        return Change::Everything(None);
    };
    if deployed.frame != frame || !deployed.functions.keys().eq(code.keys()) {
        let patched = deployed.functions.iter().filter(|(_, function)| function.patched);
        return Change::Everything(Some(patched.map(|(id, _)| id.clone()).collect()));
    }
    let runs = |id: &str| deployed.functions.get(id).and_then(|function| function.code.as_ref());
    let other: Vec<String> =
        code.iter().filter(|(id, code)| runs(id) != Some(code)).map(|(id, _)| id.clone()).collect();
    if other.is_empty() { Change::Nothing(deployed) } else { Change::Code(deployed, other) }
}

#[cfg(test)]
mod tests {
    use super::super::{Function, Outputs};
    use super::*;

    fn code(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(id, code)| ((*id).to_owned(), (*code).to_owned())).collect()
    }

    /// A and B are deployed; B has been patched since.
    fn deployed() -> Deployment {
        let function = |code: &str, patched| Function {
            name: "f".to_owned(),
            code: Some(code.to_owned()),
            patched,
        };
        Deployment {
            frame: "frame".to_owned(),
            functions: BTreeMap::from([
                ("A".to_owned(), function("a1", false)),
                ("B".to_owned(), function("b1", true)),
            ]),
            gateway_pid: 2,
            gateway_start_ticks: 1,
            outputs: Outputs {
                api_id: String::new(),
                state_machine_arn: String::new(),
                user_pool_id: String::new(),
                user_pool_client_id: String::new(),
                database_secret_arn: String::new(),
            },
        }
    }

    #[test]
    fn the_same_code_in_the_same_frame_needs_nothing() {
        let change = needed(Some(deployed()), "frame", &code(&[("A", "a1"), ("B", "b1")]));
        assert_eq!(change, Change::Nothing(deployed()));
    }

    #[test]
    fn only_the_functions_that_run_other_code_get_theirs() {
        let change = needed(Some(deployed()), "frame", &code(&[("A", "a2"), ("B", "b1")]));
        assert_eq!(change, Change::Code(deployed(), vec!["A".to_owned()]));
    }

    #[test]
    fn a_function_whose_change_was_cut_off_gets_its_code_again() {
        let mut deployed = deployed();
        deployed.functions.get_mut("A").unwrap().code = None;
        let change = needed(Some(deployed.clone()), "frame", &code(&[("A", "a1"), ("B", "b1")]));
        assert_eq!(change, Change::Code(deployed, vec!["A".to_owned()]));
    }

    #[test]
    fn another_frame_needs_everything_and_the_patched_functions_theirs_again() {
        let change = needed(Some(deployed()), "other", &code(&[("A", "a1"), ("B", "b1")]));
        assert_eq!(change, Change::Everything(Some(BTreeSet::from(["B".to_owned()]))));
    }

    #[test]
    fn a_function_more_or_less_needs_everything() {
        for functions in [code(&[("A", "a1")]), code(&[("A", "a1"), ("B", "b1"), ("C", "c1")])] {
            let change = needed(Some(deployed()), "frame", &functions);
            assert!(matches!(change, Change::Everything(Some(_))), "{change:?}");
        }
    }

    #[test]
    fn a_gateway_of_which_nothing_is_known_needs_everything() {
        assert_eq!(needed(None, "frame", &code(&[("A", "a1")])), Change::Everything(None));
    }
}
