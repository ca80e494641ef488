//! Users who ask all the while, and what they were told.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use serde_json::json;
use system_tests::{Answer, Goal, PATIENCE, User};
use tokio::time::{Instant, sleep};

/// What users met.
#[derive(Default)]
pub(crate) struct Load {
    is_over: AtomicBool,
    /// Jobs that have ended well, by request as they were asked for.
    completed: AtomicUsize,
    cancelled: AtomicUsize,
    /// Answers by status and code.
    answers: Mutex<BTreeMap<String, usize>>,
    /// What nobody should have met.
    wrong: Mutex<Vec<String>>,
}

impl Load {
    /// Asks until it is over: one job after the other, each watched to its end; every fourth is
    /// cancelled.
    pub(crate) async fn of(&self, user: &User, who: usize) {
        for n in 0.. {
            if self.is_over.load(SeqCst) {
                return;
            }
            let goal = Goal::new(&format!("配備の間の目標{who}の{n}"));
            let asked = user.post("/generate", &goal.request()).await;
            if !self.is_good(&asked, 202) {
                sleep(Duration::from_millis(300)).await;
                continue;
            }
            let id = asked.body["data"]["processId"].as_str().unwrap().to_owned();
            if n % 4 == 3 {
                self.is_good(&user.post(&format!("/cancel/{id}"), &json!({})).await, 200);
            }
            self.watch(user, &id).await;
            self.is_good(&user.get("/history").await, 200);
        }
    }

    async fn watch(&self, user: &User, id: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = user.get(&format!("/status/{id}")).await;
            if self.is_good(&answer, 200) {
                match answer.body["data"]["status"].as_str().unwrap() {
                    "COMPLETED" => _ = self.completed.fetch_add(1, SeqCst),
                    "CANCELLED" => _ = self.cancelled.fetch_add(1, SeqCst),
                    "FAILED" | "TIMEOUT" => self.complain(format!("{id}: {}", answer.body)),
                    _ if Instant::now() < deadline => {
                        sleep(Duration::from_millis(150)).await;
                        continue;
                    }
                    _ => self.complain(format!("{id} does not end: {}", answer.body)),
                }
                return;
            }
            sleep(Duration::from_millis(300)).await;
        }
    }

    /// Whether it is what was asked for. A client is told to come again by 503, and a process that
    /// has ended meanwhile cannot be cancelled; nothing else is taken.
    fn is_good(&self, answer: &Answer, expected: u16) -> bool {
        let code = answer.body["error"]["code"].as_str().unwrap_or_default();
        let told = format!("{} {code}", answer.status);
        *self.answers.lock().unwrap().entry(told.trim().to_owned()).or_default() += 1;
        let come_again = answer.status == 503 && answer.headers.contains_key("retry-after");
        let has_ended = code == "CANCEL_NOT_ALLOWED";
        if answer.status != expected && !come_again && !has_ended {
            self.complain(format!("{answer:?}"));
        }
        answer.status == expected
    }

    fn complain(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    /// Waits until so many more jobs have completed.
    pub(crate) async fn until_more_complete(&self, more: usize) {
        let enough = self.completed.load(SeqCst) + more;
        let deadline = Instant::now() + PATIENCE;
        while self.completed.load(SeqCst) < enough {
            assert!(Instant::now() < deadline, "no more jobs end well: {}", self.told());
            sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) fn end(&self) {
        self.is_over.store(true, SeqCst);
    }

    /// How often users were told to come again.
    pub(crate) fn unavailable(&self) -> usize {
        let answers = self.answers.lock().unwrap();
        answers.iter().filter(|(told, _)| told.starts_with("503")).map(|(_, count)| count).sum()
    }

    pub(crate) fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap().clone()
    }

    pub(crate) fn told(&self) -> String {
        let (completed, cancelled) = (self.completed.load(SeqCst), self.cancelled.load(SeqCst));
        let answers = self.answers.lock().unwrap();
        format!("{completed} completed, {cancelled} cancelled; answers {answers:?}")
    }
}
