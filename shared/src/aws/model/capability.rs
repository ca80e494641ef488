//! What a model can do beyond Converse with a forced tool. Bedrock refuses a request that asks a
//! model for what it cannot do, so that everything is off for a model that is not in the table.

/// What a model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Capability {
    /// Whether Bedrock makes it keep to a tool's schema (`strict`).
    pub(super) strict_tools: bool,
    /// Tokens that a prompt must have before its cache point, if it can be cached at all. With
    /// fewer, Bedrock answers as ever and caches nothing.
    pub(super) cacheable_from: Option<usize>,
}

/// By the part of the id that follows the geography and the vendor, without date and version.
///
/// - Strict tools: Sonnet 4.5, Haiku 4.5, Opus 4.5 and Opus 4.6
///   (<https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-structured-outputs.html>).
///   Anthropic names Sonnet 4.6 too
///   (<https://platform.claude.com/docs/en/build-with-claude/structured-outputs>), but AWS does not,
///   so that it counts as unknown.
/// - Cache: 1,024 tokens for Sonnet 4.5 and 4,096 for Haiku 4.5, Opus 4.5 and Opus 4.6
///   (<https://platform.claude.com/docs/en/build-with-claude/prompt-caching>,
///   <https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>). For Sonnet 4.6
///   the documentation says 1,024; measured were 2,048
///   (<https://github.com/anthropics/anthropic-sdk-python/issues/1194>), which are safe.
const TABLE: &[(&str, Capability)] = &[
    ("claude-sonnet-4-5", known(true, 1_024)),
    ("claude-sonnet-4-6", known(false, 2_048)),
    ("claude-haiku-4-5", known(true, 4_096)),
    ("claude-opus-4-5", known(true, 4_096)),
    ("claude-opus-4-6", known(true, 4_096)),
];

const fn known(strict_tools: bool, cacheable_from: usize) -> Capability {
    Capability { strict_tools, cacheable_from: Some(cacheable_from) }
}

/// What the model or inference profile `id` can do. The ARN of an application inference profile
/// does not say which model it leads to.
pub(super) fn of(id: &str) -> Capability {
    let Some((_, name)) = id.rsplit_once("anthropic.") else { return Capability::default() };
    let is = |known: &str| {
        name.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', ':']))
    };
    let found = TABLE.iter().find(|(known, _)| is(known));
    found.map_or_else(Capability::default, |(_, capability)| *capability)
}

/// At least so many tokens `text` has: a token of Claude is about four bytes of English or one
/// character of Japanese, and this counts a fifth less, because a cache point that comes too early
/// brings nothing.
pub(super) fn least_tokens(text: &str) -> usize {
    let ascii = text.chars().filter(char::is_ascii).count();
    let other = text.chars().count() - ascii;
    (ascii / 4 + other) * 4 / 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_known_by_its_name_wherever_it_runs() {
        for id in [
            "anthropic.claude-haiku-4-5-20251001-v1:0",
            "global.anthropic.claude-haiku-4-5-20251001-v1:0",
            "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/\
             eu.anthropic.claude-haiku-4-5-20251001-v1:0",
        ] {
            assert_eq!(of(id), known(true, 4_096), "{id}");
        }
        assert_eq!(of("global.anthropic.claude-sonnet-4-6"), known(false, 2_048));
    }

    #[test]
    fn everything_is_off_for_a_model_that_nobody_knows() {
        for id in [
            "anthropic.claude-sonnet-4-60",
            "anthropic.claude-sonnet-5",
            "anthropic.claude-sonnet-4-20250514-v1:0",
            "amazon.nova-pro-v1:0",
            "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc",
            "claude-haiku-4-5",
            "",
        ] {
            assert_eq!(of(id), Capability::default(), "{id}");
        }
    }
}
