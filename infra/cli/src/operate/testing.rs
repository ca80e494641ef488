//! A reconciler that says what a test has it say, and a folder of a test's own.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use super::reconciler::Functions;

/// What a reconciler says when so many processes run.
pub(super) fn data(running: u64, paused: bool) -> Value {
    let pause = json!({"since": "2026-11-26T04:00:00Z", "by": "hanako", "reason": "upgrade",
                       "refuse": false});
    json!({
        "limit": {"calls": 16, "callsPerUser": 8, "inForce": 7, "reason": "THROTTLED",
                  "since": "2026-11-26T03:59:00Z"},
        "inFlight": running,
        "running": running,
        "waiting": {"total": 40, "normal": 30, "low": 10, "users": 3,
                    "oldestAt": "2026-11-26T03:48:00Z"},
        "paused": if paused { pause } else { Value::Null },
    })
}

/// Answers one call after the other; `None` is a call that fails.
pub(super) struct Scripted {
    answers: RefCell<VecDeque<Option<Value>>>,
    /// What was asked.
    pub asked: RefCell<Vec<Value>>,
}

impl Scripted {
    pub(super) fn saying(answers: impl IntoIterator<Item = Option<Value>>) -> Self {
        Self {
            answers: RefCell::new(answers.into_iter().collect()),
            asked: RefCell::new(Vec::new()),
        }
    }
}

impl Functions for &Scripted {
    async fn invoke(&self, name: &str, payload: &Value) -> Result<Value> {
        assert_eq!(name, "reconciler");
        self.asked.borrow_mut().push(payload.clone());
        let answer = self.answers.borrow_mut().pop_front().expect("one more answer");
        answer
            .map(|data| json!({"success": true, "data": data}))
            .ok_or_else(|| anyhow!("the AWS gateway does not answer"))
    }
}

/// A folder of one test.
pub(super) struct Dir(PathBuf);

impl Dir {
    pub(super) fn of(test: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("aigen-operate-{}-{test}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
