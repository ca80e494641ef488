//! The seam's other half: what a kind of generation does in the database.
//!
//! A kind that writes to tables of its own has these statements in a folder beside `chart/`. Each
//! of them is one statement, so that a process and what it generates change together or not at
//! all.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Connection, Observed, Submission};
use crate::process::{
    Actor, Failure, Generation, ProcessId, Status, UserId, request_batch::Surroundings,
};

/// A target as the tables of its kind have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTarget<T> {
    /// The target.
    pub target: T,
    /// Whether there is something already where its output would be.
    pub occupied: bool,
}

/// What became of a wish to complete a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// Everything is stored and the process is COMPLETED.
    Completed,
    /// The process has ended otherwise, or a newer attempt is the current one: nothing was stored.
    Fenced,
    /// What it was to be stored under belongs to another user by now: nothing was stored.
    Forbidden,
    /// A target has gone, or belongs to another user: nothing was stored.
    TargetNotFound,
    /// A target has come to hold something that must not go: nothing was stored.
    TargetNotEmpty,
}

/// What is ready to be stored.
#[derive(Debug)]
pub struct NewRows<'a, G: Generation> {
    /// Whose.
    pub user_id: &'a UserId,
    /// What was asked for.
    pub params: &'a G::Params,
    /// The targets with what was written for them; a target may be a row of another's.
    pub parts: &'a [(Uuid, G::Written)],
    /// For the status answer.
    pub result: &'a Value,
    /// For the history: which model answered, its tokens.
    pub detail: &'a Value,
}

/// A kind of generation with tables of its own.
#[expect(async_fn_in_trait, reason = "a function has one thread, so that no future need be Send")]
pub trait StoredGeneration: Generation {
    /// Its tables, which the functions read and write.
    const TABLES: &'static [&'static str];

    /// Stores a submission, unless something stands in its way, and tells what it saw: one
    /// statement, by the recipe of [`crate::store`]'s `submit`.
    ///
    /// # Errors
    /// When the database fails.
    async fn try_submit(
        connection: &mut Connection,
        submission: &Submission<Self>,
        params: &Value,
    ) -> Result<Observed, sqlx::Error>;

    /// What there is where each of `requests` of `user` wants to generate, in their order: what
    /// [`Self::try_submit`] sees of a single one, by the same rules. Nothing is stored. None of
    /// them is a retry.
    ///
    /// # Errors
    /// When the database fails.
    async fn look_around(
        connection: &mut Connection,
        user: &UserId,
        requests: &[&Self::Params],
    ) -> Result<Vec<Surroundings>, Failure>;

    /// The targets of `params` with these `ids`, or without `ids` those that the process begins
    /// with: as far as they are there and belong to `user`, in the order of the kind.
    ///
    /// # Errors
    /// When the database fails.
    async fn find_targets(
        connection: &mut Connection,
        user: &UserId,
        params: &Self::Params,
        ids: Option<&[Uuid]>,
    ) -> Result<Vec<FoundTarget<Self::Target>>, Failure>;

    /// Stores everything and completes the process, all in one statement. Repeating it after a lost
    /// answer finds the process completed, and is fenced.
    ///
    /// # Errors
    /// When the database fails.
    async fn complete(
        connection: &mut Connection,
        id: ProcessId,
        attempt: i32,
        new: &NewRows<'_, Self>,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Result<Completion, Failure>;
}

impl super::Store {
    /// The targets that a process with `params` begins with, as far as they are there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_roots<G: StoredGeneration>(
        &self,
        user: &UserId,
        params: &G::Params,
    ) -> Result<Vec<FoundTarget<G::Target>>, Failure> {
        let mut connection = self.database.connection().await?;
        G::find_targets(&mut connection, user, params, None).await
    }

    /// The targets with these `ids`, as far as they are there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_targets<G: StoredGeneration>(
        &self,
        user: &UserId,
        params: &G::Params,
        ids: &[Uuid],
    ) -> Result<Vec<FoundTarget<G::Target>>, Failure> {
        let mut connection = self.database.connection().await?;
        G::find_targets(&mut connection, user, params, Some(ids)).await
    }

    /// Stores everything and completes the process.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn complete<G: StoredGeneration>(
        &self,
        id: ProcessId,
        attempt: i32,
        new: &NewRows<'_, G>,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Result<Completion, Failure> {
        let mut connection = self.database.connection().await?;
        let completion = G::complete(&mut connection, id, attempt, new, actor, now).await?;
        if completion == Completion::Completed {
            self.ended(id, Status::Completed, now);
        }
        Ok(completion)
    }
}
