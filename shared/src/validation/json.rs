//! What may be told of JSON that cannot be read.

use serde_json::error::Category;

/// What is wrong with some JSON, for a log line: serde's own words quote the value that it met,
/// which may be a user's. Of them only the name of a missing field is kept, which is ours.
#[must_use]
pub fn describe_json_error(error: &serde_json::Error) -> String {
    let words = error.to_string();
    let what = match error.classify() {
        Category::Io => "cannot be read or written",
        Category::Syntax => "is not JSON",
        Category::Eof => "ends too early",
        Category::Data if words.starts_with("missing field") => {
            words.split(" at line ").next().unwrap_or_default()
        }
        Category::Data => "a value has the wrong type",
    };
    match error.line() {
        0 => what.to_owned(),
        line => format!("{what} (line {line}, column {})", error.column()),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Wanted {
        #[expect(dead_code, reason = "only whether it can be read matters")]
        count: u8,
    }

    // Security S14.
    #[test]
    fn no_value_is_quoted() {
        let describe =
            |text: &str| describe_json_error(&serde_json::from_str::<Wanted>(text).unwrap_err());
        assert_eq!(
            describe("{\"count\":\"secret\"}"),
            "a value has the wrong type (line 1, column 17)"
        );
        assert_eq!(describe("{\"count\":secret}"), "is not JSON (line 1, column 10)");
        assert_eq!(describe("{\"count\""), "ends too early (line 1, column 8)");
        assert_eq!(describe("{}"), "missing field `count` (line 1, column 2)");
        let value = Wanted::deserialize(json!({"count": "secret"})).unwrap_err();
        assert_eq!(describe_json_error(&value), "a value has the wrong type");
    }
}
