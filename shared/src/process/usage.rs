//! What the calls of a model used.

use serde::{Deserialize, Serialize};

/// What one call of a model used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelUsage {
    /// The model that answered.
    pub model_id: String,
    /// Tokens of the question, without those of a cache.
    pub input_tokens: i64,
    /// Tokens of the answer.
    pub output_tokens: i64,
    /// Tokens of the question that were read from a cache, which costs a tenth.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_read_input_tokens: i64,
    /// Tokens of the question that were put into a cache, which costs a quarter more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_input_tokens: i64,
    /// What the model took, in ms, as Bedrock measured it.
    pub latency_ms: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(tokens: &i64) -> bool {
    *tokens == 0
}

/// What the calls of one model used together, as a result tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelTotal {
    /// The sums, and which model.
    #[serde(flatten)]
    pub sum: ModelUsage,
    /// How many calls.
    pub calls: i64,
}

/// Sums `usage` model by model, in the order of the models' ids.
#[must_use]
pub fn total_by_model(usage: &[ModelUsage]) -> Vec<ModelTotal> {
    let mut totals = std::collections::BTreeMap::<&str, ModelTotal>::new();
    for call in usage {
        totals
            .entry(&call.model_id)
            .and_modify(|total| {
                total.calls += 1;
                total.sum.input_tokens += call.input_tokens;
                total.sum.output_tokens += call.output_tokens;
                total.sum.cache_read_input_tokens += call.cache_read_input_tokens;
                total.sum.cache_write_input_tokens += call.cache_write_input_tokens;
                total.sum.latency_ms += call.latency_ms;
            })
            .or_insert_with(|| ModelTotal { sum: call.clone(), calls: 1 });
    }
    totals.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_summed_model_by_model() {
        let call = |model: &str, tokens| ModelUsage {
            model_id: model.into(),
            input_tokens: tokens,
            output_tokens: 2 * tokens,
            latency_ms: 5,
            ..ModelUsage::default()
        };
        let totals = total_by_model(&[call("b", 1), call("a", 10), call("b", 3)]);
        let told: Vec<_> =
            totals.iter().map(|t| (t.sum.model_id.as_str(), t.calls, t.sum.input_tokens)).collect();
        assert_eq!(told, [("a", 1, 10), ("b", 2, 4)]);
    }

    #[test]
    fn what_a_cache_saved_is_told_and_nothing_else_when_there_is_none() {
        let plain = ModelUsage { model_id: "m".into(), ..ModelUsage::default() };
        let told = serde_json::to_value(&plain).unwrap();
        assert_eq!(told.as_object().unwrap().len(), 4, "{told}");
        assert_eq!(serde_json::from_value::<ModelUsage>(told).unwrap(), plain);
        let cached = ModelUsage {
            cache_read_input_tokens: 900,
            cache_write_input_tokens: 30,
            ..plain.clone()
        };
        let total = serde_json::to_value(total_by_model(&[cached.clone(), plain, cached])).unwrap();
        assert_eq!(total[0]["cacheReadInputTokens"], 1_800);
        assert_eq!(total[0]["cacheWriteInputTokens"], 60);
    }
}
