//! Checking data from outside, be it a client's request or a model's answer: every violation is
//! noted with the path of its field.

mod reader;
pub mod text;
mod violation;

pub use self::{
    reader::{Reader, Text, check_text, parse_uuid},
    violation::{Rule, Violation},
};
