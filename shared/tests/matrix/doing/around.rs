//! What is about no process: limits, pause, the rate limit, the lease of the sweep.

use chrono::TimeDelta;
use serde_json::json;
use shared::{
    process::admission::Refused,
    store::{NewLimits, Resume, SetBy},
};
use test_kit::{Fixture, at, plenty, user, uuid};

use crate::{operation::Operation, situation::OWNER};

pub async fn perform(fixture: &Fixture, operation: Operation) -> Option<&'static str> {
    let store = &fixture.store;
    let set = SetBy { at: at(9), by: "hanako".to_owned(), reason: None };
    let (holder, until) = (uuid(0x1ea5e), at(9) + TimeDelta::seconds(60));
    match operation {
        Operation::Pause => store.pause(&set, true).await.unwrap(),
        Operation::Resume => assert!(!store.resume().await.unwrap()),
        Operation::SetLimits => {
            let new = NewLimits { reset: false, calls: Some(3), calls_per_user: Some(2) };
            store.set_limits(new, &set).await.unwrap();
        }
        Operation::NoteThrottled => {
            let models = ["m".to_owned()];
            store.note_throttled(&models, Refused::ByAll, &plenty(), at(9)).await.unwrap();
        }
        Operation::RecountQueue => {
            assert_eq!(store.recount_queue().await.unwrap(), Vec::<String>::new());
        }
        Operation::CountRequest => {
            assert!(store.count_request(&user(OWNER), 20, at(9)).await.unwrap().allowed);
        }
        Operation::CountCancel => {
            assert!(store.count_cancel(&user(OWNER), 20, at(9)).await.unwrap().allowed);
        }
        Operation::TakeLease => drop(store.take_lease(holder, at(9), until).await.unwrap()),
        Operation::NoteResume => {
            let nobodys = store.note_resume(holder, Resume { active: None, running: None });
            assert!(!nobodys.await.unwrap());
        }
        Operation::GiveLeaseBack => {
            store.give_lease_back(holder, true, &json!({}), at(9)).await.unwrap();
        }
        Operation::DeleteBatches => drop(store.delete_batches(at(0)).await.unwrap()),
        other => panic!("{other:?} is about a process"),
    }
    None
}
