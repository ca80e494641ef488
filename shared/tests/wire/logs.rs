//! The search for a worker's last errors: a page may be empty although others follow it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use shared::{
    aws::logs::{Found, Logs},
    process::{Failure, ProcessId},
};
use uuid::Uuid;

use crate::{
    config,
    stub::{self, Reply},
};

fn page(events: &Value, next: Option<&str>) -> Reply {
    let mut body = json!({"events": events, "searchedLogStreams": []});
    if let Some(next) = next {
        body["nextToken"] = next.into();
    }
    Reply::Answer { status: 200, error: None, body: body.to_string() }
}

fn line(cause: &str) -> Value {
    let message = json!({
        "timestamp": "2026-01-01T00:00:00Z", "level": "ERROR", "message": "failed",
        "processId": Uuid::nil(), "cause": cause,
    });
    json!([{"message": message.to_string(), "timestamp": 0}])
}

async fn search(
    patience: Duration,
    replies: impl Fn(usize) -> Reply + Send + Sync + 'static,
) -> Result<Found, Failure> {
    let (address, _) = stub::start(move |_, number| replies(number)).await;
    let logs = Logs::new(&config(&address), "group".to_owned());
    let (from, until) = (DateTime::<Utc>::UNIX_EPOCH, DateTime::<Utc>::UNIX_EPOCH);
    logs.last_errors(ProcessId(Uuid::nil()), from, until, patience).await
}

// aws.md 20
#[tokio::test]
async fn what_comes_after_many_empty_pages_is_found() {
    let found = search(Duration::from_mins(1), |number| match number {
        11 => page(&line("late"), None),
        _ => page(&json!([]), Some("more")),
    })
    .await
    .unwrap();
    assert_eq!((found.calls, found.evidence.len()), (12, 1));
    assert_eq!(found.evidence[0].cause.as_deref(), Some("late"));
}

#[tokio::test]
async fn what_was_found_before_the_time_was_over_counts() {
    let found = search(Duration::from_secs(2), |number| match number {
        0 => page(&line("early"), Some("more")),
        _ => Reply::Silence,
    })
    .await
    .unwrap();
    assert_eq!(found.evidence[0].cause.as_deref(), Some("early"));
    let silent = search(Duration::from_millis(100), |_| Reply::Silence).await.unwrap_err();
    assert!(silent.cause.contains("no answer within"), "{silent}");
}
