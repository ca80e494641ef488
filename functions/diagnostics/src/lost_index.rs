//! An index that is not there any more.

use serde_json::json;
use shared::store::statement_of_index;

use crate::{
    finding::{Finding, Severity},
    words::Words,
};

/// An index that was lost, with the statement that makes it again.
pub(crate) fn lost_index(name: &str, words: Words) -> Finding {
    let summary = words.say(
        format!("索引 {name} がありません：行が増えるほど遅くなります"),
        format!("the index {name} is missing, and the more rows the slower it gets"),
    );
    let finding =
        Finding::new("INDEX_MISSING", Severity::Warning, summary).proved_by(json!({"index": name}));
    match statement_of_index(name) {
        None => finding,
        Some(statement) => finding.then(
            words.say("書き込みを止めずに作り直す", "make it again, while others write"),
            format!("psql \"$DATABASE_URL\" -c \"{statement}\""),
        ),
    }
}
