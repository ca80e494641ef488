//! A goal that no other test has.

use serde_json::{Value, json};
use uuid::Uuid;

/// A goal to generate for.
#[derive(Debug, Clone)]
pub struct Goal {
    /// Its id.
    pub id: Uuid,
    /// Its title, which is in every prompt about it and in no other.
    pub title: String,
}

impl Goal {
    /// A new goal whose title begins with `title`.
    #[must_use]
    pub fn new(title: &str) -> Self {
        let id = crate::fresh_id();
        Self { id, title: format!("{title} {}", &id.simple().to_string()[..12]) }
    }

    /// The body of a request to generate its sub-goals.
    #[must_use]
    pub fn request(&self) -> Value {
        json!({"type": "SUBGOAL_GENERATION", "params": {
            "goalId": self.id,
            "title": self.title,
            "description": "半年後に実務で使えるようになる",
            "deadline": "2099-12-31T00:00:00Z",
            "background": "基礎は一通り学んだが、実務の経験がない",
        }})
    }

    /// The same with one field of `params` changed.
    #[must_use]
    pub fn request_with(&self, field: &str, value: Value) -> Value {
        let mut request = self.request();
        request["params"][field] = value;
        request
    }
}
