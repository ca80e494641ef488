//! Every process crossed with every execution.

mod table;

use chrono::TimeDelta;
use uuid::Uuid;

use super::*;
use crate::{process::ProcessId, reconcile::StartTries};

fn limits() -> Limits {
    Limits::default()
}

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn ago(seconds: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(seconds)
}

/// A process of ten minutes ago.
fn row(status: Status) -> ProcessFacts {
    let ended = status.is_terminal();
    ProcessFacts {
        id: ProcessId(Uuid::nil()),
        status,
        attempt: i32::from(status != Status::Pending),
        progress: if status == Status::Completed { 100 } else { 0 },
        has_arn: status != Status::Pending,
        result_ready: status == Status::Completed,
        ended_by_hand: false,
        created_at: ago(600),
        admitted_at: Some(ago(600)),
        execution_started_at: None,
        started_at: (status != Status::Pending).then(|| ago(600)),
        updated_at: ago(300),
        completed_at: ended.then(|| ago(300)),
        start_tries: None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is written where a row has it, or not")]
fn tries(count: i16, first: i64, last: i64) -> Option<StartTries> {
    Some(StartTries { count, first_at: ago(first), last_at: ago(last) })
}

/// Every kind of row that the planner tells apart: the lines of the table.
fn rows() -> Vec<(&'static str, ProcessFacts)> {
    let pending = row(Status::Pending);
    let processing = row(Status::Processing);
    let mut rows = vec![
        ("PENDING, not admitted yet", ProcessFacts { admitted_at: None, ..pending.clone() }),
        (
            "PENDING, within the start grace",
            ProcessFacts { admitted_at: Some(ago(30)), ..pending.clone() },
        ),
        ("PENDING, past the start grace", pending.clone()),
        (
            "PENDING, 3 starts failed within 15 min",
            ProcessFacts { start_tries: tries(3, 300, 5), ..pending.clone() },
        ),
        (
            "PENDING, 3 starts failed over 15 min",
            ProcessFacts {
                start_tries: tries(3, 1_000, 90),
                created_at: ago(1_100),
                ..pending.clone()
            },
        ),
        (
            "PENDING, 3 starts failed over 15 min, the last a moment ago",
            ProcessFacts {
                start_tries: tries(3, 1_000, 5),
                created_at: ago(1_100),
                ..pending.clone()
            },
        ),
        // Protocol B1: accepted long ago, started a moment ago.
        (
            "PENDING, started a moment ago",
            ProcessFacts { has_arn: true, execution_started_at: Some(ago(1)), ..pending.clone() },
        ),
        ("PENDING, with an ARN", ProcessFacts { has_arn: true, ..pending }),
        (
            "PROCESSING, claimed a moment ago",
            ProcessFacts { started_at: Some(ago(1)), ..processing.clone() },
        ),
        (
            "PROCESSING, claimed too long ago",
            ProcessFacts { started_at: Some(ago(3_700)), ..processing.clone() },
        ),
        ("PROCESSING", processing.clone()),
        ("PROCESSING, result stored", ProcessFacts { result_ready: true, ..processing }),
    ];
    for (name, status) in
        [("COMPLETED", Status::Completed), ("FAILED", Status::Failed), ("TIMEOUT", Status::Timeout)]
    {
        let ended = row(status);
        let text =
            |tail: &str| -> &'static str { Box::leak(format!("{name}{tail}").into_boxed_str()) };
        rows.push((
            text(", within the grace"),
            ProcessFacts { completed_at: Some(ago(10)), ..ended.clone() },
        ));
        rows.push((
            text(", by hand"),
            ProcessFacts { completed_at: Some(ago(10)), ended_by_hand: true, ..ended.clone() },
        ));
        rows.push((text(", past the grace"), ended));
    }
    rows.push(("CANCELLED", ProcessFacts { completed_at: Some(ago(0)), ..row(Status::Cancelled) }));
    rows
}

/// Every execution that the planner tells apart: the columns.
fn executions() -> Vec<(&'static str, Execution)> {
    vec![
        ("not found", Execution::Missing),
        ("RUNNING", Execution::Running { since: ago(600) }),
        ("RUNNING too long", Execution::Running { since: ago(3_700) }),
        ("SUCCEEDED", Execution::Succeeded),
        ("FAILED", Execution::Failed { error: "AI_ERROR".into(), cause: None }),
        ("FAILED for time", Execution::Failed { error: "States.Timeout".into(), cause: None }),
        ("TIMED_OUT", Execution::TimedOut),
        ("ABORTED", Execution::Aborted { error: Some("CANCELLED".into()), cause: None }),
        ("ABORTED by R9", Execution::Aborted { error: Some(STOPPED_FOR_TIME.into()), cause: None }),
        (
            "ABORTED by R10",
            Execution::Aborted { error: Some(stopped_for(Status::Completed).into()), cause: None },
        ),
    ]
}

/// The rule by which a plan is made; only agreement has none.
const fn rule_of(plan: &Plan) -> Option<Rule> {
    match plan {
        Plan::Agree | Plan::LookAgain => None,
        Plan::Healthy => Some(Rule::R2),
        Plan::Report(rule) | Plan::Repair { rule, .. } => Some(*rule),
    }
}

/// The table of the design, spelt out again by hand, so that a slip in the planner cannot hide in a
/// table printed from it.
#[test]
fn every_pair_of_process_and_execution_follows_the_design() {
    for (name, row) in rows() {
        for (column, execution) in executions() {
            let plan = plan(&row, &execution, now(), &limits());
            let expected = match (row.status.is_active(), column) {
                (true, "not found") => match name {
                    "PENDING, not admitted yet" => Some(Rule::R2),
                    "PENDING, within the start grace"
                    | "PENDING, 3 starts failed over 15 min, the last a moment ago"
                    | "PENDING, started a moment ago"
                    | "PROCESSING, claimed a moment ago" => None,
                    "PENDING, with an ARN"
                    | "PROCESSING"
                    | "PROCESSING, claimed too long ago"
                    | "PROCESSING, result stored" => Some(Rule::R8),
                    _ => Some(Rule::R1),
                },
                // A process that has been claimed counts its time from then.
                (true, "RUNNING" | "RUNNING too long")
                    if name == "PROCESSING, claimed too long ago" =>
                {
                    Some(Rule::R9)
                }
                (true, "RUNNING too long") if row.started_at.is_none() => Some(Rule::R9),
                (true, "RUNNING" | "RUNNING too long") => Some(Rule::R2),
                (true, "ABORTED by R9") => Some(Rule::R9),
                (true, "SUCCEEDED") => Some(if row.result_ready { Rule::R3 } else { Rule::R4 }),
                (true, "FAILED" | "FAILED for time") => Some(Rule::R5),
                (true, "TIMED_OUT") => Some(Rule::R6),
                (true, "ABORTED" | "ABORTED by R10") => Some(Rule::R7),
                (false, "RUNNING" | "RUNNING too long") => {
                    (!name.ends_with("within the grace")).then_some(Rule::R10)
                }
                (
                    false,
                    "FAILED" | "FAILED for time" | "TIMED_OUT" | "ABORTED" | "ABORTED by R9",
                ) if row.status == Status::Completed => Some(Rule::R11),
                (false, _) => None,
                (true, other) => panic!("no expectation for {other}"),
            };
            assert_eq!(rule_of(&plan), expected, "{name} × {column}");
        }
    }
}

#[test]
fn nothing_that_has_ended_is_given_another_status() {
    for (name, row) in rows().into_iter().filter(|(_, row)| row.status.is_terminal()) {
        for (column, execution) in executions() {
            let plan = plan(&row, &execution, now(), &limits());
            assert!(
                matches!(
                    plan,
                    Plan::Agree | Plan::Report(_) | Plan::Repair { repair: Repair::Stop, .. }
                ),
                "{name} × {column}: {plan:?}"
            );
        }
    }
}

#[test]
fn every_ending_is_a_move_that_the_protocol_has() {
    use crate::process::Transition;
    for (name, row) in rows().into_iter().filter(|(_, row)| row.status.is_active()) {
        for (column, execution) in executions() {
            let Plan::Repair { repair: Repair::End(ending) | Repair::StopThenEnd(ending), .. } =
                plan(&row, &execution, now(), &limits())
            else {
                continue;
            };
            let transition = match &ending {
                Ending::Failed(_) => Transition::Fail,
                Ending::TimedOut(_) => Transition::TimeOut,
                Ending::Cancelled => Transition::Cancel,
            };
            assert_eq!(transition.from(row.status), Ok(ending.status()), "{name} × {column}");
            assert_eq!(
                ending.error().is_none(),
                ending.status() == Status::Cancelled,
                "{name} × {column}"
            );
        }
    }
}

#[test]
fn each_limit_counts_from_the_second_after_it() {
    let limits = limits();
    let rule =
        |row: &ProcessFacts, execution: &Execution| rule_of(&plan(row, execution, now(), &limits));
    let young = |age| ProcessFacts { admitted_at: Some(ago(age)), ..row(Status::Pending) };
    assert_eq!(rule(&young(60), &Execution::Missing), None);
    assert_eq!(rule(&young(61), &Execution::Missing), Some(Rule::R1));

    let claimed = |age| ProcessFacts {
        created_at: ago(9),
        started_at: Some(ago(age)),
        ..row(Status::Processing)
    };
    assert_eq!(plan(&claimed(59), &Execution::Missing, now(), &limits), Plan::LookAgain);
    assert_eq!(rule(&claimed(60), &Execution::Missing), Some(Rule::R8));
    let started = |age| ProcessFacts {
        has_arn: true,
        execution_started_at: Some(ago(age)),
        ..row(Status::Pending)
    };
    assert_eq!(plan(&started(59), &Execution::Missing, now(), &limits), Plan::LookAgain);
    assert_eq!(rule(&started(60), &Execution::Missing), Some(Rule::R8));

    let running = |age| Execution::Running { since: ago(age) };
    let claimed = |age| ProcessFacts { started_at: Some(ago(age)), ..row(Status::Processing) };
    assert_eq!(rule(&claimed(3_660), &running(3_700)), Some(Rule::R2));
    assert_eq!(rule(&claimed(3_661), &running(3_700)), Some(Rule::R9));
    assert_eq!(rule(&row(Status::Pending), &running(3_660)), Some(Rule::R2));
    assert_eq!(rule(&row(Status::Pending), &running(3_661)), Some(Rule::R9));

    let ended = |age| ProcessFacts { completed_at: Some(ago(age)), ..row(Status::Failed) };
    assert_eq!(rule(&ended(60), &running(90)), None);
    assert_eq!(rule(&ended(61), &running(90)), Some(Rule::R10));

    let tried = |count, first| ProcessFacts {
        start_tries: tries(count, first, 60),
        ..row(Status::Pending)
    };
    for (count, first, gives_up) in [(3, 900, true), (3, 899, false), (2, 900, false)] {
        let tried = tried(count, first + 60);
        let plan = plan(&tried, &Execution::Missing, now(), &limits);
        let ends = matches!(plan, Plan::Repair { repair: Repair::End(_), .. });
        assert_eq!(ends, gives_up, "{count} tries over {first} s");
    }
}

#[test]
fn a_process_that_waited_long_for_its_start_is_not_timed_out_for_the_wait() {
    let late = ProcessFacts { created_at: ago(100_000), ..row(Status::Pending) };
    let running = Execution::Running { since: ago(10) };
    assert_eq!(plan(&late, &running, now(), &limits()), Plan::Healthy);
}

// R15: who is next is not the planner's matter.
#[test]
fn a_waiting_process_is_well_however_long_it_waits() {
    let waiting = |seconds| ProcessFacts {
        created_at: ago(seconds),
        admitted_at: None,
        ..row(Status::Pending)
    };
    for seconds in [1, 61, 4_000, 1_000_000] {
        let seen = plan(&waiting(seconds), &Execution::Missing, now(), &limits());
        assert_eq!(seen, Plan::Healthy, "{seconds}");
    }
    // One that somebody has started all the same is none.
    let started = ProcessFacts { has_arn: true, ..waiting(4_000) };
    let seen = plan(&started, &Execution::Missing, now(), &limits());
    assert_eq!(rule_of(&seen), Some(Rule::R8));
}

#[test]
fn a_process_whose_execution_was_started_again_still_counts_from_its_first_start() {
    let old = ProcessFacts { started_at: Some(ago(10_000)), ..row(Status::Processing) };
    let running = Execution::Running { since: ago(10) };
    assert_eq!(rule_of(&plan(&old, &running, now(), &limits())), Some(Rule::R9));
}

#[test]
fn a_start_just_tried_gives_the_execution_time_to_appear() {
    let just = ProcessFacts { has_arn: true, start_tries: tries(1, 1, 1), ..row(Status::Pending) };
    assert_eq!(plan(&just, &Execution::Missing, now(), &limits()), Plan::LookAgain);
}

// Protocol B1, aws.md 14.
#[test]
fn not_found_is_believed_a_minute_after_the_last_that_was_known_of_the_execution() {
    let pending = ProcessFacts { has_arn: true, created_at: ago(9_000), ..row(Status::Pending) };
    for (fresh, what) in [
        (ProcessFacts { execution_started_at: Some(ago(59)), ..pending.clone() }, "started"),
        (ProcessFacts { started_at: Some(ago(59)), ..pending.clone() }, "claimed"),
        (ProcessFacts { start_tries: tries(1, 59, 59), ..pending.clone() }, "tried"),
        (ProcessFacts { admitted_at: Some(ago(59)), ..pending.clone() }, "admitted, and no more"),
    ] {
        let seen = plan(&fresh, &Execution::Missing, now(), &limits());
        assert_eq!(seen, Plan::LookAgain, "{what}");
    }
    assert_eq!(rule_of(&plan(&pending, &Execution::Missing, now(), &limits())), Some(Rule::R8));
}

/// Its answer was lost, and the execution may run.
#[test]
fn a_last_start_that_may_have_worked_does_not_end_the_process_yet() {
    let tried = |last| ProcessFacts {
        created_at: ago(9_000),
        start_tries: tries(4, 2_000, last),
        ..row(Status::Pending)
    };
    let seen = |last| plan(&tried(last), &Execution::Missing, now(), &limits());
    assert_eq!(seen(59), Plan::LookAgain);
    assert!(matches!(seen(60), Plan::Repair { rule: Rule::R1, repair: Repair::End(_) }));
}

#[test]
fn what_is_mended_needs_no_mending() {
    for status in Status::ALL {
        for progress in [-5, 0, 50, 99, 100, 101, 130, i16::MIN, i16::MAX] {
            for completed_at in [None, Some(ago(1))] {
                let mut row = ProcessFacts { progress, completed_at, ..row(*status) };
                for (_, mend) in mends(&row) {
                    match mend {
                        Mend::Progress(progress) => row.progress = progress,
                        Mend::CompletedAt(CompletedAt::Set(at)) => row.completed_at = Some(at),
                        Mend::CompletedAt(CompletedAt::Clear) => row.completed_at = None,
                    }
                }
                assert_eq!(mends(&row), []);
                assert!((0..=100).contains(&row.progress));
                assert_eq!(row.progress == 100, *status == Status::Completed);
                assert_eq!(row.completed_at.is_some(), status.is_terminal());
            }
        }
    }
}
