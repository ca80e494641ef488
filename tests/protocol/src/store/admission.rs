//! Capacity: the functions of migration 12. Who is next is asked of the product's own
//! [`next_in_line`], which a test of the product compares with the SQL on random queues.
//!
//! Of priorities there is one here, and no limit is lowered: `infra/simulate` and
//! `shared/tests/admission` try those.

use chrono::{DateTime, TimeDelta, Utc};
use shared::process::{
    Status, UserId,
    admission::{InLine, next_in_line},
};

use crate::{
    guard::Guards,
    state::{Fence, Id, State, Task},
};

use super::may_write;

/// `capacity_in_use`: of all, or of one user.
#[must_use]
pub fn in_use(state: &State, user: Option<u8>) -> u8 {
    let rows = state.all().map(|(_, row)| row);
    let own = rows.filter(|row| user.is_none_or(|user| row.user == user));
    own.map(super::super::state::Row::calls).sum::<u8>() + state.leaked
}

fn somebody_waits(state: &State) -> bool {
    state.all().any(|(_, row)| row.waits())
}

/// `next_in_queue`, and the oldest process of that user.
#[must_use]
pub fn next_waiting(state: &State, per_user: u8) -> Option<Id> {
    // Without the lock, who is being admitted is held, and passed over.
    let is_held = |id: Id| state.tasks.contains(&Task::AdmitSeen(id));
    let waiting = |user: u8| {
        state.all().filter(move |(id, row)| row.user == user && row.waits() && !is_held(*id))
    };
    if !somebody_waits(state) {
        return None;
    }
    let moment = |order: u8| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(order.into());
    let line: Vec<InLine> = (0..3)
        .filter_map(|user| {
            let since = waiting(user).map(|(_, row)| row.order).min()?;
            Some(InLine {
                user_id: UserId(user.to_string()),
                calls: in_use(state, Some(user)).into(),
                served_at: moment(state.served[usize::from(user)]),
                normal_since: Some(moment(since)),
                low_since: None,
            })
        })
        .collect();
    let (user, _) = next_in_line(&line, per_user.into(), 0)?;
    let user = user.0.parse().ok()?;
    waiting(user).min_by_key(|(_, row)| row.order).map(|(id, _)| id)
}

/// `capacity_for_one`: whether a process that is being accepted may start at once. `None`: it is to
/// be asked again once it is stored.
#[must_use]
pub fn capacity_for_one(state: &State, user: u8, calls: u8, per_user: u8) -> Option<bool> {
    if in_use(state, Some(user)) >= per_user {
        return Some(false);
    }
    if in_use(state, None) >= calls {
        let batches = state.all().flat_map(|(_, row)| row.batches.iter().flatten());
        let mut giving = batches.map(|batch| batch.slots.saturating_sub(batch.gives_back));
        return if giving.any(|slots| slots > 1) { None } else { Some(false) };
    }
    if somebody_waits(state) { None } else { Some(true) }
}

/// `admit`: who is admitted, and is now to be started. Then what is left goes to batches that could
/// use more; or where somebody waits in vain, those that have more than one call are asked to give
/// some back.
pub fn admit(state: &mut State, calls: u8, per_user: u8) -> Vec<Id> {
    let mut admitted = Vec::new();
    loop {
        let Some(next) = next_waiting(state, per_user) else {
            give_more(state, calls, per_user);
            return admitted;
        };
        if in_use(state, None) >= calls {
            ask_back(state, next);
            return admitted;
        }
        give(state, next);
        admitted.push(next);
    }
}

/// The `UPDATE`s of `admit`.
pub fn give(state: &mut State, id: Id) {
    if let Some(row) = state.rows[usize::from(id)].as_mut() {
        row.admitted = true;
        row.share = 1;
        let user = row.user;
        state.serve(user);
    }
}

/// The part of `admit` that gives what is left to whoever could use more.
fn give_more(state: &mut State, calls: u8, per_user: u8) {
    for row in state.rows.iter_mut().flatten() {
        for batch in row.batches.iter_mut().flatten() {
            batch.gives_back = 0;
        }
    }
    while in_use(state, None) < calls {
        let users: Vec<u8> = (0..3).filter(|user| in_use(state, Some(*user)) < per_user).collect();
        let running = state
            .rows
            .iter_mut()
            .flatten()
            .filter(|row| row.status == Status::Processing && users.contains(&row.user));
        let mut takers = running.filter_map(|row| {
            let attempt = row.attempt;
            let share = &mut row.share;
            let batches = row.batches.iter_mut().flatten();
            let mut may_take = batches.filter(move |batch| {
                batch.plan == attempt
                    && batch.slots >= 1
                    && batch.slots < batch.wants
                    && !batch.rests
            });
            may_take.next().map(|batch| (batch, share))
        });
        let Some((batch, share)) = takers.next() else { return };
        batch.slots += 1;
        *share += 1;
    }
}

/// `ask_back` for one who waits, with nothing in flight beyond the limit.
fn ask_back(state: &mut State, waiting: Id) {
    let Some(user) = state.row(waiting).map(|row| row.user) else { return };
    let waiting_calls = in_use(state, Some(user));
    let users_waiting = {
        let mut users: Vec<u8> =
            state.all().filter(|(_, row)| row.waits()).map(|(_, row)| row.user).collect();
        users.sort_unstable();
        users.dedup();
        u8::try_from(users.len().clamp(1, 4)).unwrap_or(4)
    };
    let asked: u8 = state
        .all()
        .filter(|(_, row)| row.status == Status::Processing)
        .flat_map(|(_, row)| row.batches.iter().flatten().map(move |batch| (row, batch)))
        .filter(|(row, batch)| batch.plan == row.attempt)
        .map(|(_, batch)| batch.gives_back)
        .sum();
    for round in 1..=4_u8.saturating_sub(asked) {
        let least = waiting_calls + 2 + (round + asked - 1) / users_waiting;
        let giver = state.all().find_map(|(id, row)| {
            let giving: u8 = row.batches.iter().flatten().map(|batch| batch.gives_back).sum();
            let number = row.batches.iter().position(|batch| {
                batch.is_some_and(|batch| {
                    batch.plan == row.attempt && batch.slots.saturating_sub(batch.gives_back) > 1
                })
            })?;
            let after_giving = in_use(state, Some(row.user)).saturating_sub(giving);
            (row.status == Status::Processing && after_giving >= least).then_some((id, number))
        });
        let Some((id, number)) = giver else { return };
        let row = state.rows[usize::from(id)].as_mut();
        if let Some(batch) = row.and_then(|row| row.batches[number].as_mut()) {
            batch.gives_back += 1;
        }
    }
}

/// `widen`: as many calls as a process wants that is about to plan its batches, as far as there is
/// capacity that nobody waits for. Its share then; `None`: fenced.
pub fn widen(
    guards: Guards,
    state: &mut State,
    id: Id,
    attempt: u8,
    wanted: u8,
    (calls, per_user): (u8, u8),
) -> Option<u8> {
    let row = state.row(id).filter(|row| may_write(guards, row, Fence { attempt, batch: None }))?;
    if next_waiting(state, per_user).is_some() {
        return Some(row.share);
    }
    let more = wanted
        .saturating_sub(row.share)
        .min(per_user.saturating_sub(in_use(state, Some(row.user))))
        .min(calls.saturating_sub(in_use(state, None)));
    let row = state.rows[usize::from(id)].as_mut()?;
    row.share += more;
    Some(row.share)
}
