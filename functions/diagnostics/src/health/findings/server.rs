//! The database server: its connections, and who is in whose way.

use serde_json::json;
use shared::store::{Server, Session};

use super::Judge;
use crate::finding::{Finding, Severity};

impl Judge<'_> {
    pub(super) fn connections(&self, server: &Server) -> Option<Finding> {
        let Server { connections, most_connections, .. } = server;
        // The share at which each environment closes its connection after use.
        (connections * 4 >= most_connections * 3).then(|| {
            let summary = self.words.say(
                format!(
                    "データベースの接続を {most_connections} のうち {connections} 使っています"
                ),
                format!(
                    "{connections} of the database's {most_connections} connections are \
                         taken"
                ),
            );
            Finding::new("CONNECTIONS_SHORT", Severity::Warning, summary)
                .proved_by(json!({"used": connections, "max": most_connections}))
                .then(
                    self.words.say("誰が使っているかを見る", "see who has them"),
                    "psql \"$DATABASE_URL\" -c \"SELECT usename, application_name, state, \
                     count(*) \
                     FROM pg_stat_activity GROUP BY 1, 2, 3 ORDER BY 4 DESC\"",
                )
        })
    }

    pub(super) fn sessions(&self, sessions: &[Session]) -> Vec<Finding> {
        let words = self.words;
        let shown = |session: &Session| {
            json!({
                "pid": session.pid, "user": session.user, "application": session.application,
                "state": session.state, "statement": session.statement, "since": session.since,
                "transactionSince": session.transaction_since, "blockedBy": session.blocked_by,
            })
        };
        let end = |finding: Finding, pid: i32| {
            let text = words.say(format!("接続 {pid} を終了する"), format!("end session {pid}"));
            let sql = format!("SELECT pg_terminate_backend({pid})");
            finding.then(text, format!("psql \"$DATABASE_URL\" -c \"{sql}\""))
        };
        let blocked = sessions.iter().filter(|session| !session.blocked_by.is_empty()).count();
        let mut all = Vec::new();
        // Those at the root: they block, and wait for nobody.
        let roots: Vec<_> = sessions
            .iter()
            .filter(|session| session.blocks && session.blocked_by.is_empty())
            .collect();
        if blocked > 0 {
            let pids: Vec<_> = roots.iter().map(|root| root.pid.to_string()).collect();
            let pids = pids.join(", ");
            let summary = words.say(
                format!("{blocked} 個の接続がロックを待っています（止めているのは接続 {pids}）"),
                format!("sessions that wait for a lock of session {pids}: {blocked}"),
            );
            let finding = Finding::new("SESSIONS_BLOCKED", Severity::Warning, summary)
                .proved_by(sessions.iter().map(shown).collect())
                .since(roots.iter().filter_map(|root| root.transaction_since).min());
            all.push(roots.iter().fold(finding, |finding, root| end(finding, root.pid)));
        }
        let others =
            sessions.iter().filter(|session| !session.blocks && session.blocked_by.is_empty());
        for session in others {
            let is_idle = session.state.starts_with("idle in transaction");
            let since = if is_idle { session.transaction_since } else { session.since };
            let length = words.length(self.facts.now - since.unwrap_or(self.facts.now));
            let pid = session.pid;
            let (code, summary) = if is_idle {
                (
                    "TRANSACTION_LEFT_OPEN",
                    words.say(
                        format!("接続 {pid} がトランザクションを {length} 開いたままです"),
                        format!("session {pid} has left a transaction open for {length}"),
                    ),
                )
            } else {
                (
                    "STATEMENT_SLOW",
                    words.say(
                        format!("接続 {pid} の文が {length} 実行されています"),
                        format!("a statement of session {pid} has been running for {length}"),
                    ),
                )
            };
            let finding = Finding::new(code, Severity::Warning, summary)
                .proved_by(shown(session))
                .since(since);
            all.push(end(finding, pid));
        }
        all
    }
}
