use serde_json::Value;
use shared::{
    aws::{
        functions::Deployed,
        model::{Fault, ModelFault},
        rules::Rule,
    },
    language::Language,
    process::{ErrorCode, Failure, ProcessId, ProcessType, Retention, Terms},
    reconcile::Limits,
    store::{
        ActiveOfType, Budgets, Capacity, FailuresOfCode, Flow, LastSweep, Schema, Server, Session,
        SetBy, Unstarted,
    },
};

use super::{
    super::facts::{CheckedFunction, Facts, Look, not_checked},
    *,
};
use crate::finding::{Severity, Verdict};

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn ago(seconds: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(seconds)
}

fn id() -> ProcessId {
    "00000000-0000-7000-8000-000000000007".parse().map(ProcessId).unwrap()
}

/// A stack on which all is well, and something is done.
fn well() -> Facts {
    Facts {
        now: now(),
        prefix: "dev-".to_owned(),
        limits: Limits::default(),
        terms: Terms { tokens: 1_000, tokens_per_user: 100, ..Terms::default() },
        server: Look::Seen(Server {
            now: now() + TimeDelta::seconds(1),
            read_only: false,
            connections: 12,
            most_connections: 97,
            hidden_sessions: 0,
        }),
        server_asked_at: now(),
        schema: Look::Seen(Schema {
            newest: 13,
            applied_at: Some(ago(86_400)),
            ..Schema::default()
        }),
        sessions: Look::Seen(Vec::new()),
        sweep: Look::Seen(LastSweep {
            reported_at: Some(ago(200)),
            complete: Some(true),
            ..LastSweep::default()
        }),
        capacity: Look::Seen(Capacity {
            calls: 16,
            calls_per_user: 8,
            in_force: 16,
            set: None,
            lowered_at: None,
            in_use: 3,
            running: 3,
            waiting_normal: 0,
            waiting_low: 0,
            users: 0,
            oldest_at: None,
            paused: None,
            refuses: false,
        }),
        flow: Look::Seen(Flow { active: vec![active(40, Some(30.0))], ..Flow::default() }),
        failures: Look::Seen(vec![failed("AI_ERROR", 1)]),
        ended_well: Look::Seen(99),
        retention: Retention::default(),
        oldest_ended: Look::Seen(Some(ago(92 * 86_400))),
        budgets: Look::Seen(Budgets { used: 799, users_at_limit: 0 }),
        state_machine: Look::Seen(()),
        functions: vec![function()],
        schedule: Look::Seen(Rule::Enabled),
        events: Look::Seen(Rule::Enabled),
        models: vec![("first".to_owned(), Ok(())), ("second".to_owned(), Ok(()))],
    }
}

fn function() -> CheckedFunction {
    CheckedFunction {
        name: "reconciler",
        deployed: Look::Seen(Some(Deployed::default())),
        unlike: Vec::new(),
        wrong: None,
        set_up: Look::Seen(None),
    }
}

fn active(seconds: i64, usual_seconds: Option<f64>) -> ActiveOfType {
    ActiveOfType {
        process_type: ProcessType::new("SUBGOAL_GENERATION"),
        id: id(),
        attempt: 1,
        due_at: ago(seconds),
        updated_at: ago(seconds),
        usual_seconds,
        active: 1,
    }
}

fn failed(code: &str, count: i64) -> FailuresOfCode {
    FailuresOfCode { code: code.to_owned(), count, last_at: ago(5), example: id() }
}

fn session(pid: i32, blocked_by: &[i32], blocks: bool) -> Session {
    Session {
        pid,
        user: "aigen".to_owned(),
        application: "psql".to_owned(),
        state: "active".to_owned(),
        statement: "UPDATE processing_state".to_owned(),
        since: Some(ago(30)),
        transaction_since: Some(ago(40)),
        blocked_by: blocked_by.to_vec(),
        blocks,
    }
}

fn found(facts: &Facts) -> Vec<Finding> {
    let findings = findings(facts, Words(Language::English));
    for finding in &findings {
        assert!(finding.summary.is_ascii(), "{finding:?}");
    }
    let japanese = super::findings(facts, Words(Language::Japanese));
    assert_eq!(codes(&findings), codes(&japanese));
    for finding in &japanese {
        assert!(!finding.summary.is_ascii(), "{finding:?}");
        assert!(finding.next_steps.iter().all(|step| !step.text.is_empty()), "{finding:?}");
    }
    findings
}

fn codes(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.code).collect()
}

/// The codes and severities that follow from a change of what is well.
fn after(change: impl FnOnce(&mut Facts)) -> Vec<(&'static str, Severity)> {
    let mut facts = well();
    change(&mut facts);
    found(&facts).iter().map(|finding| (finding.code, finding.severity)).collect()
}

fn seen<T>(look: &mut Look<T>) -> &mut T {
    match look {
        Look::Seen(seen) => seen,
        Look::Failed(_) | Look::Late | Look::NotTried => panic!("not seen"),
    }
}

#[test]
fn of_a_stack_that_is_well_nothing_is_said() {
    let facts = well();
    assert_eq!(found(&facts), []);
    assert_eq!(Verdict::of(&[]), Verdict::Well);
    assert_eq!(not_checked(&facts, Words(Language::English)), []);
}

#[test]
fn a_database_that_cannot_be_reached_is_the_one_finding_and_the_rest_was_not_checked() {
    let mut facts = well();
    let failure = Failure::new(
        ErrorCode::DatabaseConnectionError,
        "the connection failed: Connection refused (os error 111)",
    );
    facts.server = Look::Failed(failure);
    facts.schema = Look::NotTried;
    facts.sessions = Look::NotTried;
    facts.sweep = Look::NotTried;
    facts.capacity = Look::NotTried;
    facts.flow = Look::NotTried;
    facts.failures = Look::NotTried;
    facts.ended_well = Look::NotTried;
    facts.budgets = Look::NotTried;
    facts.oldest_ended = Look::NotTried;
    let findings = found(&facts);
    assert_eq!(codes(&findings), ["DATABASE_REFUSED"]);
    assert_eq!(Verdict::of(&findings), Verdict::Down);
    let not_checked = not_checked(&facts, Words(Language::English));
    assert_eq!(not_checked.len(), 9, "{not_checked:?}");
    assert!(not_checked.iter().all(|it| it.why.contains("cannot be reached")));
    facts.server = Look::Late;
    assert_eq!(codes(&found(&facts)), ["DATABASE_NO_ANSWER"]);
}

#[test]
fn a_database_without_a_schema_is_told_to_migrate() {
    let state = "SQLSTATE 42P01 (undefined table), table -, constraint -";
    let mut facts = well();
    facts.schema = Look::Failed(Failure::new(ErrorCode::DatabaseError, state));
    let findings = found(&facts);
    assert_eq!(codes(&findings), ["MIGRATIONS_MISSING"]);
    assert_eq!(findings[0].next_steps[0].command.as_deref(), Some("cargo aigen migrate"));
}

#[test]
fn migrations_that_differ_are_told_apart() {
    use Severity::{Critical, Warning};
    let missing = after(|facts| seen(&mut facts.schema).missing = vec![14]);
    assert_eq!(missing, [("MIGRATIONS_MISSING", Critical)]);
    let ahead = after(|facts| seen(&mut facts.schema).unknown = vec![99]);
    assert_eq!(ahead, [("MIGRATIONS_AHEAD", Warning)]);
    let changed = after(|facts| seen(&mut facts.schema).changed = vec![1]);
    assert_eq!(changed, [("MIGRATION_CHANGED", Warning)]);
    let lost = after(|facts| seen(&mut facts.schema).lost_indexes = vec!["i".to_owned()]);
    assert_eq!(lost, [("INDEX_MISSING", Warning)]);
    let before_it = after(|facts| {
        seen(&mut facts.schema).lost_indexes = vec!["i".to_owned()];
        seen(&mut facts.schema).missing = vec![14];
    });
    assert_eq!(before_it, [("MIGRATIONS_MISSING", Critical)]);
    let failed = after(|facts| seen(&mut facts.schema).failed = vec![13]);
    assert_eq!(failed, [("MIGRATION_FAILED", Critical)]);
}

#[test]
fn a_server_that_is_wrong_in_itself_is_named() {
    use Severity::{Critical, Warning};
    let replica = after(|facts| seen(&mut facts.server).read_only = true);
    assert_eq!(replica, [("DATABASE_READ_ONLY", Critical)]);
    for seconds in [-6, 6] {
        let clock =
            after(|facts| seen(&mut facts.server).now = now() + TimeDelta::seconds(seconds));
        assert_eq!(clock, [("CLOCK_SKEW", Warning)], "{seconds}");
    }
    let near = after(|facts| seen(&mut facts.server).now = now() + TimeDelta::seconds(5));
    assert_eq!(near, []);
    let full = after(|facts| seen(&mut facts.server).connections = 73);
    assert_eq!(full, [("CONNECTIONS_SHORT", Warning)]);
    assert_eq!(after(|facts| seen(&mut facts.server).connections = 72), []);
}

#[test]
fn a_function_that_does_not_do_its_work_is_told_with_the_cause() {
    use Severity::{Critical, Warning};
    let after = |change: fn(&mut CheckedFunction)| after(|facts| change(&mut facts.functions[0]));
    let deployed = |change: fn(&mut Deployed)| {
        let mut facts = well();
        let mut it = Deployed::default();
        change(&mut it);
        facts.functions[0].deployed = Look::Seen(Some(it));
        found(&facts).iter().map(|it| (it.code, it.severity)).collect::<Vec<_>>()
    };
    assert_eq!(after(|it| it.deployed = Look::Seen(None)), [("FUNCTION_MISSING", Critical)]);
    assert_eq!(
        deployed(|it| it.fault = Some("Failed: InvalidRuntime".to_owned())),
        [("FUNCTION_BROKEN", Critical)]
    );
    assert_eq!(
        deployed(|it| it.failed_update = Some("Failed: InvalidSubnet".to_owned())),
        [("FUNCTION_UPDATE_FAILED", Warning)]
    );
    assert_eq!(deployed(|it| it.reserved = Some(0)), [("FUNCTION_SWITCHED_OFF", Critical)]);
    assert_eq!(deployed(|it| it.reserved = Some(1)), []);
    assert_eq!(
        after(|it| it.unlike = vec!["DATABASE_HOST"]),
        [("FUNCTION_VARIABLES_DIFFER", Warning)]
    );
    assert_eq!(
        after(|it| it.set_up = Look::Seen(Some((ago(60), "A is not set".to_owned())))),
        [("FUNCTION_NOT_SET_UP", Critical)]
    );
    // Its own log says no more than its variables do.
    let twice = after(|it| {
        it.wrong = Some("A is not set".to_owned());
        it.unlike = vec!["A"];
        it.set_up = Look::Seen(Some((ago(60), "A is not set".to_owned())));
    });
    assert_eq!(twice, [("FUNCTION_VARIABLE_WRONG", Critical)]);
}

#[test]
fn what_invokes_the_reconciler_and_is_off_is_told_with_the_command_that_enables_it() {
    let mut facts = well();
    facts.schedule = Look::Seen(Rule::Disabled);
    facts.events = Look::Seen(Rule::Missing);
    let findings = found(&facts);
    assert_eq!(codes(&findings), ["SCHEDULE_OFF", "EVENTS_MISSING"]);
    assert_eq!(
        findings[0].next_steps[0].command.as_deref(),
        Some("aws events enable-rule --name dev-reconciler-sweep")
    );
    facts.schedule = Look::Seen(Rule::Missing);
    facts.events = Look::Seen(Rule::Disabled);
    assert_eq!(codes(&found(&facts)), ["SCHEDULE_MISSING", "EVENTS_OFF"]);
}

#[test]
fn what_may_not_be_looked_at_is_not_checked_and_not_found_wrong() {
    let mut facts = well();
    let denied = || Failure::new(ErrorCode::InternalError, "Lambda: AccessDeniedException: no");
    facts.functions[0].deployed = Look::Failed(denied());
    facts.functions[0].set_up = Look::Late;
    facts.schedule = Look::Failed(denied());
    assert_eq!(found(&facts), []);
    let not_checked = not_checked(&facts, Words(Language::English));
    let what: Vec<_> = not_checked.iter().map(|it| it.what).collect();
    assert_eq!(what, ["functions", "setUp", "schedule"]);
}

#[test]
fn sessions_of_others_that_cannot_be_seen_are_admitted() {
    let mut facts = well();
    seen(&mut facts.server).hidden_sessions = 2;
    let words = Words(Language::English);
    let not_checked = not_checked(&facts, words);
    assert_eq!(not_checked[0].what, "sessionsOfOthers");
    assert_eq!(found(&facts), []);
}

#[test]
fn who_blocks_whom_is_told_with_the_command_that_ends_it() {
    let mut facts = well();
    // 3 waits for 2, which waits for 1: only 1 is to be ended.
    let sessions = vec![session(1, &[], true), session(2, &[1], true), session(3, &[2], false)];
    facts.sessions = Look::Seen(sessions);
    let findings = found(&facts);
    assert_eq!(codes(&findings), ["SESSIONS_BLOCKED"]);
    assert!(findings[0].summary.ends_with("a lock of session 1: 2"), "{findings:?}");
    let steps: Vec<_> =
        findings[0].next_steps.iter().filter_map(|it| it.command.as_deref()).collect();
    assert_eq!(steps.len(), 1);
    assert!(steps[0].contains("pg_terminate_backend(1)"), "{steps:?}");
    assert_eq!(findings[0].since, Some(ago(40)));
}

#[test]
fn a_long_statement_and_a_transaction_that_was_left_open_are_told_apart() {
    use Severity::Warning;
    let slow = after(|facts| facts.sessions = Look::Seen(vec![session(4, &[], false)]));
    assert_eq!(slow, [("STATEMENT_SLOW", Warning)]);
    let open = after(|facts| {
        let idle = Session { state: "idle in transaction".to_owned(), ..session(4, &[], false) };
        facts.sessions = Look::Seen(vec![idle]);
    });
    assert_eq!(open, [("TRANSACTION_LEFT_OPEN", Warning)]);
}

#[test]
fn a_state_machine_that_is_missing_denied_or_silent_is_told_apart() {
    let of = |cause: &str| {
        let failure = Failure::new(ErrorCode::StepFunctionsError, cause);
        after(|facts| facts.state_machine = Look::Failed(failure))
    };
    let critical = Severity::Critical;
    assert_eq!(of("StateMachineDoesNotExist: x"), [("STATE_MACHINE_MISSING", critical)]);
    assert_eq!(of("AccessDeniedException: x"), [("STATE_MACHINE_DENIED", critical)]);
    assert_eq!(of("dispatch failure"), [("STATE_MACHINE_UNREACHABLE", critical)]);
    let late = after(|facts| facts.state_machine = Look::Late);
    assert_eq!(late, [("STATE_MACHINE_UNREACHABLE", critical)]);
}

#[test]
fn a_model_is_as_bad_as_the_others_leave_it() {
    let faulty = |fault| {
        Err(ModelFault {
            model_id: "first".to_owned(),
            fault,
            words: "SomeException: do this".to_owned(),
        })
    };
    for fault in Fault::ALL {
        let one = after(|facts| facts.models[0].1 = faulty(fault));
        assert_eq!(one.len(), 1, "{fault}");
        assert_eq!(one[0].1, Severity::Warning, "{fault}");
        let both = after(|facts| {
            facts.models[0].1 = faulty(fault);
            facts.models[1].1 = faulty(fault);
        });
        // What is refused for the quota waits.
        let throttled = fault == Fault::Throttled;
        let severity = if throttled { Severity::Warning } else { Severity::Critical };
        assert_eq!(both.iter().map(|it| it.1).collect::<Vec<_>>(), [severity; 2], "{fault}");
    }
    let mut facts = well();
    facts.models[0].1 = faulty(Fault::AccessDenied);
    assert_eq!(found(&facts)[0].next_steps[0].text, "do this");
}

#[test]
fn a_sweep_that_does_not_come_fails_or_stops_is_told() {
    use Severity::{Info, Warning};
    let silent = after(|facts| seen(&mut facts.sweep).reported_at = Some(ago(901)));
    assert_eq!(silent, [("SWEEP_SILENT", Warning)]);
    // On a new stack none has come yet.
    let never = |installed: i64| {
        after(|facts| {
            facts.sweep = Look::Seen(LastSweep::default());
            seen(&mut facts.schema).applied_at = Some(ago(installed));
        })
    };
    assert_eq!(never(60), []);
    assert_eq!(never(1_000), [("SWEEP_SILENT", Warning)]);
    let failing = after(|facts| seen(&mut facts.sweep).failed = 2);
    assert_eq!(failing, [("REPAIRS_FAILED", Warning)]);
    let cut = after(|facts| seen(&mut facts.sweep).complete = Some(false));
    assert_eq!(cut, [("SWEEP_INCOMPLETE", Info)]);
}

#[test]
fn a_pause_explains_the_wait_and_names_who_and_why() {
    let mut facts = well();
    let capacity = seen(&mut facts.capacity);
    capacity.paused =
        Some(SetBy { at: ago(7_200), by: "hanako".to_owned(), reason: Some("upgrade".to_owned()) });
    capacity.waiting_low = 5;
    capacity.oldest_at = Some(ago(7_000));
    seen(&mut facts.flow).admittable_since = Some(ago(7_000));
    let findings = found(&facts);
    assert_eq!(codes(&findings), ["PAUSED"]);
    assert_eq!(Verdict::of(&findings), Verdict::Degraded);
    assert_eq!(findings[0].summary, "hanako has paused it, and new requests wait: upgrade");
    assert_eq!(findings[0].evidence["waiting"], 5);
    assert_eq!(findings[0].next_steps[0].command.as_deref(), Some("cargo aigen resume"));
    seen(&mut facts.capacity).refuses = true;
    assert!(found(&facts)[0].summary.contains("refused"));
}

#[test]
fn waiting_is_well_while_all_capacity_is_in_use_and_not_for_too_long() {
    use Severity::{Info, Warning};
    let waiting = |seconds, in_use, admittable| {
        after(|facts| {
            let capacity = seen(&mut facts.capacity);
            capacity.in_use = in_use;
            capacity.waiting_normal = 1;
            capacity.oldest_at = Some(ago(seconds));
            seen(&mut facts.flow).admittable_since =
                if admittable { Some(ago(seconds)) } else { None };
        })
    };
    assert_eq!(waiting(600, 16, true), []);
    assert_eq!(waiting(601, 16, true), [("CAPACITY_SHORT", Info)]);
    assert_eq!(waiting(3_601, 16, true), [("CAPACITY_SHORT", Warning)]);
    // There is room, and the user has not used up their share.
    assert_eq!(waiting(600, 3, true), []);
    assert_eq!(waiting(601, 3, true), [("NOT_ADMITTED", Warning)]);
    assert_eq!(waiting(601, 3, false), [("CAPACITY_SHORT", Info)]);
}

#[test]
fn a_limit_that_throttling_has_lowered_is_worth_knowing() {
    let lowered = after(|facts| seen(&mut facts.capacity).in_force = 8);
    assert_eq!(lowered, [("CAPACITY_LOWERED", Severity::Info)]);
}

#[test]
fn budgets_are_told_when_they_run_out() {
    use Severity::{Info, Warning};
    let used = |used| after(|facts| seen(&mut facts.budgets).used = used);
    assert_eq!(used(800), [("BUDGET_NEARLY_SPENT", Info)]);
    assert_eq!(used(1_000), [("BUDGET_SPENT", Warning)]);
    let users = after(|facts| seen(&mut facts.budgets).users_at_limit = 1);
    assert_eq!(users, [("USERS_BUDGET_SPENT", Info)]);
    let without = after(|facts| {
        facts.terms = Terms::default();
        facts.budgets = Look::Seen(Budgets { used: 9_999, users_at_limit: 9 });
    });
    assert_eq!(without, []);
}

#[test]
fn what_was_admitted_and_not_started_is_named_with_an_example() {
    let mut facts = well();
    let unstarted = Unstarted { count: 3, id: id(), due_at: ago(700) };
    seen(&mut facts.flow).unstarted = Some(unstarted);
    let findings = found(&facts);
    assert_eq!(codes(&findings), ["NOT_STARTED"]);
    let commands: Vec<_> =
        findings[0].next_steps.iter().filter_map(|step| step.command.as_deref()).collect();
    assert_eq!(commands[0], "cargo aigen reconcile");
    assert_eq!(commands[1], format!("cargo aigen process {}", id()));
}

#[test]
fn a_long_run_goes_by_what_is_usual_for_the_type() {
    use Severity::{Info, Warning};
    let ran =
        |seconds, usual| after(|facts| seen(&mut facts.flow).active = vec![active(seconds, usual)]);
    // Three times what is usual, and two minutes at the least.
    assert_eq!(ran(119, Some(1.0)), []);
    assert_eq!(ran(121, Some(1.0)), [("SLOW", Info)]);
    assert_eq!(ran(290, Some(100.0)), []);
    assert_eq!(ran(310, Some(100.0)), [("SLOW", Info)]);
    assert_eq!(ran(890, None), []);
    assert_eq!(ran(910, None), [("SLOW", Info)]);
    // The time limit, its grace, and two sweeps.
    assert_eq!(ran(4_261, Some(9_000.0)), [("STUCK", Warning)]);
}

#[test]
fn the_error_rate_counts_what_is_ours() {
    use Severity::{Critical, Info, Warning};
    let ended = |failures: &[(&str, i64)], well| {
        after(|facts| {
            let failures = failures.iter().map(|(code, count)| failed(code, *count));
            facts.failures = Look::Seen(failures.collect());
            facts.ended_well = Look::Seen(well);
        })
    };
    // 5 % are none too many.
    assert_eq!(ended(&[("AI_ERROR", 5)], 95), []);
    assert_eq!(ended(&[("AI_ERROR", 6)], 94), [("JOBS_FAIL", Warning)]);
    assert_eq!(ended(&[("AI_ERROR", 2)], 10), [("JOBS_FAIL", Info)]);
    assert_eq!(ended(&[("AI_ERROR", 4)], 0), [("JOBS_FAIL", Warning)]);
    assert_eq!(ended(&[("AI_ERROR", 5)], 5), [("JOBS_FAIL", Critical)]);
    // The caller's, an operator's, and a foreign hand's.
    for code in ["TARGET_NOT_FOUND", "MANUAL_INTERVENTION", ""] {
        assert_eq!(ended(&[(code, 9)], 0), [], "{code}");
    }
    assert_eq!(ended(&[], 0), []);
    let mut facts = well();
    facts.failures = Look::Seen(vec![failed("AI_ERROR", 9), failed("TIMEOUT_ERROR", 3)]);
    let finding = &found(&facts)[0];
    assert!(finding.summary.contains("most with AI_ERROR"), "{finding:?}");
    assert_eq!(finding.evidence["codes"].as_array().map(Vec::len), Some(2));
    assert_ne!(finding.evidence, Value::Null);
    let last = |finding: &Finding| finding.next_steps.last().and_then(|step| step.command.clone());
    let retry = "cargo aigen retry --failed --dry-run --code AI_ERROR";
    assert_eq!(last(finding).as_deref(), Some(retry));
    // What would fail again is not offered.
    facts.failures = Look::Seen(vec![failed("RESULT_MISSING", 9)]);
    let is_offered = last(&found(&facts)[0]).is_some_and(|command| command.contains("retry"));
    assert_eq!(is_offered, ErrorCode::ResultMissing.retryable());
}

#[test]
fn what_is_worst_comes_first_and_a_cause_before_what_it_causes() {
    let mut facts = well();
    seen(&mut facts.capacity).in_force = 8;
    facts.failures = Look::Seen(vec![failed("STEP_FUNCTIONS_ERROR", 50)]);
    facts.ended_well = Look::Seen(0);
    facts.state_machine = Look::Late;
    seen(&mut facts.sweep).failed = 1;
    assert_eq!(
        codes(&found(&facts)),
        ["STATE_MACHINE_UNREACHABLE", "JOBS_FAIL", "REPAIRS_FAILED", "CAPACITY_LOWERED"]
    );
}

#[test]
fn a_check_that_failed_or_was_late_is_named_with_why() {
    let mut facts = well();
    let cause = "SQLSTATE 57014 (statement took too long, or was cancelled), table -";
    facts.flow = Look::Failed(Failure::new(ErrorCode::DatabaseConnectionError, cause));
    facts.budgets = Look::Late;
    assert_eq!(found(&facts), []);
    let not_checked = not_checked(&facts, Words(Language::English));
    let told: Vec<_> = not_checked.iter().map(|it| (it.what, it.why.as_str())).collect();
    assert_eq!(told[0].0, "flow");
    assert!(told[0].1.contains("57014"), "{told:?}");
    assert_eq!(told[1], ("budgets", "no answer in time"));
}

#[test]
fn what_is_kept_for_too_long_is_told_and_what_goes_is_on_its_way() {
    use Severity::{Info, Warning};
    let kept = |facts: &mut Facts| facts.oldest_ended = Look::Seen(Some(ago(92 * 86_400 + 1)));
    assert_eq!(after(kept), [("RETENTION_BEHIND", Warning)]);
    let going = after(|facts| {
        kept(facts);
        seen(&mut facts.sweep).deleted = 2_000;
    });
    assert_eq!(going, [("RETENTION_BEHIND", Info)]);
    let for_ever = after(|facts| {
        kept(facts);
        facts.retention = Retention::days(0);
    });
    assert_eq!(for_ever, []);
    assert_eq!(after(|facts| facts.oldest_ended = Look::Seen(None)), []);
}

#[test]
fn executions_that_no_process_knows_come_before_what_they_may_have_caused() {
    use Severity::Warning;
    let found = after(|facts| {
        let sweep = seen(&mut facts.sweep);
        (sweep.unknown, sweep.failed) = (2, 1);
    });
    assert_eq!(found, [("EXECUTIONS_UNKNOWN", Warning), ("REPAIRS_FAILED", Warning)]);
}
