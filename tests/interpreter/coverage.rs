//! The table knows every retry there is: what is added to the list of `engine_retry` needs a path.

use shared::process::engine_retry::{Retrier, Task, retriers};

use crate::table::{self, Path, Step};

fn state(task: Task) -> &'static str {
    match task {
        Task::Generate => "Generate",
        Task::Batch => "Batch b1",
        Task::GiveUp => "GiveUp b1",
        Task::Settle => "Settle",
    }
}

/// The steps of a path at a task, first to last.
fn steps_at(path: &Path, task: Task) -> Vec<&Step> {
    path.steps.iter().filter(|step| step.at == state(task)).collect()
}

/// Whether the task meets as many of a retrier's errors as are retried, and then a last one.
fn is_used_up(path: &Path, task: Task, retrier: &Retrier) -> bool {
    let [again, last] = steps_at(path, task)[..] else { return false };
    let is_of_it = |name: &String| retrier.errors.contains(&name.as_str());
    again.fails.iter().chain(&last.fails).all(is_of_it)
        && u64::try_from(again.waits().len()).unwrap() == retrier.backoff.max_attempts
        && last.fails_for_good()
}

/// Whether the task meets the error, and is tried again.
fn is_retried(path: &Path, task: Task, name: &str) -> bool {
    let met = |step: &&Step| step.fails.iter().take(step.waits().len()).any(|met| met == name);
    steps_at(path, task).iter().any(met)
}

#[test]
fn each_retrier_of_each_task_has_a_path_that_uses_it_up() {
    let paths = table::all();
    for task in Task::ALL {
        for retrier in retriers(task) {
            let found = paths.iter().any(|path| is_used_up(path, task, retrier));
            assert!(found, "{task:?} has no path for {:?}", retrier.errors);
        }
    }
}

#[test]
fn each_error_that_a_task_retries_has_a_path_in_which_it_is() {
    let paths = table::all();
    for task in Task::ALL {
        for name in retriers(task).iter().flat_map(|retrier| retrier.errors) {
            let found = paths.iter().any(|path| is_retried(path, task, name));
            assert!(found, "{task:?} has no path for {name}");
        }
    }
}
