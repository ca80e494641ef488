//! What a run has come to, and the command that comes next.

use std::path::Path;
use std::time::Duration;

use indicatif::HumanCount;

use super::state::{Options, State};

/// So many batches are named; the state file names all.
const NAMED: usize = 5;

/// Why a run ended before its end.
pub(super) fn unfinished(state: &State, dry_run: bool) -> String {
    let (done, rows) = (HumanCount(state.done()), HumanCount(state.rows));
    let next = if dry_run { "" } else { "; the same command goes on from there" };
    format!("{done} of {rows} rows are done{next}")
}

/// Of which run it is told.
pub(super) struct Told<'a> {
    pub file: &'a Path,
    pub state_file: &'a Path,
    pub refused_file: &'a Path,
    pub dry_run: bool,
    /// `None` when all had been done before.
    pub took: Option<Duration>,
}

impl Told<'_> {
    /// All of it, a matter a line.
    pub(super) fn text(&self, state: &State) -> String {
        let mut lines = vec![self.headline(state)];
        let ids = &state.batch_ids;
        for (label, id) in ["batches"].into_iter().chain(std::iter::repeat("")).zip(ids).take(NAMED)
        {
            lines.push(format!("{label:<9} {id}"));
        }
        if ids.len() > NAMED {
            let (more, path) = (HumanCount((ids.len() - NAMED) as u64), self.state_file.display());
            lines.push(format!("{:<9} and {more} more, in {path}", ""));
        }
        if state.refused() > 0 {
            let mut codes: Vec<_> = state.refused_by_code.iter().collect();
            codes.sort_by_key(|(code, count)| (std::cmp::Reverse(**count), code.as_str()));
            let codes: Vec<String> = codes
                .iter()
                .map(|(code, count)| format!("{} {code}", HumanCount(**count)))
                .collect();
            let path = self.refused_file.display();
            lines.push(format!("refused   {}; in {path}", codes.join(", ")));
        }
        lines.extend(self.next(state).into_iter().map(|next| format!("next      {next}")));
        lines.join("\n")
    }

    fn headline(&self, state: &State) -> String {
        let file = self.file.display();
        let (accepted, refused) = (HumanCount(state.accepted), HumanCount(state.refused()));
        let rows = HumanCount(state.rows);
        match (self.dry_run, self.took) {
            (true, _) => format!(
                "{file}: of {rows} rows {accepted} would be accepted and {refused} refused; \
                 nothing was stored"
            ),
            (false, Some(took)) => format!(
                "{file}: {rows} rows, {accepted} accepted, {refused} refused, in {:.1} s",
                took.as_secs_f64()
            ),
            (false, None) => format!(
                "{file}: all {rows} rows were sent before, {accepted} accepted, {refused} refused; \
                 to send them to another stack, remove {}",
                self.state_file.display()
            ),
        }
    }

    fn next(&self, state: &State) -> Vec<String> {
        let mut next = Vec::new();
        let (file, refused_file) = (self.file.display(), self.refused_file.display());
        if let Some(id) = state.batch_ids.last() {
            next.push(format!(
                "eval \"$(cargo aigen env)\"; curl -sH \"Authorization: Bearer $(cargo aigen token \
                 {})\" \"$API_URL/api/ai/async/batch/{id}\"",
                state.options.user
            ));
        }
        // A refused row says its type and priority by itself.
        let Options { user, .. } = &state.options;
        match (self.dry_run, state.refused()) {
            (true, 0) => next.push(format!("`cargo aigen submit {file} {}`", state.options)),
            (true, _) => {
                next.push(format!("correct {file}, as {refused_file} says for each line"));
            }
            (false, 0) => {}
            (false, _) => next.push(format!(
                "correct {refused_file}, then `cargo aigen submit {refused_file} --as {user}`"
            )),
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::Priority;
    use super::*;

    fn state(refused: &[(&str, u64)], batches: usize) -> State {
        let options = Options {
            user: "hanako".to_owned(),
            kind: "CHART_GENERATION".to_owned(),
            priority: Some(Priority::Low),
            batch_size: 100,
        };
        let mut state = State::new("d".to_owned(), 1_200, options, "/r".into());
        state.refused_by_code =
            refused.iter().map(|(code, count)| ((*code).to_owned(), *count)).collect();
        state.accepted = 1_200 - state.refused();
        state.batch_ids = (1..=batches).map(|id| format!("b{id}")).collect();
        state
    }

    fn told(dry_run: bool, took: Option<u64>) -> Told<'static> {
        Told {
            file: Path::new("goals.csv"),
            state_file: Path::new("goals.csv.aigen-state.json"),
            refused_file: Path::new("goals.csv.refused.jsonl"),
            dry_run,
            took: took.map(Duration::from_secs),
        }
    }

    #[test]
    fn a_run_tells_its_counts_batches_reasons_and_what_comes_next() {
        let refused = [("ALREADY_RUNNING", 3), ("VALIDATION_ERROR", 7)];
        assert_eq!(
            told(false, Some(34)).text(&state(&refused, 7)),
            "\
goals.csv: 1,200 rows, 1,190 accepted, 10 refused, in 34.0 s
batches   b1
          b2
          b3
          b4
          b5
          and 2 more, in goals.csv.aigen-state.json
refused   7 VALIDATION_ERROR, 3 ALREADY_RUNNING; in goals.csv.refused.jsonl
next      eval \"$(cargo aigen env)\"; curl -sH \"Authorization: Bearer $(cargo aigen token \
hanako)\" \"$API_URL/api/ai/async/batch/b7\"
next      correct goals.csv.refused.jsonl, then `cargo aigen submit goals.csv.refused.jsonl --as \
hanako`"
        );
    }

    #[test]
    fn a_dry_run_says_that_nothing_was_stored_and_how_it_would_be() {
        let text = told(true, Some(1)).text(&state(&[], 0));
        assert!(
            text.contains("1,200 would be accepted and 0 refused; nothing was stored"),
            "{text}"
        );
        assert!(text.contains("`cargo aigen submit goals.csv --as hanako"), "{text}");
    }

    #[test]
    fn a_file_that_was_sent_before_is_told_apart() {
        let text = told(false, None).text(&state(&[], 1));
        assert!(text.starts_with("goals.csv: all 1,200 rows were sent before"), "{text}");
    }

    #[test]
    fn who_was_interrupted_is_told_how_to_go_on() {
        let mut state = state(&[], 0);
        state.taken = 300;
        assert_eq!(
            unfinished(&state, false),
            "300 of 1,200 rows are done; the same command goes on from there"
        );
    }
}
