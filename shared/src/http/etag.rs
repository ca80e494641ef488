//! The entity tag of a status answer: the version of the process's row, and the language of the
//! words. It is weak, because the estimate of an active process moves with the clock while its row
//! stays.

use std::fmt;

use crate::language::Language;

/// The tag of one version of a process in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag<'a> {
    /// The version of the row: digits and dots; of a waiting process also where it waits, in
    /// capitals and digits.
    pub version: &'a str,
    /// The language of the messages.
    pub language: Language,
}

impl fmt::Display for ETag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "W/\"{}-{}\"", self.version, self.language.tag())
    }
}

impl ETag<'_> {
    /// The versions that a client has in `language`, by its `If-None-Match` (RFC 9110, section
    /// 13.1.2). At most 8 are looked at; tags that are none of ours match nothing.
    #[must_use]
    pub fn known_versions(if_none_match: &str, language: Language) -> Vec<String> {
        let version = |tag: &str| {
            let tag = tag.trim();
            let tag = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?;
            let (version, known_language) = tag.split_once('-')?;
            let is_ours = |byte: u8| {
                byte.is_ascii_digit() || byte.is_ascii_uppercase() || matches!(byte, b'.' | b'_')
            };
            let ours = known_language == language.tag() && version.bytes().all(is_ours);
            ours.then(|| version.to_owned())
        };
        if_none_match.split(',').take(8).filter_map(version).collect()
    }

    /// Whether the client has something, whatever it is.
    #[must_use]
    pub fn is_any(if_none_match: &str) -> bool {
        if_none_match.trim() == "*"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_again_in_its_language_only() {
        let tag = ETag { version: "771.1764000000.25", language: Language::English }.to_string();
        assert_eq!(tag, r#"W/"771.1764000000.25-en""#);
        assert_eq!(ETag::known_versions(&tag, Language::English), ["771.1764000000.25"]);
        assert!(ETag::known_versions(&tag, Language::Japanese).is_empty());
    }

    #[test]
    fn the_tag_of_a_waiting_process_is_known_again() {
        let version = "771.1764000000.25.USER_LIMIT.12";
        let tag = ETag { version, language: Language::Japanese }.to_string();
        assert_eq!(ETag::known_versions(&tag, Language::Japanese), [version]);
    }

    #[test]
    fn lists_and_strong_forms_are_read_and_foreign_tags_match_nothing() {
        assert_eq!(
            ETag::known_versions(
                r#""1.2-ja", W/"3.4-ja" ,"other", W/"5'--ja", junk"#,
                Language::Japanese
            ),
            ["1.2", "3.4"]
        );
        assert!(ETag::is_any(" * ") && !ETag::is_any("\"*\""));
    }
}
