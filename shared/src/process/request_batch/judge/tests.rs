use super::*;

const LIMIT: i32 = 2;
const MINE: &str = "hanako";

fn user(name: &str) -> UserId {
    UserId(name.to_owned())
}

const fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

const fn running(number: u128) -> ProcessId {
    ProcessId(uuid(number))
}

/// With room for everything.
const PLENTY: Room = Room { refused: false, waiting: 0, starts: 100, tokens_left: None };

/// A request for `target`, which is there, is empty and is part of nothing.
fn candidate(index: usize, target: u128) -> Candidate {
    Candidate {
        index,
        wish: Wish {
            process_type: ProcessType::new("A"),
            target_id: uuid(target),
            target_must_exist: true,
            replace: false,
            planned_tokens: 10,
            late: false,
        },
        surroundings: Surroundings {
            target_user: Some(user(MINE)),
            scope: scope(target, &[target], &[]),
            ..Surroundings::default()
        },
    }
}

fn scope(goal: u128, holds: &[u128], lies_within: &[u128]) -> Scope {
    let ids = |numbers: &[u128]| numbers.iter().copied().map(uuid).collect();
    Scope { goal_id: Some(uuid(goal)), holds: ids(holds), lies_within: ids(lies_within) }
}

fn judged(candidates: &[Candidate], room: Room) -> Vec<Option<Obstacle>> {
    judge(&user(MINE), candidates, room, LIMIT)
}

/// Every combination of what can be wrong: the first in the order of reasons is what is told.
#[test]
fn of_all_that_stands_in_the_way_the_first_reason_is_told() {
    let truths = [false, true];
    let whose = [None, Some(MINE), Some("mallory")];
    let rooms = truths.iter().flat_map(|refused| {
        [(0, 1), (LIMIT, 0), (LIMIT - 1, 0)].into_iter().flat_map(move |(waiting, starts)| {
            [None, Some(10), Some(9), Some(-1)].map(|tokens_left| Room {
                refused: *refused,
                waiting,
                starts,
                tokens_left,
            })
        })
    });
    let mut count = 0;
    for room in rooms {
        for bits in 0..16 {
            let [late, must_exist, replace, occupied] = [1, 2, 4, 8].map(|bit| bits & bit != 0);
            for (target, run) in whose.iter().flat_map(|a| whose.map(|b| (*a, b))) {
                let mut one = candidate(0, 1);
                one.wish = Wish { late, target_must_exist: must_exist, replace, ..one.wish };
                one.surroundings.target_user = target.map(user);
                one.surroundings.occupied = occupied;
                one.surroundings.running = run.map(|name| (running(7), user(name)));
                let reasons = [
                    (late, Obstacle::TooLate),
                    (target == Some("mallory") || run == Some("mallory"), Obstacle::Forbidden),
                    (must_exist && target.is_none(), Obstacle::TargetNotFound),
                    (run.is_some(), Obstacle::AlreadyRunning { process_id: running(7) }),
                    (occupied && !replace, Obstacle::TargetNotEmpty),
                    (room.refused, Obstacle::Paused),
                    (room.waiting == LIMIT, Obstacle::TooManyWaiting),
                    (room.tokens_left == Some(9), Obstacle::OverBudget { left: 9, planned: 10 }),
                    (room.tokens_left == Some(-1), Obstacle::OverBudget { left: 0, planned: 10 }),
                ];
                let first = reasons.iter().find(|(holds, _)| *holds).map(|(_, reason)| *reason);
                assert_eq!(judged(&[one.clone()], room), [first], "{one:?} {room:?}");
                count += 1;
            }
        }
    }
    assert_eq!(count, 24 * 16 * 9);
}

#[test]
fn what_overlaps_a_request_before_it_is_refused_and_what_was_refused_holds_nothing() {
    let mut refused = candidate(0, 1);
    refused.surroundings.occupied = true;
    let [first, again, other, third] =
        [(1, 1), (4, 1), (5, 2), (9, 1)].map(|(i, t)| candidate(i, t));
    assert_eq!(
        judged(&[refused, first, again, other, third], PLENTY),
        [
            Some(Obstacle::TargetNotEmpty),
            None,
            Some(Obstacle::Overlaps { index: 1 }),
            None,
            Some(Obstacle::Overlaps { index: 1 }),
        ]
    );
}

#[test]
fn an_overlap_is_told_before_a_full_target_and_after_a_missing_one() {
    let first = candidate(0, 1);
    let mut occupied = candidate(1, 1);
    occupied.surroundings.occupied = true;
    let mut missing = candidate(2, 1);
    missing.surroundings.target_user = None;
    let mut in_the_way = candidate(3, 1);
    in_the_way.surroundings.running = Some((running(7), user(MINE)));
    assert_eq!(
        judged(&[first, occupied, missing, in_the_way], PLENTY),
        [
            None,
            Some(Obstacle::Overlaps { index: 0 }),
            Some(Obstacle::TargetNotFound),
            Some(Obstacle::AlreadyRunning { process_id: running(7) }),
        ]
    );
}

#[test]
fn a_whole_its_parts_and_their_parts_exclude_each_other_and_neighbours_do_not() {
    let scopes = [
        ("whole", scope(1, &[1], &[])),
        ("part", scope(1, &[10], &[1])),
        ("its part", scope(1, &[100], &[1, 10])),
        ("neighbour", scope(1, &[11], &[1])),
        ("its part too", scope(1, &[110, 111], &[1, 11])),
    ];
    let apart = [
        ("part", "neighbour"),
        ("part", "its part too"),
        ("its part", "neighbour"),
        ("its part", "its part too"),
    ];
    for (name, one) in &scopes {
        for (other_name, other) in &scopes {
            let is_apart =
                apart.contains(&(name, other_name)) || apart.contains(&(other_name, name));
            assert_eq!(one.overlaps(other), !is_apart, "{name}, {other_name}");
            let elsewhere = Scope { goal_id: Some(uuid(2)), ..other.clone() };
            assert!(!one.overlaps(&elsewhere), "{name}, {other_name} of another whole");
        }
    }
    let none = Scope::default();
    assert!(!none.overlaps(&none), "what is part of nothing excludes only itself");
}

#[test]
fn without_a_whole_the_same_type_on_the_same_target_still_excludes_itself() {
    let alone = |index, name: &str| {
        let mut one = candidate(index, 1);
        one.wish.process_type = ProcessType::new(name);
        one.surroundings.scope = Scope::default();
        one
    };
    assert_eq!(
        judged(&[alone(0, "A"), alone(1, "B"), alone(2, "A")], PLENTY),
        [None, None, Some(Obstacle::Overlaps { index: 0 })]
    );
}

#[test]
fn those_that_start_at_once_do_not_wait_and_the_rest_wait_up_to_the_limit() {
    let many: Vec<_> = (0..7).map(|index| candidate(index, 1 + index as u128)).collect();
    let accepted = |room| judged(&many, room).iter().filter(|judged| judged.is_none()).count();
    let room = |waiting, starts| Room { waiting, starts, ..PLENTY };
    assert_eq!(accepted(room(0, 0)), 2);
    assert_eq!(accepted(room(1, 0)), 1);
    assert_eq!(accepted(room(2, 0)), 0);
    assert_eq!(accepted(room(9, 0)), 0);
    assert_eq!(accepted(room(0, 3)), 5);
    assert_eq!(judged(&many, room(0, 0))[2..], [Some(Obstacle::TooManyWaiting); 5]);
}

#[test]
fn the_budget_is_taken_from_in_order_and_a_smaller_request_may_still_fit() {
    let cost = |index, planned_tokens| {
        let mut one = candidate(index, 1 + index as u128);
        one.wish.planned_tokens = planned_tokens;
        one
    };
    let costs = [cost(0, 60), cost(1, 50), cost(2, 30), cost(3, 11), cost(4, 10), cost(5, 1)];
    let over = |left, planned| Some(Obstacle::OverBudget { left, planned });
    assert_eq!(
        judged(&costs, Room { tokens_left: Some(100), ..PLENTY }),
        [None, over(40, 50), None, over(10, 11), None, over(0, 1)]
    );
}

#[test]
fn a_refused_request_takes_neither_place_nor_budget() {
    let mut late = candidate(0, 1);
    late.wish.late = true;
    let room = Room { starts: 0, waiting: LIMIT - 1, tokens_left: Some(10), ..PLENTY };
    assert_eq!(
        judged(&[late, candidate(1, 2), candidate(2, 3)], room),
        [Some(Obstacle::TooLate), None, Some(Obstacle::TooManyWaiting)]
    );
}

#[test]
fn nothing_is_judged_of_an_empty_list() {
    assert_eq!(judged(&[], PLENTY), []);
}
