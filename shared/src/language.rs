//! The two languages a person may be answered in.

use serde_json::Value;

/// Japanese is what most operators and users read; English when the client prefers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// The default.
    #[default]
    Japanese,
    /// On request.
    English,
}

impl Language {
    /// Its tag, for `Content-Language`.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Japanese => "ja",
            Self::English => "en",
        }
    }

    /// The tags of both.
    pub const TAGS: &[&str] = &["ja", "en"];

    /// The language with this tag.
    #[must_use]
    pub fn of_tag(tag: &str) -> Option<Self> {
        match tag {
            "ja" => Some(Self::Japanese),
            "en" => Some(Self::English),
            _ => None,
        }
    }

    /// Chooses by the headers of an HTTP event, or by the `lang` of a direct invocation; Japanese
    /// where neither says anything.
    #[must_use]
    pub fn of_event(event: &Value) -> Self {
        if event.get("requestContext").is_none() {
            return event["lang"].as_str().and_then(Self::of_tag).unwrap_or_default();
        }
        event
            .pointer("/headers/accept-language")
            .and_then(Value::as_str)
            .map_or(Self::default(), Self::from_accept_language)
    }

    /// Chooses by an `Accept-Language` header (RFC 9110, section 12.5.4): the language with the
    /// higher weight wins, Japanese on a tie or when neither is named. A weight that cannot be read
    /// counts as not named.
    #[must_use]
    pub fn from_accept_language(header: &str) -> Self {
        let weight_of = |wanted: &str| {
            header
                .split(',')
                .filter_map(|range| {
                    let mut parts = range.split(';').map(str::trim);
                    let primary = parts.next()?.split('-').next()?;
                    let weight = match parts.next() {
                        None => 1.0,
                        Some(parameter) => parameter
                            .strip_prefix("q=")?
                            .parse::<f32>()
                            .ok()
                            .filter(|q| (0.0..=1.0).contains(q))?,
                    };
                    primary.eq_ignore_ascii_case(wanted).then_some(weight)
                })
                .fold(0.0, f32::max)
        };
        if weight_of("en") > weight_of("ja") { Self::English } else { Self::Japanese }
    }
}

#[cfg(test)]
mod tests {
    use super::Language::{self, English, Japanese};

    #[test]
    fn the_heavier_language_wins_and_japanese_wins_a_tie() {
        for (header, language) in [
            ("", Japanese),
            ("en", English),
            ("en-US,en;q=0.9,ja;q=0.8", English),
            ("ja,en;q=0.9", Japanese),
            ("ja;q=0.1, en;q=0.2", English),
            ("en;q=0", Japanese),
            ("fr", Japanese),
            ("EN-gb", English),
            ("en, ja", Japanese),
            ("en;q=high, ja", Japanese),
            ("en;q=7", Japanese),
        ] {
            assert_eq!(Language::from_accept_language(header), language, "{header:?}");
        }
    }
}
