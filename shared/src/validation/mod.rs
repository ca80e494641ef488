//! Checking data from outside, be it a client's request or a model's answer: every violation is
//! noted with the path of its field.

mod json;
mod reader;
pub mod text;
mod time;
mod violation;

pub use self::{
    json::describe_json_error,
    reader::{Reader, Text, check_text, parse_uuid},
    time::{parse_day, parse_time},
    violation::{Rule, Violation},
};
