use chrono::TimeDelta;
use uuid::Uuid;

use super::*;
use crate::{
    process::{ProcessType, UserId},
    validation::{Rule, Violation},
};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn batch(states: &[(Status, i16)]) -> RequestBatch {
    let process = |(number, (status, progress)): (i64, &(Status, i16))| ProcessSummary {
        id: ProcessId(Uuid::from_u128(number.unsigned_abs().into())),
        user_id: UserId("hanako".into()),
        process_type: ProcessType::new("A"),
        status: *status,
        progress: *progress,
        error: None,
        retry_count: 0,
        original_process_id: None,
        attempt: 0,
        cancel_reason: None,
        created_at: at(0),
        started_at: None,
        updated_at: at(50),
        completed_at: status.is_terminal().then(|| at(10 + number)),
    };
    RequestBatch {
        id: RequestBatchId(Uuid::nil()),
        user_id: UserId("hanako".into()),
        created_at: at(0),
        processes: (1..).zip(states).map(process).collect(),
    }
}

fn view(batch: &RequestBatch) -> Value {
    serde_json::to_value(BatchView::new(batch, Language::English)).unwrap()
}

#[test]
fn a_batch_tells_how_many_stand_where_and_the_mean_of_their_progress() {
    let running = batch(&[
        (Status::Completed, 100),
        (Status::Failed, 30),
        (Status::Processing, 50),
        (Status::Pending, 0),
    ]);
    let told = view(&running);
    assert_eq!((&told["total"], &told["progress"]), (&json!(4), &json!(62)));
    assert_eq!(
        told["counts"],
        json!({"PENDING": 1, "PROCESSING": 1, "COMPLETED": 1, "FAILED": 1, "TIMEOUT": 0,
               "CANCELLED": 0})
    );
    assert_eq!(told["completedAt"], Value::Null);
    assert_eq!(told["processes"][2]["status"], "PROCESSING");
    assert_eq!(BatchView::new(&running, Language::English).poll_after(at(20)), Some(5));
}

#[test]
fn it_is_whole_exactly_when_all_have_ended_however_they_did() {
    let ended = batch(&[(Status::Cancelled, 0), (Status::Timeout, 99), (Status::Failed, 7)]);
    let told = view(&ended);
    assert_eq!((&told["progress"], &told["completedAt"]), (&json!(100), &json!(at(13))));
    assert_eq!(BatchView::new(&ended, Language::English).poll_after(at(20)), None);
    let mut nearly = vec![(Status::Completed, 100); 99];
    nearly.push((Status::Processing, 100));
    assert_eq!(view(&batch(&nearly))["progress"], 99);
}

#[test]
fn a_batch_of_which_nothing_was_accepted_was_done_at_once() {
    let told = view(&batch(&[]));
    assert_eq!(
        (&told["total"], &told["progress"], &told["completedAt"]),
        (&json!(0), &json!(100), &json!(at(0)))
    );
}

#[test]
fn one_that_a_hand_has_ended_without_saying_when_ended_at_its_last_change() {
    let mut ended = batch(&[(Status::Completed, 100), (Status::Failed, 0)]);
    ended.processes[1].completed_at = None;
    assert_eq!(view(&ended)["completedAt"], json!(at(50)));
}

#[test]
fn a_kept_refusal_is_told_as_the_refusal_itself_in_both_languages() {
    let length = Violation::new("params.title", Rule::Length { min: 1, max: 200, actual: 201 });
    let refusals = [
        Refusal::from(ErrorCode::TargetNotFound),
        Refusal::invalid(vec![length]),
        Refusal::invalid((0..30).map(|n| Violation::new(n.to_string(), Rule::Uuid)).collect()),
        Refusal { retry_after: Some(60), ..ErrorCode::TooManyWaiting.into() },
        Refusal { process_id: Some(ProcessId(Uuid::nil())), ..ErrorCode::AlreadyRunning.into() },
    ];
    for refusal in refusals {
        let kept = BatchResult::Error(KeptRefusal::from(&refusal));
        let stored = serde_json::to_value(&kept).unwrap();
        let read = BatchResult::deserialize(&stored).unwrap();
        assert_eq!(read, kept);
        let BatchResult::Error(read) = read else { panic!("{read:?}") };
        for language in [Language::Japanese, Language::English] {
            assert_eq!(read.error(language), refusal.envelope(language)["error"]);
        }
    }
}

#[test]
fn each_request_is_told_once_and_in_order() {
    let id = ProcessId(Uuid::from_u128(5));
    let refused = || BatchResult::Error(KeptRefusal::from(&ErrorCode::Forbidden.into()));
    let results = [refused(), BatchResult::ProcessId(id), refused()];
    let view = BatchAcceptedView::new(RequestBatchId(Uuid::nil()), &results, Language::English);
    let told = serde_json::to_value(view).unwrap();
    assert_eq!((&told["accepted"], &told["refused"]), (&json!(1), &json!(2)));
    let indexes: Vec<_> = told["results"].as_array().unwrap().iter().map(|r| &r["index"]).collect();
    assert_eq!(indexes, [&json!(0), &json!(1), &json!(2)]);
    assert_eq!(told["results"][1], json!({"index": 1, "processId": id}));
    assert_eq!(told["results"][2]["error"]["code"], "FORBIDDEN");
}

#[test]
fn a_dry_run_names_no_ids() {
    let refusals = [None, Some(ErrorCode::TargetNotEmpty.into())];
    let view = BatchAcceptedView::dry_run(&refusals, Language::English);
    let told = serde_json::to_value(view).unwrap();
    assert_eq!((told.get("batchId"), &told["accepted"]), (None, &json!(1)));
    assert_eq!(told["results"][0], json!({"index": 0}));
    assert_eq!(told["results"][1]["error"]["code"], "TARGET_NOT_EMPTY");
}
