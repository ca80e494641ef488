//! The table of paths, as its files say it.
//!
//! A call that no step names succeeds, so that a step is what a path is about. `b1`, `b2` … are
//! the batches of a plan; `Batch *` stands for each of them.

use serde::Deserialize;
use serde_json::Value;

/// The parts of the table, by what they are about.
const PARTS: [(&str, &str); 7] = [
    ("success", include_str!("paths/success.json")),
    ("generate", include_str!("paths/generate.json")),
    ("batch", include_str!("paths/batch.json")),
    ("give_up", include_str!("paths/give_up.json")),
    ("settle", include_str!("paths/settle.json")),
    ("time", include_str!("paths/time.json")),
    ("fields", include_str!("paths/fields.json")),
];

/// One execution.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Path {
    /// What it shows.
    pub fact: String,
    /// Without it, one with a process id.
    pub input: Option<Value>,
    /// How many batches the plan has.
    #[serde(default)]
    pub batches: usize,
    /// How many of them may run at once; without it, all.
    pub batches_at_once: Option<usize>,
    /// How many of them have to be in flight at once at some time, and never more.
    pub at_once: Option<usize>,
    /// What does not simply succeed.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Batches that have to stay uncalled.
    #[serde(default)]
    pub not_started: Vec<String>,
    /// Each wait is as long as it can be, instead of none.
    #[serde(default)]
    pub longest_waits: bool,
    /// The machine's own states, in the order in which they are entered.
    pub states: String,
    /// The final status, and with `FAILED` the error.
    pub ends: String,
    /// What moto does instead of what AWS does.
    pub on_moto: Option<OnMoto>,
}

/// What moto does otherwise.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OnMoto {
    /// Why, for who reads the table.
    #[serde(rename = "because")]
    _because: String,
    states: Option<String>,
    /// The error that Settle is told of, with a cause in moto's words.
    settle_hears: Option<String>,
    ends: String,
}

/// What becomes of one call, or of several that are retried in a row.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// The state, and its batch if it has one.
    pub at: String,
    /// The names of the errors, which take turns if there are more calls than names.
    #[serde(default)]
    pub fails: Vec<String>,
    /// Each of the calls is retried, after waits of up to these seconds: `60*8` is eight of 60.
    /// Without it, the error is final.
    retried_after: Option<String>,
    /// What it answers.
    #[serde(default, deserialize_with = "even_null")]
    pub returns: Option<Value>,
    /// The message of the error.
    #[serde(default = "a_message")]
    says: String,
    /// How often the message is repeated.
    #[serde(default = "once")]
    says_times: usize,
    /// Seconds.
    #[serde(default)]
    pub takes: u64,
    /// It never ends.
    #[serde(default)]
    pub hangs: bool,
}

/// `null` is an answer too.
fn even_null<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

fn a_message() -> String {
    "it went wrong".to_owned()
}

const fn once() -> usize {
    1
}

impl Path {
    /// The path as moto takes it.
    pub fn on_moto(mut self) -> Self {
        if let Some(other) = &self.on_moto {
            self.ends.clone_from(&other.ends);
            self.states = other.states.clone().unwrap_or(self.states);
        }
        self
    }

    /// The error that Settle is told of in moto, where it is not that of a state.
    pub fn settle_hears(&self) -> Option<&str> {
        self.on_moto.as_ref()?.settle_hears.as_deref()
    }

    /// Whether it enters a state.
    pub fn enters(&self, state: &str) -> bool {
        self.states.split(' ').any(|entered| entered == state)
    }

    /// The names of the batches.
    pub fn batch_names(&self) -> Vec<String> {
        (1..=self.batches).map(|number| format!("b{number}")).collect()
    }

    /// Whether it makes so many calls that repeating it takes long.
    pub fn is_long(&self) -> bool {
        self.steps.iter().map(|step| step.waits().len()).sum::<usize>() > 50
    }
}

impl Step {
    /// Seconds that the retries are waited for at most, one by one; none: it is not retried.
    pub fn waits(&self) -> Vec<u64> {
        let parts = self.retried_after.iter().flat_map(|waits| waits.split(' '));
        let waits = parts.flat_map(|part| {
            let (seconds, times) = part.split_once('*').unwrap_or((part, "1"));
            vec![seconds.parse().unwrap(); times.parse().unwrap()]
        });
        waits.collect()
    }

    /// Whether the machine has to go on without this call.
    pub const fn fails_for_good(&self) -> bool {
        !self.fails.is_empty() && self.retried_after.is_none()
    }

    /// The message of the error.
    pub fn message(&self) -> String {
        self.says.repeat(self.says_times)
    }
}

/// A part of the table.
pub fn part(name: &str) -> Vec<Path> {
    let (_, text) = PARTS.iter().find(|(part, _)| *part == name).unwrap();
    serde_json::from_str(text).unwrap_or_else(|error| panic!("paths/{name}.json: {error}"))
}

/// The whole table.
pub fn all() -> Vec<Path> {
    PARTS.iter().flat_map(|(name, _)| part(name)).collect()
}
