//! Looking at the stack while it runs: what capacity is given, and what the run takes of the
//! machine.

use std::time::Duration;

use anyhow::Result;
use sqlx::PgPool;
use tokio::time::{Instant, sleep, timeout};

use super::book::Person;
use super::run::Run;
use crate::stack::{self, Hands, StackEnv};

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a look may take: the database may be away.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a token is used: they last an hour.
const TOKENS_LAST: Duration = Duration::from_mins(30);
/// How much of a token's signature a log is searched for.
const SECRET: usize = 24;

/// Who looks.
pub(super) struct Monitor<'a> {
    pub(super) run: &'a Run,
    pub(super) env: &'a StackEnv,
    pub(super) hands: &'a Hands,
    pub(super) owner: &'a PgPool,
    /// The names of the users.
    pub(super) names: &'a [String],
}

impl Monitor<'_> {
    /// Looks again and again, and has the users log in anew in time.
    pub(super) async fn watch(&self) -> ! {
        let mut logged_in = Instant::now();
        loop {
            // What cannot be seen now is seen later.
            let _ = timeout(PATIENCE, self.database()).await;
            self.processes();
            if logged_in.elapsed() > TOKENS_LAST && self.log_in().await.is_ok() {
                logged_in = Instant::now();
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn database(&self) -> Result<()> {
        let (given, sessions, kb, dead): (i64, i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT COALESCE(sum(calls), 0)::bigint FROM capacity_in_use()),
                    (SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'aigen\\_functions%'),
                    pg_database_size(current_database()) / 1024,
                    (SELECT n_dead_tup FROM pg_stat_user_tables
                     WHERE relname = 'processing_state')",
        )
        .fetch_one(self.owner)
        .await?;
        let mut book = self.run.book.borrow_mut();
        book.capacity.looks += 1;
        book.capacity.most_given = book.capacity.most_given.max(given);
        book.resources.sessions.look(sessions);
        book.resources.database_kb.look(kb);
        book.resources.dead_rows.look(dead);
        Ok(())
    }

    fn processes(&self) {
        let functions = self.hands.all_functions();
        let largest = functions.iter().filter_map(|it| it.resident_kb()).max();
        let mut book = self.run.book.borrow_mut();
        let environments = i64::try_from(functions.len()).unwrap_or(i64::MAX);
        book.resources.environments.look(environments);
        if let Some(kb) = largest {
            book.resources.function_kb.look(kb);
        }
        if let Some(kb) = self.hands.gateway().and_then(stack::Process::resident_kb) {
            book.resources.gateway_kb.look(kb);
        }
    }

    async fn log_in(&self) -> Result<()> {
        for (user, name) in self.names.iter().enumerate() {
            let token = stack::token(self.env, name).await?;
            let person = person(&token)?;
            self.run.book.borrow_mut().users.push(person);
            self.run.renew(user, token);
        }
        Ok(())
    }
}

/// What is kept of a user who has logged in.
pub(super) fn person(token: &str) -> Result<Person> {
    let signature = token.rsplit('.').next().unwrap_or_default();
    let secret = signature.chars().take(SECRET).collect();
    Ok(Person { sub: stack::subject(token)?, secret })
}
