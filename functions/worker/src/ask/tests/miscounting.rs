//! What a model that miscounts costs: seeded, in this process, with as many attempts as the state
//! machine makes.
//!
//! `cargo test -p worker miscounting -- --nocapture` prints the figures.

use shared::process::engine_retry;

use super::*;

/// A model that writes what the schema asks for, each description too short with a probability.
struct Miscounting {
    state: u64,
    too_short: f64,
    calls: u32,
    tokens: usize,
    titles: usize,
}

impl Miscounting {
    fn new(seed: u64, too_short: f64) -> Self {
        Self { state: seed, too_short, calls: 0, tokens: 0, titles: 0 }
    }

    /// `SplitMix64`.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.draw() >> 32).unwrap()) / f64::from(u32::MAX)
    }

    fn between(&mut self, from: u64, to: u64) -> usize {
        usize::try_from(from + self.draw() % (to - from + 1)).unwrap()
    }

    fn answer(&mut self, prompt: &Prompt) -> Value {
        let (field, list) = prompt.schema["properties"].as_object().unwrap().iter().next().unwrap();
        let properties = list["items"]["properties"].as_object().unwrap();
        let count = usize::try_from(list["minItems"].as_u64().unwrap()).unwrap();
        let items: Vec<Value> = (0..count)
            .map(|place| {
                let mut item = json!({});
                for (name, schema) in properties {
                    item[name] = self.value(name, schema, place);
                }
                item
            })
            .collect();
        let answer = json!({field: items});
        self.calls += 1;
        self.tokens += tokens(&answer);
        answer
    }

    fn value(&mut self, name: &str, schema: &Value, place: usize) -> Value {
        match name {
            "title" => {
                self.titles += 1;
                json!(format!("十文字ほどの題名{}", self.titles))
            }
            "description" => {
                let least = schema["minLength"].as_u64().unwrap();
                let short = self.unit() < self.too_short;
                let (from, to) = if short { (least - 5, least - 1) } else { (80, 150) };
                json!("説".repeat(self.between(from, to)))
            }
            "background" => json!("背".repeat(45)),
            "type" => json!("HABIT"),
            "index" => schema["enum"][place].clone(),
            other => panic!("{other} is new"),
        }
    }
}

/// About one for each Japanese character, and for each four others.
fn tokens(answer: &Value) -> usize {
    let text = answer.to_string();
    let ascii = text.chars().filter(char::is_ascii).count();
    text.chars().count() - ascii + ascii / 4
}

/// Tokens of an answer in which every text has the right length.
fn tokens_of_one(level: Level) -> usize {
    let mut model = Miscounting::new(1, 0.0);
    let prompt = Chart::prompt(&target(level));
    for _ in 0..100 {
        model.answer(&prompt);
    }
    model.tokens / 100
}

/// Asks for one target, in so many attempts at most.
async fn job(level: Level, attempts: u64, model: &RefCell<Miscounting>) -> bool {
    let clock = TestClock::default();
    for _ in 0..attempts {
        let ask = async |prompt: &Prompt| Ok(Ok(model.borrow_mut().answer(prompt)));
        match ask_until_right::<Chart>(&target(level), ask, &clock, ENOUGH_TIME).await {
            Ok(_) => return true,
            Err(failure) => assert_eq!(failure.code, ErrorCode::AiResponseInvalid),
        }
    }
    false
}

/// Attempts that the state machine makes at a process of one target.
fn attempts_at_process() -> u64 {
    engine_retry::of_worker_error(ErrorCode::AiResponseInvalid).unwrap().max_attempts + 1
}

struct Figures {
    whole: u32,
    calls: f64,
    tokens: f64,
}

/// So many jobs of one target, each from a seed of its own.
async fn single_jobs(jobs: u32, too_short: f64) -> Figures {
    let (mut whole, mut calls, mut spent) = (0, 0, 0);
    for seed in 0..jobs {
        let model = RefCell::new(Miscounting::new(seed.into(), too_short));
        whole += u32::from(job(Level::SubGoals, attempts_at_process(), &model).await);
        let model = model.into_inner();
        (calls, spent) = (calls + model.calls, spent + model.tokens);
    }
    figures(whole, calls, spent, tokens_of_one(Level::SubGoals), jobs)
}

/// So many charts down to their actions: nine targets each, of which none may be given up. Calls
/// and tokens are those of one target. (What a task's description may be has no least length.)
async fn charts(charts: u32, too_short: f64) -> Figures {
    let tries = u64::try_from(engine_retry::TRIES_FOR_INVALID_ANSWERS).unwrap();
    let (mut whole, mut calls, mut spent) = (0, 0, 0);
    for seed in 0..charts {
        let model = RefCell::new(Miscounting::new(seed.into(), too_short));
        let mut all = job(Level::SubGoals, attempts_at_process(), &model).await;
        for _ in 0..8 {
            all &= job(Level::Actions, tries, &model).await;
        }
        whole += u32::from(all);
        let model = model.into_inner();
        (calls, spent) = (calls + model.calls, spent + model.tokens);
    }
    figures(whole, calls, spent, tokens_of_one(Level::Actions), charts * 9)
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn figures(whole: u32, calls: u32, spent: usize, one: usize, targets: u32) -> Figures {
    let targets = f64::from(targets);
    let tokens = spent as f64 / targets / one as f64;
    Figures { whole, calls: f64::from(calls) / targets, tokens }
}

fn tell(what: &str, jobs: u32, Figures { whole, calls, tokens }: &Figures) {
    println!("{what}: {whole} of {jobs} whole, {calls:.2} calls, {tokens:.2} × the output tokens");
}

#[tokio::test]
async fn with_a_quarter_of_the_descriptions_too_short_every_job_completes_for_little_more() {
    // Many more seeds than sixty, too: the sixty are no luck.
    for jobs in [60, 300] {
        let found = single_jobs(jobs, 0.25).await;
        tell("25 %, sub-goal jobs", jobs, &found);
        assert_eq!(found.whole, jobs);
        assert!(found.calls <= 2.8 && found.tokens <= 1.6, "{} {}", found.calls, found.tokens);
    }
}

#[tokio::test]
async fn with_one_in_twelve_too_short_a_job_needs_fewer_than_two_calls() {
    for jobs in [60, 300] {
        let found = single_jobs(jobs, 0.08).await;
        tell("8 %, sub-goal jobs", jobs, &found);
        assert_eq!(found.whole, jobs);
        assert!(found.calls <= 1.7 && found.tokens <= 1.6, "{} {}", found.calls, found.tokens);
    }
}

#[tokio::test]
async fn whole_charts_complete_with_all_their_targets() {
    for (what, too_short, calls) in [("25 %, charts", 0.25, 2.8), ("8 %, charts", 0.08, 1.7)] {
        let found = charts(60, too_short).await;
        tell(what, 60, &found);
        assert_eq!(found.whole, 60);
        assert!(found.calls <= calls && found.tokens <= 1.6, "{} {}", found.calls, found.tokens);
    }
}
