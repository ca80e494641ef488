//! Which call goes wrong, and how: the pure core of the model double.
//!
//! Each `POST /_faults` adds one [`Rule`]. A call is held against the rules in the order they were
//! posted: the first that still has a count left for it decides its outcome, and the newest that
//! names a delay decides how long it waits. Nothing here knows of HTTP, clocks or schemas.

use std::time::Duration;

use serde::Deserialize;

use super::exceptions::ErrorKind;

/// What `POST /_faults` takes. A count means "the next N matching calls"; a field that is not known
/// is refused, because a misspelt fault that does nothing makes a test pass for the wrong reason.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FaultRequest {
    /// Milliseconds that every matching call waits before it is answered, until `/_reset`.
    delay_ms: Option<u64>,
    /// Next N calls: `ThrottlingException`, 429.
    throttle: Option<u64>,
    /// Next N calls: `ServiceUnavailableException`, 503.
    unavailable: Option<u64>,
    /// Next N calls: `ModelErrorException` (424) and `InternalServerException` (500) by turns, or
    /// what `errorType` says.
    error: Option<u64>,
    /// Next N calls: HTTP 200 with an answer that is nonsense for the schema.
    garbage: Option<u64>,
    /// Next N calls: HTTP 200 cut off by `max_tokens`.
    truncated: Option<u64>,
    /// The exception that `error` sends instead, by its Bedrock name.
    error_type: Option<ErrorKind>,
    /// Only calls to this model id.
    only_model: Option<String>,
    /// Only calls whose prompt holds this text.
    #[serde(rename = "match")]
    matching: Option<String>,
}

/// How a call is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// As the schema asks.
    Good,
    /// As Bedrock reports an error.
    Error(ErrorKind),
    /// With nonsense; the number varies its kind.
    Garbage(u64),
    /// Cut off by the token limit.
    Truncated,
}

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// How long it waits first.
    pub delay: Duration,
    /// How it is answered then.
    pub answer: Answer,
}

/// What the rules may look at in a call.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The model id of the path, decoded.
    pub model: &'a str,
    /// All texts of the request, system prompt included.
    pub prompt: &'a str,
}

/// Which calls a post is about.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Only those to this model id.
    pub only_model: Option<&'a str>,
    /// Only those whose prompt holds this text.
    pub matching: Option<&'a str>,
}

impl Scope<'_> {
    /// Whether a call is among them.
    pub fn holds(self, call: Call<'_>) -> bool {
        self.only_model.is_none_or(|model| model == call.model)
            && self.matching.is_none_or(|text| call.prompt.contains(text))
    }
}

/// One posted request with what is left of its counts.
#[derive(Debug)]
struct Rule {
    posted: FaultRequest,
    /// How many `error` answers it has given, so that they can take turns.
    errors_sent: u64,
}

/// Every rule posted since the last reset.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    /// Counts garbage answers over all rules, so that they vary.
    garbage_sent: u64,
}

impl Rules {
    /// Adds a rule behind those that are there.
    pub fn add(&mut self, posted: FaultRequest) {
        self.rules.push(Rule { posted, errors_sent: 0 });
    }

    /// Forgets every rule.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Decides one call and takes it off the count of the rule that decided. `default_delay` holds
    /// where no rule names one.
    pub fn decide(&mut self, call: Call<'_>, default_delay: Duration) -> Decision {
        let delay = self
            .rules
            .iter()
            .rev()
            .filter(|rule| rule.matches(call))
            .find_map(|rule| rule.posted.delay_ms)
            .map_or(default_delay, Duration::from_millis);
        let fault = self.rules.iter_mut().filter(|rule| rule.matches(call)).find_map(Rule::take);
        let answer = match fault {
            None => Answer::Good,
            Some(Answer::Garbage(_)) => {
                self.garbage_sent += 1;
                Answer::Garbage(self.garbage_sent - 1)
            }
            Some(other) => other,
        };
        Decision { delay, answer }
    }
}

impl Rule {
    fn matches(&self, call: Call<'_>) -> bool {
        let FaultRequest { only_model, matching, .. } = &self.posted;
        Scope { only_model: only_model.as_deref(), matching: matching.as_deref() }.holds(call)
    }

    /// The next fault of this rule, if one is left. Several counts in one rule are used up in the
    /// order of the fields.
    fn take(&mut self) -> Option<Answer> {
        let posted = &mut self.posted;
        if spend(&mut posted.throttle) {
            return Some(Answer::Error(ErrorKind::Throttling));
        }
        if spend(&mut posted.unavailable) {
            return Some(Answer::Error(ErrorKind::ServiceUnavailable));
        }
        if spend(&mut posted.error) {
            let turn = if self.errors_sent.is_multiple_of(2) {
                ErrorKind::ModelError
            } else {
                ErrorKind::InternalServer
            };
            self.errors_sent += 1;
            return Some(Answer::Error(posted.error_type.unwrap_or(turn)));
        }
        if spend(&mut posted.garbage) {
            return Some(Answer::Garbage(0));
        }
        spend(&mut posted.truncated).then_some(Answer::Truncated)
    }
}

fn spend(count: &mut Option<u64>) -> bool {
    match count {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CALL: Call<'_> = Call { model: "first", prompt: "<goal>{\"title\":\"英語\"}</goal>" };

    fn rules(posts: &[serde_json::Value]) -> Rules {
        let mut rules = Rules::default();
        for post in posts {
            rules.add(serde_json::from_value(post.clone()).unwrap());
        }
        rules
    }

    fn answers(rules: &mut Rules, call: Call<'_>, calls: usize) -> Vec<Answer> {
        (0..calls).map(|_| rules.decide(call, Duration::ZERO).answer).collect()
    }

    #[test]
    fn without_rules_a_call_is_answered_at_once() {
        let decision = Rules::default().decide(CALL, Duration::ZERO);
        assert_eq!(decision, Decision { delay: Duration::ZERO, answer: Answer::Good });
    }

    #[test]
    fn a_count_holds_for_the_next_calls_and_no_longer() {
        let mut rules = rules(&[json!({"throttle": 2})]);
        let throttled = Answer::Error(ErrorKind::Throttling);
        assert_eq!(answers(&mut rules, CALL, 3), [throttled, throttled, Answer::Good]);
    }

    #[test]
    fn errors_take_turns_between_the_model_and_the_service() {
        let mut rules = rules(&[json!({"error": 3})]);
        let (model, server) =
            (Answer::Error(ErrorKind::ModelError), Answer::Error(ErrorKind::InternalServer));
        assert_eq!(answers(&mut rules, CALL, 4), [model, server, model, Answer::Good]);
    }

    #[test]
    fn an_error_type_replaces_the_usual_errors() {
        let mut rules = rules(&[json!({"error": 1, "errorType": "AccessDeniedException"})]);
        assert_eq!(answers(&mut rules, CALL, 1), [Answer::Error(ErrorKind::AccessDenied)]);
    }

    #[test]
    fn garbage_varies_from_call_to_call() {
        let mut rules = rules(&[json!({"garbage": 1}), json!({"garbage": 1})]);
        assert_eq!(answers(&mut rules, CALL, 2), [Answer::Garbage(0), Answer::Garbage(1)]);
    }

    #[test]
    fn a_delay_lasts_until_reset_and_the_newest_one_counts() {
        let mut rules =
            rules(&[json!({"delayMs": 500}), json!({"delayMs": 20, "onlyModel": "first"})]);
        assert_eq!(rules.decide(CALL, Duration::ZERO).delay, Duration::from_millis(20));
        assert_eq!(rules.decide(CALL, Duration::ZERO).delay, Duration::from_millis(20));
        let other = Call { model: "second", ..CALL };
        assert_eq!(rules.decide(other, Duration::ZERO).delay, Duration::from_millis(500));
        rules.clear();
        assert_eq!(rules.decide(CALL, Duration::from_millis(7)).delay, Duration::from_millis(7));
    }

    #[test]
    fn a_rule_for_one_model_leaves_the_others_alone() {
        let mut rules = rules(&[json!({"throttle": 1, "onlyModel": "first"})]);
        assert_eq!(answers(&mut rules, Call { model: "second", ..CALL }, 1), [Answer::Good]);
        assert_eq!(answers(&mut rules, CALL, 1), [Answer::Error(ErrorKind::Throttling)]);
    }

    #[test]
    fn a_rule_for_one_prompt_leaves_the_others_alone() {
        let mut rules = rules(&[json!({"truncated": 9, "match": "英語"})]);
        assert_eq!(answers(&mut rules, Call { prompt: "料理", ..CALL }, 1), [Answer::Good]);
        assert_eq!(answers(&mut rules, CALL, 1), [Answer::Truncated]);
    }

    #[test]
    fn rules_stack_and_the_oldest_is_used_up_first() {
        let mut rules = rules(&[json!({"unavailable": 1}), json!({"throttle": 1})]);
        let (busy, throttled) =
            (Answer::Error(ErrorKind::ServiceUnavailable), Answer::Error(ErrorKind::Throttling));
        assert_eq!(answers(&mut rules, CALL, 3), [busy, throttled, Answer::Good]);
    }

    #[test]
    fn a_field_that_is_not_known_is_refused_by_name() {
        let error =
            serde_json::from_value::<FaultRequest>(json!({"throtle": 1})).unwrap_err().to_string();
        assert!(error.contains("throtle") && error.contains("throttle"), "{error}");
    }
}
