//! One sweep at a time, and where the next goes on.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    process::{Failure, ProcessId},
    store::Store,
};

/// A place in the order in which active processes are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// When a process was accepted.
    pub created_at: DateTime<Utc>,
    /// Its id.
    pub id: ProcessId,
}

impl Point {
    /// Before every process.
    pub const START: Self = Self { created_at: DateTime::UNIX_EPOCH, id: ProcessId(Uuid::nil()) };
}

/// Where the next sweep goes on, because the last ran out of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resume {
    /// Up to which active process it came.
    pub active: Option<Point>,
    /// Up to which of the processes whose executions run it came, by id.
    pub running: Option<ProcessId>,
}

/// What became of a wish to sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// It is ours.
    Taken {
        /// Where to go on.
        resume: Resume,
    },
    /// Another sweep is running.
    Held {
        /// Since when.
        since: DateTime<Utc>,
        /// When the lease is free by itself, should that sweep have been killed.
        until: DateTime<Utc>,
    },
}

impl Store {
    /// Takes the lease for the sweep `holder`, until `until`, unless another holds it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_lease(
        &self,
        holder: Uuid,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Lease, Failure> {
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            r#"
            WITH before AS (
                SELECT only_row,
                       holder,
                       held_since,
                       held_until,
                       resume_created_at,
                       resume_id,
                       resume_running_id
                FROM reconciler_sweep
                FOR UPDATE
            ), taken AS (
                UPDATE reconciler_sweep sweep
                SET holder = $1, held_since = $2, held_until = $3
                FROM before
                WHERE sweep.only_row = before.only_row
                  AND (before.holder IS NULL OR before.held_until <= $2)
                RETURNING sweep.only_row
            )
            SELECT EXISTS (SELECT FROM taken) AS "taken!",
                   held_since,
                   held_until,
                   resume_created_at,
                   resume_id,
                   resume_running_id
            FROM before
            "#,
            holder,
            now,
            until,
        )
        .fetch_one(&mut *connection)
        .await?;
        if row.taken {
            let active = row
                .resume_created_at
                .zip(row.resume_id)
                .map(|(created_at, id)| Point { created_at, id: ProcessId(id) });
            let running = row.resume_running_id.map(ProcessId);
            Ok(Lease::Taken { resume: Resume { active, running } })
        } else {
            Ok(Lease::Held {
                since: row.held_since.unwrap_or(now),
                until: row.held_until.unwrap_or(now),
            })
        }
    }

    /// Notes up to where the sweep `holder` has come; what is `None` stays as it was. `false`: the
    /// lease is no longer its own.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_resume(&self, holder: Uuid, resume: Resume) -> Result<bool, Failure> {
        let mut connection = self.database.connection().await?;
        let done = sqlx::query!(
            r#"
            UPDATE reconciler_sweep
            SET resume_created_at = COALESCE($2, resume_created_at),
                resume_id = COALESCE($3, resume_id),
                resume_running_id = COALESCE($4, resume_running_id)
            WHERE holder = $1
            "#,
            holder,
            resume.active.map(|point| point.created_at),
            resume.active.map(|point| point.id.0),
            resume.running.map(|id| id.0),
        )
        .execute(&mut *connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives the lease of the sweep `holder` back, with its report. `complete`: it has looked at
    /// everything, so the next begins anew; otherwise the next goes on where this one came to.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn give_lease_back(
        &self,
        holder: Uuid,
        complete: bool,
        report: &Value,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query!(
            r#"
            UPDATE reconciler_sweep
            SET holder = NULL,
                held_since = NULL,
                held_until = NULL,
                report = $3,
                reported_at = $4,
                resume_created_at = CASE WHEN NOT $2 THEN resume_created_at END,
                resume_id = CASE WHEN NOT $2 THEN resume_id END,
                resume_running_id = CASE WHEN NOT $2 THEN resume_running_id END
            WHERE holder = $1
            "#,
            holder,
            complete,
            report,
            now,
        )
        .execute(&mut *connection)
        .await?;
        Ok(())
    }
}
