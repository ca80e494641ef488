use std::cell::RefCell;

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Asked {
    #[command(subcommand)]
    question: Question,
}

fn now() -> DateTime<Utc> {
    "2026-11-26T04:00:30Z".parse().unwrap()
}

fn question(args: &[&str]) -> Question {
    Asked::try_parse_from([&["aigen"], args].concat()).unwrap().question
}

fn payload(args: &[&str]) -> Value {
    question(args).payload(Lang::En, now()).unwrap()
}

fn told(args: &[&str], data: &Value, lang: Lang) -> (String, bool) {
    let (text, needed) = question(args).told(data, lang, now());
    (console::strip_ansi_codes(&text).into_owned(), needed)
}

/// Answers always the same.
struct Saying(Value, RefCell<Vec<Value>>);

impl Functions for Saying {
    async fn invoke(&self, name: &str, payload: &Value) -> Result<Value> {
        assert_eq!(name, "diagnostics");
        self.1.borrow_mut().push(payload.clone());
        Ok(self.0.clone())
    }
}

#[test]
fn each_verb_asks_its_check_and_says_only_what_was_said() {
    assert_eq!(payload(&["health"]), json!({"check": "health", "lang": "en"}));
    assert_eq!(
        payload(&["process", "7"]),
        json!({"check": "process", "lang": "en", "processId": "7"})
    );
    assert_eq!(
        payload(&["logs", "7", "--hours", "2"]),
        json!({"check": "logs", "lang": "en", "processId": "7", "hours": 2})
    );
    assert_eq!(payload(&["stats"]), json!({"check": "stats", "lang": "en", "hours": 24}));
    assert_eq!(
        payload(&["errors", "--hours", "1"]),
        json!({"check": "errors", "lang": "en", "hours": 1})
    );
    assert_eq!(payload(&["list"]), json!({"check": "list", "lang": "en"}));
    let filters = ["list", "--status", "failed", "--user", "u", "--since", "30m", "--limit", "5"];
    let filters = [&filters[..], &["--type", "task_generation"]].concat();
    assert_eq!(
        payload(&filters),
        json!({"check": "list", "lang": "en", "status": "FAILED", "userId": "u",
               "type": "TASK_GENERATION", "since": "2026-11-26T03:30:30Z", "limit": 5})
    );
}

#[test]
fn a_time_is_a_span_or_rfc_3339() {
    for (text, time) in [
        ("12h", "2026-11-25T16:00:30Z"),
        ("7d", "2026-11-19T04:00:30Z"),
        ("2026-11-01T09:00:00+09:00", "2026-11-01T00:00:00Z"),
    ] {
        assert_eq!(moment("--since", text, now()).unwrap(), json!(time));
    }
    for wrong in ["", "noon", "-1h", "h", "99999999999999999d", "5w"] {
        assert!(moment("--since", wrong, now()).is_err(), "{wrong}");
    }
}

#[test]
fn the_language_is_the_shells_where_that_is_japanese() {
    let of =
        |lang: &'static str| Lang::of_shell(move |name| (name == "LANG").then(|| lang.to_owned()));
    assert_eq!([of("ja_JP.UTF-8"), of("en_US.UTF-8"), of("C")], [Lang::Ja, Lang::En, Lang::En]);
}

#[test]
fn health_that_is_well_is_one_line() {
    let data = json!({"verdict": "well", "checkedAt": "2026-11-26T04:00:29Z", "findings": [],
                      "notChecked": [], "duration": 120});
    let (text, needed) = told(&["health"], &data, Lang::En);
    assert_eq!(text, "well  checked 11-26 04:00:29 UTC (0.120 s)");
    assert!(!needed);
}

#[test]
fn a_finding_tells_its_evidence_and_the_command_that_comes_next() {
    let data = json!({
        "verdict": "degraded", "checkedAt": "2026-11-26T04:00:29Z", "duration": 1_020,
        "findings": [{
            "code": "JOBS_FAIL", "severity": "warning", "summary": "6 of 10 failed",
            "since": "2026-11-26T03:00:30Z",
            "evidence": {"failed": 6, "none": null, "codes": [{"code": "AI_ERROR", "count": 6}]},
            "nextSteps": [{"text": "see them", "command": "cargo aigen errors --hours 1"},
                          {"text": "wait"}],
        }],
        "notChecked": [{"what": "flow", "why": "no answer in time"}],
    });
    let (text, needed) = told(&["health"], &data, Lang::En);
    assert_eq!(
        text,
        "\
degraded  checked 11-26 04:00:29 UTC (1.020 s)

warning  JOBS_FAIL  6 of 10 failed
    since 11-26 03:00:30 UTC (1 h 0 min)
    failed=6
    code=AI_ERROR count=6
  → see them
      cargo aigen errors --hours 1
  → wait

not checked
  flow: no answer in time"
    );
    assert!(needed);
    assert!(told(&["health"], &data, Lang::Ja).0.contains("確認できなかったもの"));
}

#[test]
fn a_process_tells_where_its_time_went_and_its_history() {
    let mut data = json!({
        "processId": "7", "type": "SUBGOAL_GENERATION", "userId": "hanako", "status": "PROCESSING",
        "progress": 10, "attempt": 1, "createdAt": "2026-11-26T04:00:00Z",
        "time": {"total": 30_000, "waiting": 1_000, "starting": 500, "running": 28_500,
                 "retrying": 0},
        "models": [{"modelId": "m", "calls": 2, "inputTokens": 7, "outputTokens": 9,
                    "latencyMs": 1_500}],
        "execution": {"status": "RUNNING"},
        "rules": [{"id": "R2", "meaning": "leave it"}],
        "byItself": {"text": "it goes on", "at": "2026-11-26T05:01:00Z"},
        "nextSteps": [{"text": "watch it", "command": "cargo aigen watch 7"}],
        "timeline": [{"at": "2026-11-26T04:00:00Z", "after": 0, "kind": "submitted",
                      "actor": "user", "attempt": 0, "status": "PENDING",
                      "detail": {"code": "X", "message": "long"}}],
    });
    let (text, needed) = told(&["process", "7"], &data, Lang::En);
    for part in [
        "PROCESSING  SUBGOAL_GENERATION  10 %  7",
        "waiting 1.000 s, starting 0.500 s, running 28.500 s, retrying 0.000 s, total 30.000 s",
        "m: 2 calls, 7 tokens in, 9 out, 1.500 s",
        "R2 leave it",
        "it goes on (11-26 05:01:00 UTC)",
        "      cargo aigen watch 7",
        "submitted  user",
        "PENDING  code=X",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    assert!(!needed && !text.contains("long"), "{text}");
    // 7 tokens in at 1,000 and 9 out at 10,000 US dollars a million.
    let priced = ["process", "7", "--price", "m=1000,10000"];
    assert!(told(&priced, &data, Lang::En).0.contains("cost       0.0970 US$"));
    let other = json!({"modelId": "other", "inputTokens": 1, "outputTokens": 1});
    data["models"].as_array_mut().unwrap().push(other);
    assert!(told(&priced, &data, Lang::Ja).0.contains("価格のない other を除く"));
    data["rules"][0]["id"] = json!("R8");
    assert!(told(&["process", "7"], &data, Lang::Ja).1);
}

#[test]
fn lists_statistics_and_errors_are_tables() {
    let list = json!({"processes": [{"processId": "7", "type": "T", "status": "FAILED",
        "progress": 0, "createdAt": "2026-11-26T04:00:00Z", "userId": "花子", "code": "AI_ERROR"}],
        "nextCursor": "7"});
    let (text, needed) = told(&["list"], &list, Lang::En);
    assert!(text.contains("花子  AI_ERROR") && text.ends_with("--cursor 7"), "{text}");
    assert!(!needed);
    let stats = json!({"types": [{"type": "T", "total": 3, "counts": {"COMPLETED": 2, "FAILED": 1},
        "errorPercent": 33.3, "waiting": {"p50": 4.0, "p95": 4.0, "max": 5.5}}],
        "models": [{"modelId": "m", "calls": 4, "inputTokens": 14, "outputTokens": 18,
                    "latencyMs": 12}], "isCut": true});
    let (text, _) = told(&["stats"], &stats, Lang::En);
    for part in ["COMPLETED 2, FAILED 1", "4.0 / 4.0 / 5.5", "– / – / –", "newest 20,000"] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    let errors = json!({"errors": [{"code": "AI_ERROR", "cause": "later", "count": 2,
        "firstAt": "2026-11-26T03:00:30Z", "lastAt": "2026-11-26T04:00:00Z", "example": "7"}]});
    let (text, _) = told(&["errors"], &errors, Lang::En);
    assert!(text.contains("1 h 0 min  30 s") && text.ends_with("cargo aigen process 7"), "{text}");
    for (verb, data) in [("list", json!({})), ("stats", json!({})), ("errors", json!({}))] {
        assert!(!told(&[verb], &data, Lang::Ja).0.is_ascii(), "{verb}");
    }
}

#[tokio::test]
async fn a_refusal_is_an_error_that_names_its_fields() {
    let refused = json!({"success": false, "error": {"code": "VALIDATION_ERROR", "message": "no",
        "details": [{"field": "status", "message": "one of"}]}});
    let saying = Saying(refused, RefCell::default());
    let error = ask(&saying, &payload(&["list"])).await.unwrap_err();
    assert_eq!(
        format!("{error:#}"),
        "diagnostics refused with VALIDATION_ERROR: no: status: one of"
    );
    assert_eq!(saying.1.borrow().len(), 1);
}

#[tokio::test]
async fn an_older_diagnostics_is_known_by_its_answer() {
    let older = Saying(json!({"success": true, "data": {"healthy": true}}), RefCell::default());
    let error = run(&question(&["health"]), &older).await.unwrap_err().to_string();
    assert!(error.contains("cargo aigen up"), "{error}");
}

#[tokio::test]
async fn the_exit_code_says_whether_a_person_is_needed() {
    let saying = |verdict: &str| {
        let data = json!({"verdict": verdict});
        Saying(json!({"success": true, "data": data}), RefCell::default())
    };
    for (verdict, code) in [("well", 0), ("degraded", 1), ("down", 1)] {
        let ended = run(&question(&["health", "--json"]), &saying(verdict)).await.unwrap();
        assert_eq!(format!("{ended:?}"), format!("{:?}", ExitCode::from(code)), "{verdict}");
    }
}

/// Answers one after the other; `None` is a call that fails.
struct Breaking(RefCell<Vec<Option<&'static str>>>);

impl Functions for Breaking {
    async fn invoke(&self, _: &str, _: &Value) -> Result<Value> {
        let verdict = self.0.borrow_mut().pop().unwrap();
        let verdict = verdict.context("no answer in time")?;
        Ok(json!({"success": true, "data": {"verdict": verdict}}))
    }
}

#[tokio::test]
async fn a_watch_shows_a_failure_and_goes_on_asking() {
    let functions = || Breaking(RefCell::new(vec![Some("down"), None, Some("well"), None]));
    let mut shown = Vec::new();
    let show = |told: Told| {
        let data = told.answer.map(|(data, _)| data["verdict"].clone());
        shown.push((data.map_err(|error| format!("{error:#}")), told.is_needed));
        shown.len() < 4
    };
    let watched = question(&["health", "--watch"]);
    asking(&watched, &functions(), Some(Duration::ZERO), show).await.unwrap();
    let failure = || (Err("diagnostics cannot be asked: no answer in time".to_owned()), true);
    let answer = |verdict: &str, is_needed| (Ok(json!(verdict)), is_needed);
    assert_eq!(shown, [failure(), answer("well", false), failure(), answer("down", true)]);
    // What is asked once ends there.
    let once = asking(&question(&["health"]), &functions(), None, |_| unreachable!()).await;
    assert!(once.unwrap_err().to_string().contains("cannot be asked"));
}

#[test]
fn a_log_is_told_line_by_line_with_what_lambda_says_of_the_invocations() {
    let data = json!({
        "processId": "7", "hours": 24,
        "lines": [{"at": "2026-11-26T04:00:01.5Z", "function": "worker", "level": "ERROR",
                   "message": "failed",
                   "fields": {"attempt": 2, "processId": "7", "cause": "a\nb"}}],
        "invocations": [{"at": "2026-11-26T04:00:02Z", "function": "worker", "duration": 7.5,
                         "memoryUsed": 40, "memorySize": 256}],
        "notChecked": [{"what": "reconciler", "why": "denied"}],
    });
    let (text, needed) = told(&["logs", "7"], &data, Lang::En);
    for part in [
        "11-26 04:00:01.500  worker    ERROR  failed  attempt=2  cause=a ⏎ b",
        "11-26 04:00:02.000  worker    8   40 / 256",
        "log not read to its end: reconciler: denied",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!needed);
    let none = json!({"hours": 1, "lines": [], "invocations": [], "notChecked": []});
    let (text, _) = told(&["logs", "7"], &none, Lang::Ja);
    assert_eq!(text, "この 1 時間のログに、この ID の行はありません（--hours で広げる）");
}
