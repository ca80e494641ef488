use clap::Parser;

use super::*;

fn scenario(args: &[&str]) -> Scenario {
    Scenario::try_parse_from([&["simulate"], args].concat()).unwrap().whole().unwrap()
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_another() {
    let outcome = |seed| run(&scenario(&["--seed", seed]));
    assert_eq!(outcome("7"), outcome("7"));
    assert_ne!(outcome("7"), outcome("8"));
}

#[test]
fn a_crowd_before_a_small_quota_completes_whole_at_any_size() {
    for times in ["1", "10", "100"] {
        let outcome = run(&scenario(&["--times", times]));
        assert_eq!((outcome.failed, outcome.timed_out), (0, 0), "{times}: {outcome}");
        assert!(outcome.seconds <= 1.4 * outcome.ideal_seconds, "{times}: {outcome}");
    }
}

#[test]
fn users_of_the_same_number_of_jobs_are_done_at_about_the_same_time() {
    let outcome = run(&scenario(&["--times", "10"]));
    assert!(outcome.first_user_done_seconds >= 0.5 * outcome.last_user_done_seconds, "{outcome}");
}

#[test]
fn without_a_quota_in_the_way_the_limit_is_the_pace() {
    let args = ["--quota", "100000", "--burst", "100000", "--jobs", "320", "--users", "40"];
    let outcome = run(&scenario(&args));
    assert_eq!((outcome.refused, outcome.completed), (0, 320));
    assert!(outcome.seconds < 1.3 * outcome.ideal_seconds, "{outcome}");
}

#[test]
fn starts_that_are_lost_are_found_by_a_sweep_and_nothing_else_is_mended() {
    let outcome = run(&scenario(&["--lost-starts", "30"]));
    assert_eq!(outcome.completed, 90, "{outcome}");
    assert!(outcome.repaired > 0, "{outcome}");
    assert_eq!(run(&scenario(&[])).repaired, 0);
}

#[test]
fn what_no_quota_could_do_in_time_ends_as_timeout_and_nothing_is_left_open() {
    let args = ["--quota", "1", "--burst", "1", "--time-limit", "60", "--jobs", "20"];
    let outcome = run(&scenario(&args));
    assert!(outcome.timed_out > 0, "{outcome}");
    assert_eq!(outcome.completed + outcome.failed + outcome.timed_out, 20);
}

#[test]
fn a_picture_of_it_has_its_curves() {
    let scenario = scenario(&[]);
    let picture = draw(&scenario, &run(&scenario)).unwrap();
    assert!(picture.starts_with("<svg"), "{}", &picture[..60]);
    for curve in ["waiting jobs", "calls in flight", "limit in force", "refused a second"] {
        assert!(picture.contains(curve), "{curve}");
    }
}

#[test]
fn a_scenario_out_of_all_measure_is_refused_with_the_bound() {
    let whole = |args: &[&str]| Scenario::try_parse_from(args).unwrap().whole();
    let error = whole(&["simulate", "--model-seconds", "900"]).unwrap_err().to_string();
    assert!(error.contains("270"), "{error}");
    let error = whole(&["simulate", "--jobs", "1000000", "--times", "1000"]).unwrap_err();
    assert!(error.to_string().contains("2,000,000"), "{error}");
}
