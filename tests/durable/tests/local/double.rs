//! A world of which each test says how its model answers: one row, eight sub-goals.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_durable_execution_sdk::test_util::{LocalRunner, TestResult};
use durable::{Ended, Job, Standing, World, generate};
use serde_json::{Value, json};
use shared::{
    aws::model::ModelAnswer,
    chart::{GoalText, Level, Part, PartParams, PartText, Rows, Target},
    process::{Assembly, ErrorCode, Failure, ModelUsage, Prompt},
};
use tokio::time::Instant;
use uuid::Uuid;

/// What a model does with a question.
#[derive(Debug, Clone)]
pub enum Reply {
    /// What was asked for, right.
    Right,
    /// What was asked for, with a description that is too short in these items.
    Short(Vec<usize>),
    /// No answer.
    Failed(Failure),
}

pub fn throttled() -> Reply {
    Reply::Failed(Failure::new(ErrorCode::AiThrottling, "too many requests"))
}

/// A question: about which target, which one about it (from 0), and whether it is to repair an
/// answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    pub target: usize,
    pub nth: usize,
    pub repair: bool,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    pub question: Question,
    /// Seconds after the beginning at which it ended.
    pub ended_at: u64,
    /// Whether nobody waited for its answer any more.
    pub dropped: bool,
}

/// The row of the job, with what was stored for it.
#[derive(Debug, Default)]
pub struct Row {
    pub ended: Option<Ended>,
    pub parts: Vec<(Uuid, Rows)>,
    pub result: Value,
    pub transactions: usize,
}

type Script = Box<dyn Fn(Question) -> (Reply, Duration) + Send + Sync>;

pub struct Double {
    script: Script,
    began: Instant,
    ids: AtomicU64,
    asked: Mutex<HashMap<usize, usize>>,
    broken: Mutex<HashMap<usize, Vec<usize>>>,
    calls: Mutex<Vec<Call>>,
    pub row: Mutex<Row>,
    /// Characters of a title, a description and a background.
    pub lengths: [usize; 3],
}

/// Notes what became of a call when it ends, however it ends.
struct Noting<'a> {
    double: &'a Double,
    question: Question,
    dropped: bool,
}

impl Drop for Noting<'_> {
    fn drop(&mut self) {
        self.double.calls.lock().unwrap().push(Call {
            question: self.question,
            ended_at: self.double.began.elapsed().as_secs(),
            dropped: self.dropped,
        });
    }
}

pub fn job() -> Job {
    let of = Part::GoalId(Uuid::from_u128(0x600d));
    Job { id: Uuid::from_u128(1), params: PartParams { of, replace: false, only: None } }
}

pub fn target_id(number: usize) -> Uuid {
    Uuid::from_u128(0x100 + number as u128)
}

impl Double {
    /// One whose model answers each question as `script` says, and takes as long as that says.
    pub fn new(
        script: impl Fn(Question) -> (Reply, Duration) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            script: Box::new(script),
            began: Instant::now(),
            ids: AtomicU64::new(1 << 32),
            asked: Mutex::default(),
            broken: Mutex::default(),
            calls: Mutex::default(),
            row: Mutex::default(),
            lengths: [12, 60, 20],
        })
    }

    /// One whose answers all take twenty seconds.
    pub fn answering(reply: impl Fn(Question) -> Reply + Send + Sync + 'static) -> Arc<Self> {
        Self::new(move |question| (reply(question), Duration::from_secs(20)))
    }

    /// One with nothing but right answers, of texts of these lengths.
    pub fn with_lengths(lengths: [usize; 3]) -> Arc<Self> {
        let right = Self::answering(|_| Reply::Right);
        let mut double = Arc::into_inner(right).unwrap();
        double.lengths = lengths;
        Arc::new(double)
    }

    /// Runs the job on `runner`, and waits a second more, in which what was aborted is dropped.
    pub async fn run(self: &Arc<Self>, runner: LocalRunner) -> TestResult<Ended> {
        let world = self.clone();
        let handler = move |job: Job, ctx| generate(world.clone(), job, ctx);
        let result = runner.run(handler, job()).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        result
    }

    /// What its user does to cancel it.
    pub fn cancel(&self) {
        self.row.lock().unwrap().ended.get_or_insert(Ended::Cancelled);
    }

    /// What became of the calls that have ended.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// How many calls were made about each target.
    pub fn calls_by_target(&self) -> [usize; 8] {
        let asked = self.asked.lock().unwrap();
        std::array::from_fn(|target| asked.get(&target).copied().unwrap_or_default())
    }

    /// The targets that something was stored for, and how many rows each got.
    pub fn stored(&self) -> Vec<(Uuid, usize)> {
        self.row.lock().unwrap().parts.iter().map(|(id, rows)| (*id, rows.len())).collect()
    }

    fn item(&self, number: usize, description: usize) -> Value {
        let [title, _, background] = self.lengths;
        json!({
            "title": format!("{number}{}", "題".repeat(title - 1)),
            "description": "説".repeat(description),
            "background": "景".repeat(background),
            "type": "HABIT",
        })
    }

    fn answer(&self, question: Question, short: &[usize]) -> Value {
        let items: Vec<usize> = if question.repair {
            self.broken.lock().unwrap().remove(&question.target).unwrap_or_default()
        } else {
            (0..8).collect()
        };
        let items = items.into_iter().map(|number| {
            let description = if short.contains(&number) { 10 } else { self.lengths[1] };
            let mut item = self.item(number, description);
            if question.repair {
                item["index"] = json!(number);
            }
            item
        });
        let answer = json!({"actions": items.collect::<Vec<_>>()});
        if !short.is_empty() {
            self.broken.lock().unwrap().insert(question.target, short.to_vec());
        }
        answer
    }

    fn end(&self, ended: Ended, store: impl FnOnce(&mut Row)) -> Standing {
        let mut row = self.row.lock().unwrap();
        if row.ended == Some(Ended::Cancelled) {
            return Standing::Cancelled;
        }
        if row.ended.is_none() {
            store(&mut row);
            row.ended = Some(ended);
            row.transactions += 1;
        }
        Standing::Wanted
    }
}

fn title(number: usize) -> String {
    format!("sub-goal number {number}.")
}

impl World for Double {
    async fn ask(&self, prompt: &Prompt) -> Result<(ModelAnswer, ModelUsage), Failure> {
        let text = format!("{}\n{}", prompt.context, prompt.question);
        let target = (0..8).find(|number| text.contains(&title(*number))).unwrap();
        let nth = {
            let mut asked = self.asked.lock().unwrap();
            let count = asked.entry(target).or_default();
            *count += 1;
            *count - 1
        };
        let question = Question { target, nth, repair: !prompt.schema_recurs };
        let mut noting = Noting { double: self, question, dropped: true };
        let (reply, takes) = (self.script)(question);
        tokio::time::sleep(takes).await;
        noting.dropped = false;
        let usage = ModelUsage {
            model_id: "double".into(),
            input_tokens: 603,
            output_tokens: 973,
            latency_ms: 20_000,
            ..ModelUsage::default()
        };
        match reply {
            Reply::Right => Ok((Ok(self.answer(question, &[])), usage)),
            Reply::Short(items) => Ok((Ok(self.answer(question, &items)), usage)),
            Reply::Failed(failure) => Err(failure),
        }
    }

    async fn targets(&self, _: &Job) -> Result<Vec<Target>, Failure> {
        let goal = GoalText {
            title: "英語を話す".into(),
            description: "説明".into(),
            deadline: "2027-01-01T00:00:00Z".parse().unwrap(),
            background: "背景".into(),
            constraints: None,
        };
        let target = |number| Target {
            id: target_id(number),
            level: Level::Actions,
            goal: goal.clone(),
            sub_goal: Some(PartText {
                title: title(number),
                description: "説明".into(),
                background: "背景".into(),
            }),
            action: None,
        };
        Ok((0..8).map(target).collect())
    }

    async fn standing(&self, _: &Job) -> Result<Standing, Failure> {
        let cancelled = self.row.lock().unwrap().ended == Some(Ended::Cancelled);
        Ok(if cancelled { Standing::Cancelled } else { Standing::Wanted })
    }

    async fn complete(&self, _: &Job, assembly: &Assembly<Rows>) -> Result<Standing, Failure> {
        Ok(self.end(Ended::Completed, |row| {
            row.parts.clone_from(&assembly.parts);
            row.result = assembly.result.clone();
        }))
    }

    async fn fail(&self, _: &Job, failure: &Failure) -> Result<Standing, Failure> {
        Ok(self.end(Ended::Failed(failure.code.as_str().to_owned()), |_| {}))
    }

    fn new_id(&self) -> Uuid {
        Uuid::from_u128(self.ids.fetch_add(1, Ordering::Relaxed).into())
    }

    fn jitter(&self, most: Duration) -> Duration {
        most
    }
}
