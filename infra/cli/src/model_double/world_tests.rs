//! Facts about what a world does to a call.

use serde_json::json;

use super::*;

const CALL: Call<'_> = Call { model: "first", prompt: "about 英語" };
const OTHER: Call<'_> = Call { model: "second", prompt: "about 料理" };
const NOW: Duration = Duration::ZERO;

fn read(post: &Value) -> Result<WorldRequest, String> {
    WorldRequest::read(post.to_string().as_bytes())
}

fn world(posts: &[Value]) -> World {
    let mut world = World::new(1);
    for post in posts {
        world.add(read(post).unwrap());
    }
    world
}

fn delay(world: &World, call: Call<'_>) -> Option<u64> {
    world.delay(call).map(|delay| u64::try_from(delay.as_millis()).unwrap())
}

/// How many of many calls pass at once.
fn passing(world: &mut World, call: Call<'_>) -> usize {
    (0..50).take_while(|_| world.admit(call, 1, NOW).is_ok()).count()
}

fn replies(world: &mut World, call: Call<'_>, calls: usize) -> Vec<Option<u64>> {
    (0..calls).map(|_| Some(world.reply(call)?.tokens().0)).collect()
}

fn reply(mark: u64, more: &Value) -> Value {
    let mut post = json!({"reply": {"body": {"usage": {"inputTokens": mark}}}});
    post.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    post
}

#[test]
fn without_posts_nothing_happens_to_a_call() {
    let mut world = World::new(1);
    assert_eq!((delay(&world, CALL), passing(&mut world, CALL)), (None, 50));
    assert!(world.reply(CALL).is_none());
    let luck = world.luck(CALL, 7);
    assert!(luck.short.abs() < f64::EPSILON && luck.long.abs() < f64::EPSILON);
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    for (post, named) in [
        (json!({"requestPerMinute": 1}), "requestPerMinute"),
        (json!({"reply": {"code": 200}}), "code"),
        (json!({"reply": {"status": 99}}), "reply.status"),
        (json!({"shortText": 1.1}), "shortText"),
        (json!({"longText": -0.1}), "longText"),
        (json!({"shortText": 0.6, "longText": 0.6}), "together"),
        (json!({"burst": 0}), "burst"),
        (json!({"times": 2}), "times"),
        (json!({"seed": 2, "onlyModel": "m"}), "seed"),
        (json!({"onlyModel": "m"}), "nothing"),
        (json!({}), "nothing"),
        (json!({"delayMs": -1}), "-1"),
    ] {
        let error = read(&post).unwrap_err();
        assert!(error.contains(named), "{post}: {error}");
    }
    assert!(WorldRequest::read(b"nonsense").is_err());
}

#[test]
fn a_later_post_leaves_fields_that_it_does_not_name() {
    let mut world = world(&[
        json!({"delayMs": 10, "requestsPerMinute": 60, "burst": 3}),
        json!({"delayMs": 20}),
    ]);
    assert_eq!((delay(&world, CALL), passing(&mut world, CALL)), (Some(20), 3));
}

#[test]
fn null_takes_a_field_away_and_only_that() {
    let mut world = world(&[
        json!({"delayMs": 10, "requestsPerMinute": 2}),
        json!({"requestsPerMinute": null}),
    ]);
    assert_eq!((delay(&world, CALL), passing(&mut world, CALL)), (Some(10), 50));
}

#[test]
fn a_post_for_some_calls_stands_above_an_older_one_for_all() {
    let world = world(&[
        json!({"delayMs": 10}),
        json!({"delayMs": 20, "onlyModel": "first"}),
        json!({"delayMs": 30, "match": "料理"}),
    ]);
    assert_eq!((delay(&world, CALL), delay(&world, OTHER)), (Some(20), Some(30)));
    assert_eq!(delay(&world, Call { model: "third", ..CALL }), Some(10));
}

#[test]
fn without_a_burst_a_minutes_worth_passes_at_once() {
    assert_eq!(passing(&mut world(&[json!({"requestsPerMinute": 7})]), CALL), 7);
}

#[test]
fn each_model_has_its_quota() {
    let mut world = world(&[json!({"requestsPerMinute": 2})]);
    assert_eq!((passing(&mut world, CALL), passing(&mut world, OTHER)), (2, 2));
}

#[test]
fn a_quota_that_is_posted_again_is_full_and_another_field_fills_nothing() {
    let mut world = world(&[json!({"requestsPerMinute": 2})]);
    assert_eq!(passing(&mut world, CALL), 2);
    world.add(read(&json!({"delayMs": 1})).unwrap());
    assert_eq!(passing(&mut world, CALL), 0);
    world.add(read(&json!({"requestsPerMinute": 2})).unwrap());
    assert_eq!(passing(&mut world, CALL), 2);
}

#[test]
fn output_counts_as_often_as_the_burndown_says_when_the_call_ends() {
    for (burndown, left) in [(json!(null), 990), (json!(5), 950)] {
        let mut world =
            world(&[json!({"tokensPerMinute": 1_000}), json!({"outputBurndown": burndown})]);
        let held = world.admit(CALL, 600, NOW).unwrap();
        assert_eq!(world.admit(CALL, 401, NOW), Err(Exhausted::Tokens));
        world.settle(&held, (0, 10), NOW);
        assert_eq!(world.shown()["left"], json!({"first": {"requests": null, "tokens": left}}));
    }
}

#[test]
fn counted_replies_go_first_and_the_oldest_of_them_before_the_others() {
    let mut world = world(&[
        reply(1, &json!({})),
        reply(2, &json!({"times": 2})),
        reply(3, &json!({"times": 1})),
        reply(4, &json!({})),
    ]);
    let expected = [Some(2), Some(2), Some(3), Some(4), Some(4)];
    assert_eq!(replies(&mut world, CALL, 5), expected);
}

#[test]
fn a_reply_is_for_the_calls_that_it_names() {
    let mut world = world(&[
        reply(1, &json!({"times": 1, "onlyModel": "second"})),
        reply(2, &json!({"times": 1, "match": "英語"})),
    ]);
    assert_eq!(replies(&mut world, CALL, 2), [Some(2), None]);
    assert_eq!(replies(&mut world, OTHER, 2), [Some(1), None]);
}

#[test]
fn a_reply_that_is_used_up_leaves_the_other_fields_of_its_post() {
    let mut world = world(&[reply(1, &json!({"times": 1, "delayMs": 5}))]);
    assert_eq!(replies(&mut world, CALL, 2), [Some(1), None]);
    assert_eq!(delay(&world, CALL), Some(5));
}

#[test]
fn luck_is_the_same_for_the_same_seed_prompt_and_number() {
    let post = json!({"shortText": 0.5, "seed": 42});
    let draw = |world: &mut World| [world.luck(CALL, 7), world.luck(CALL, 8), world.luck(CALL, 7)];
    let (mut one, mut other) = (world(std::slice::from_ref(&post)), World::new(2));
    other.luck(CALL, 7);
    other.add(read(&post).unwrap());
    let first = draw(&mut one);
    assert_eq!(first, draw(&mut other));
    assert!(first[0].state != first[1].state && first[0].state != first[2].state);
    one.add(read(&json!({"seed": 42})).unwrap());
    assert_eq!(draw(&mut one), first);
    one.add(read(&json!({"seed": 43})).unwrap());
    assert_ne!(draw(&mut one), first);
}

#[test]
fn calls_for_other_prompts_do_not_change_a_prompts_luck() {
    let mut alone = world(&[json!({"seed": 1})]);
    let mut among_others = world(&[json!({"seed": 1})]);
    for prompt in 100..200 {
        among_others.luck(OTHER, prompt);
    }
    assert_eq!(alone.luck(CALL, 7), among_others.luck(CALL, 7));
}

#[test]
fn clearing_takes_everything_away_and_draws_another_seed() {
    let mut world = world(&[json!({"delayMs": 1, "requestsPerMinute": 1}), reply(1, &json!({}))]);
    let seed = world.seed;
    passing(&mut world, CALL);
    world.clear();
    assert_eq!((delay(&world, CALL), passing(&mut world, CALL)), (None, 50));
    assert!(world.reply(CALL).is_none());
    assert_ne!(world.seed, seed);
    assert_ne!(World::new(1).seed, World::new(2).seed);
}

#[test]
fn what_is_in_force_is_shown_as_it_was_posted() {
    let mut world = world(&[
        json!({"delayMs": 5, "burst": null, "seed": 3}),
        json!({"reply": {"status": 200}, "times": 3}),
    ]);
    world.reply(CALL);
    let reply = json!({"status": 200, "headers": {}, "body": null});
    let posts = json!([{"delayMs": 5, "burst": null, "seed": 3}, {"reply": reply, "times": 2}]);
    assert_eq!(world.shown(), json!({"seed": 3, "posts": posts, "left": {}}));
}
