//! What admission may do, and what it must: it never goes past a limit, and it leaves nobody
//! waiting for whom there is room.

use crate::{
    real::Answer,
    reference::{Process, Reference},
    step::{Move, Step},
};

/// How many users there are.
pub const USERS: usize = 3;

/// Whether the step did with the capacity what it may and must.
pub fn is_lawful(
    before: &Reference,
    after: &Reference,
    step: &Step,
    answer: &Answer,
) -> Result<(), String> {
    // Whoever was started by hand is counted without being asked, and an operator may set a limit
    // below what is in flight: then nobody is admitted until it has sunk below it.
    let by_hand = matches!(step, Step::To { what: Move::Claim, .. });
    let most = before.in_use(None).max(after.calls) + i32::from(by_hand);
    if after.in_use(None) > most {
        return Err(format!("{} calls in flight, and {most} may be", after.in_use(None)));
    }
    for user in 0..USERS {
        let most = before.in_use(Some(user)).max(after.calls_per_user) + i32::from(by_hand);
        let in_use = after.in_use(Some(user));
        if in_use > most {
            return Err(format!("{in_use} calls of user {user} in flight, and {most} may be"));
        }
    }
    match (step, answer) {
        (Step::Submit { user }, Answer::Accepted(admitted)) => accepted(before, *user, *admitted),
        (Step::Admit { most }, Answer::Admitted(numbers)) => {
            admitted(before, after, *most, numbers)
        }
        _ => Ok(()),
    }
}

/// Whoever has room and nobody before them starts at once.
fn accepted(before: &Reference, user: usize, admitted: Option<bool>) -> Result<(), String> {
    let room = !before.paused
        && before.in_use(None) < before.calls
        && before.in_use(Some(user)) < before.calls_per_user;
    let waiting = before.processes.iter().any(Process::waits);
    match admitted {
        Some(true) if !room || waiting => Err("it starts at once, and may not".to_owned()),
        Some(false) if room => Err("it waits, and there is room".to_owned()),
        None if room && !waiting => Err("it is not known, and there is room".to_owned()),
        _ => Ok(()),
    }
}

fn admitted(
    before: &Reference,
    after: &Reference,
    most: i32,
    numbers: &[usize],
) -> Result<(), String> {
    let waited = |number: &usize| before.processes[*number].waits();
    if !numbers.iter().all(waited) {
        return Err(format!("of {numbers:?} some did not wait"));
    }
    if i32::try_from(numbers.len()).unwrap() > most || (before.paused && !numbers.is_empty()) {
        return Err(format!("{} were admitted", numbers.len()));
    }
    let is_over = |it: &&Process| it.waits() && after.in_use(Some(it.user)) < after.calls_per_user;
    let full = after.in_use(None) >= after.calls;
    let enough = i32::try_from(numbers.len()).unwrap() == most;
    match after.processes.iter().find(is_over) {
        Some(waiting) if !(full || enough || after.paused) => {
            Err(format!("user {} waits, and there is room", waiting.user))
        }
        _ => Ok(()),
    }
}
