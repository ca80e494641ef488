//! The world that the model lives in: quotas, latency, texts of a wrong length, and answers that
//! are sent as they stand. A pure core like [`super::faults`].
//!
//! Posts stack. Each `POST /_world` is held for the calls that its `onlyModel` and `match` name, or
//! for all; for each field the newest post that names it and matches the call counts, and `null`
//! takes a field away again. A quota is counted for each model by itself, and posting it fills it.
//! A `reply` with `times` holds for the next so many matching calls, those of the oldest post
//! first; one without holds until it is cleared or a newer one is posted.
//!
//! A call meets these in turn: the quota (beyond it, 429 at once), a fault that is left for it, a
//! reply, and last the answer, whose texts may slip. A slip is drawn from the seed, the titles and
//! descriptions in the prompt, how often that prompt was answered since the seed was posted, and
//! the text's place: so a run with the same seed and the same goals meets the same slips, in
//! whatever order its calls arrive.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::{
    canned::Canned,
    chance::mix,
    faults::{Call, Scope},
    quota::{Exhausted, Limit, Limits, Quotas, Reservation},
    slips::Luck,
};

/// A field of a post: not named, taken away by null, or set.
type Named<T> = Option<Option<T>>;

/// What `POST /_world` takes. A field that is not known is refused by its name.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorldRequest {
    /// Calls a minute that a model answers.
    #[serde(default, deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    requests_per_minute: Named<u64>,
    /// Tokens a minute, input and output together.
    #[serde(default, deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    tokens_per_minute: Named<u64>,
    /// How many calls pass at once after a rest; a minute's worth unless named.
    #[serde(default, deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    burst: Named<u64>,
    /// How much of the token quota one token of output takes in the end; 1 unless named. Bedrock
    /// takes 5 for the newer models of Anthropic.
    #[serde(default, deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    output_burndown: Named<u64>,
    /// Milliseconds until an answer.
    #[serde(default, deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    delay_ms: Named<u64>,
    /// The probability that a text with a least length is too short.
    #[serde(default, deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    short_text: Named<f64>,
    /// The probability that a text with a greatest length is too long.
    #[serde(default, deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    long_text: Named<f64>,
    /// Where chance starts, for every call. Posting it also starts the count of answers anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    /// An answer as it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Canned>,
    /// For how many calls the reply holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    /// Only calls to this model id.
    #[serde(skip_serializing_if = "Option::is_none")]
    only_model: Option<String>,
    /// Only calls whose prompt holds this text.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    matching: Option<String>,
}

fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(reader: D) -> Result<Named<T>, D::Error> {
    Option::deserialize(reader).map(Some)
}

impl WorldRequest {
    /// Reads a body; the error is a sentence for whoever posted it.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let posted: Self = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        posted.check()?;
        Ok(posted)
    }

    fn check(&self) -> Result<(), String> {
        let short = self.short_text.flatten().unwrap_or(0.0);
        let long = self.long_text.flatten().unwrap_or(0.0);
        for (name, probability) in [("shortText", short), ("longText", long)] {
            if !(0.0..=1.0).contains(&probability) {
                return Err(format!("{name} is a probability, from 0 to 1, not {probability}"));
            }
        }
        if short + long > 1.0 {
            return Err("a text is too short or too long, not both: shortText and longText \
                        together must be at most 1"
                .to_owned());
        }
        if self.burst == Some(Some(0)) {
            return Err("burst must be at least 1: with 0 no call ever passes".to_owned());
        }
        if self.times.is_some() && self.reply.is_none() {
            return Err("times says how often a reply is sent, and there is no reply".to_owned());
        }
        if self.seed.is_some() && (self.only_model.is_some() || self.matching.is_some()) {
            return Err("seed holds for every call: post it without onlyModel and match".to_owned());
        }
        if !self.sets_a_field() && self.seed.is_none() && self.reply.is_none() {
            return Err("nothing is named that a call could meet".to_owned());
        }
        self.reply.as_ref().map_or(Ok(()), Canned::check)
    }

    /// Whether it sets anything that holds until it is cleared, besides a reply.
    fn sets_a_field(&self) -> bool {
        self.requests_per_minute.is_some()
            || self.tokens_per_minute.is_some()
            || self.burst.is_some()
            || self.output_burndown.is_some()
            || self.delay_ms.is_some()
            || self.short_text.is_some()
            || self.long_text.is_some()
    }

    fn scope(&self) -> Scope<'_> {
        Scope { only_model: self.only_model.as_deref(), matching: self.matching.as_deref() }
    }
}

#[derive(Debug)]
struct Post {
    /// Never given twice, so that a quota knows whose it is.
    number: usize,
    posted: WorldRequest,
}

/// What a call holds of its model's token quota until it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    reservation: Option<Reservation>,
    burndown: u64,
}

/// Everything posted since the last reset, and what calls have used of it.
#[derive(Debug)]
pub struct World {
    posts: Vec<Post>,
    /// Posts so far, also over resets.
    posted: usize,
    seed: u64,
    /// From which the next seed is made that nobody names.
    entropy: u64,
    /// How often each prompt was answered.
    answered: HashMap<u64, u64>,
    quotas: Quotas,
}

impl World {
    /// A world without troubles, whose seeds are made from `entropy` unless they are posted.
    pub fn new(entropy: u64) -> Self {
        let mut world = Self {
            posts: Vec::new(),
            posted: 0,
            seed: 0,
            entropy,
            answered: HashMap::new(),
            quotas: Quotas::default(),
        };
        world.clear();
        world
    }

    /// Adds a post on top of those that are there.
    pub fn add(&mut self, posted: WorldRequest) {
        if let Some(seed) = posted.seed {
            self.seed = seed;
            self.answered.clear();
        }
        self.posts.push(Post { number: self.posted, posted });
        self.posted += 1;
    }

    /// Takes everything away. The next seed is another one.
    pub fn clear(&mut self) {
        self.posts.clear();
        self.answered.clear();
        self.quotas.clear();
        self.entropy = mix(self.entropy, 1);
        // So small that a JSON number holds it in any language.
        self.seed = self.entropy >> 32;
    }

    /// How long a call waits for its answer, if the world says.
    pub fn delay(&self, call: Call<'_>) -> Option<Duration> {
        self.newest(call, |posted| posted.delay_ms).map(|(_, delay)| Duration::from_millis(delay))
    }

    /// Lets a call pass that may come to cost `tokens`, or says why it is throttled.
    pub fn admit(&mut self, call: Call<'_>, tokens: u64, now: Duration) -> Result<Held, Exhausted> {
        let burst = self.newest(call, |posted| posted.burst).map(|(_, burst)| burst);
        let limit = |(origin, per_minute), capacity: Option<u64>| Limit {
            per_minute,
            capacity: capacity.unwrap_or(per_minute),
            origin,
        };
        let requests = self.newest(call, |posted| posted.requests_per_minute);
        let of_tokens = self.newest(call, |posted| posted.tokens_per_minute);
        let limits = Limits {
            requests: requests.map(|found| limit(found, burst)),
            tokens: of_tokens.map(|found| limit(found, None)),
        };
        let burndown = self.newest(call, |posted| posted.output_burndown).map_or(1, |(_, by)| by);
        let reservation = self.quotas.admit(call.model, limits, tokens, now)?;
        Ok(Held { reservation, burndown })
    }

    /// Ends a call that was let pass and used so many tokens, input and output.
    pub fn settle(&mut self, held: &Held, (input, output): (u64, u64), now: Duration) {
        if let Some(reservation) = &held.reservation {
            let used = input.saturating_add(output.saturating_mul(held.burndown));
            self.quotas.settle(reservation, used, now);
        }
    }

    /// The reply that a call gets as it stands, if there is one; it is taken off its count.
    pub fn reply(&mut self, call: Call<'_>) -> Option<Canned> {
        let meets = |post: &Post| post.posted.reply.is_some() && post.posted.scope().holds(call);
        let counted = self
            .posts
            .iter()
            .position(|post| meets(post) && post.posted.times.is_some_and(|left| left > 0));
        let lasting =
            || self.posts.iter().rposition(|post| meets(post) && post.posted.times.is_none());
        let place = counted.or_else(lasting)?;
        let posted = &mut self.posts[place].posted;
        let reply = posted.reply.clone();
        posted.times = posted.times.map(|left| left - 1);
        if posted.times == Some(0) && !posted.sets_a_field() {
            self.posts.remove(place);
        }
        reply
    }

    /// What the texts of an answer meet, for a prompt of this seed. Counts the answer.
    pub fn luck(&mut self, call: Call<'_>, prompt_seed: u64) -> Luck {
        let answered = self.answered.entry(prompt_seed).or_default();
        let number = *answered;
        *answered += 1;
        let probability = |found: Option<(usize, f64)>| found.map_or(0.0, |(_, value)| value);
        Luck {
            short: probability(self.newest(call, |posted| posted.short_text)),
            long: probability(self.newest(call, |posted| posted.long_text)),
            state: mix(mix(self.seed, prompt_seed), number),
        }
    }

    /// What `GET /_world` shows: the posts in their order with what is left of their replies, and
    /// what each model had left of its quota after its last call.
    pub fn shown(&self) -> Value {
        let posts: Vec<&WorldRequest> = self.posts.iter().map(|post| &post.posted).collect();
        let left: BTreeMap<&str, Value> = self
            .quotas
            .left()
            .map(|(model, requests, tokens)| {
                (model, json!({"requests": requests, "tokens": tokens}))
            })
            .collect();
        json!({"seed": self.seed, "posts": posts, "left": left})
    }

    /// The newest value of a field for a call, and the number of the post that set it.
    fn newest<T>(
        &self,
        call: Call<'_>,
        field: impl Fn(&WorldRequest) -> Named<T>,
    ) -> Option<(usize, T)> {
        let mut matching = self.posts.iter().rev().filter(|post| post.posted.scope().holds(call));
        let (number, value) =
            matching.find_map(|post| Some((post.number, field(&post.posted)?)))?;
        value.map(|value| (number, value))
    }
}

#[cfg(test)]
#[path = "world_tests.rs"]
mod tests;
