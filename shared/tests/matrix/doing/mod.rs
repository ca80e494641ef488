//! Doing what a line says to the process of a cell.

mod around;
mod beginning;
mod ending;
mod working;

use shared::{
    process::{ProcessId, Status},
    reconcile::ProcessFacts,
    store::{Staging, StagingProgress},
};
use test_kit::{Fixture, at, sub_goals, usage, uuid};

use crate::{
    operation::{Group, Operation},
    situation::{Situation, goal, process},
    table::Line,
    token::Token,
};

/// What a foreign hand, or a worker, has done before: what the cell is about needs it.
pub async fn arrange(fixture: &Fixture, line: &Line, situation: Situation) {
    let one = process();
    match (line.operation, line.token) {
        (Operation::RecordStarts, Token::AlreadyNoted) => {
            let note =
                format!("UPDATE processing_state SET execution_arn = 'x' WHERE id = '{one}'");
            fixture.sql(&note).await;
        }
        (Operation::CompleteFromStored, token) => {
            let result = if token == Token::NoResult { "NULL" } else { "'{}'" };
            fixture
                .sql(&format!("UPDATE processing_state SET result = {result} WHERE id = '{one}'"))
                .await;
        }
        (Operation::DropLeftovers, _) => {
            fixture
                .sql(&format!(
                    "INSERT INTO processing_output (process_id, target_id, payload)
                     SELECT id, id, '{{}}' FROM processing_state WHERE id = '{one}'"
                ))
                .await;
        }
        (Operation::Finish, Token::AllStaged) if situation == Situation::Planned => {
            let rows = sub_goals(1_000);
            let staging = Staging {
                target_id: goal().goal_id,
                output: Ok(&rows),
                settles: 2,
                usage: &usage(),
            };
            let fence = situation.fence(Token::Current);
            let staged = fixture.store.stage(one, fence, &staging, at(5)).await.unwrap();
            assert!(staged.is_some_and(StagingProgress::is_whole), "{staged:?}");
        }
        _ => {}
    }
}

/// Does it. What it answered; `None`: it answers nothing.
pub async fn perform(fixture: &Fixture, line: &Line, situation: Situation) -> Option<&'static str> {
    let (operation, token) = (line.operation, line.token);
    match operation.group() {
        Group::Beginning => beginning::perform(fixture, operation, token).await,
        Group::Working => Some(working::perform(fixture, operation, token, situation).await),
        Group::Ending => Some(ending::perform(fixture, operation, token, situation).await),
        Group::Around => around::perform(fixture, operation).await,
    }
}

/// The row as the planner saw it, which `token` says: as it is, or as it was or will be.
async fn seen(fixture: &Fixture, token: Token) -> ProcessFacts {
    let mut rows = fixture.store.rows_of(&[process()]).await.unwrap();
    let mut seen = rows.pop().unwrap_or_else(|| unknown(process()));
    seen.attempt = token.attempt(seen.attempt);
    if token == Token::OtherStatus {
        seen.status = match seen.status {
            Status::Pending => Status::Processing,
            Status::Failed => Status::Cancelled,
            Status::Processing => Status::Pending,
            _ => Status::Failed,
        };
    }
    seen
}

/// A row that has gone since it was seen.
fn unknown(id: ProcessId) -> ProcessFacts {
    ProcessFacts {
        id,
        status: Status::Processing,
        attempt: 2,
        progress: 0,
        has_arn: false,
        result_ready: false,
        ended_by_hand: false,
        created_at: at(0),
        admitted_at: Some(at(0)),
        execution_started_at: None,
        started_at: Some(at(1)),
        updated_at: at(1),
        completed_at: None,
        start_tries: None,
    }
}

/// The process that another request would make.
const fn another() -> ProcessId {
    ProcessId(uuid(2))
}
