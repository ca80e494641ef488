//! Processes with their histories, as diagnostics gives them: page by page, so that neither side
//! ever holds more than one.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::diagnose::{Lang, ask};
use super::reconciler::Functions;

/// A page, as diagnostics answers it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    /// In the order in which they were accepted.
    pub processes: Vec<Value>,
    /// After which process the next page begins; `None`: there is none.
    pub next_cursor: Option<String>,
}

/// One page after the other.
#[derive(Debug)]
pub(super) struct Pages<'a, F> {
    functions: &'a F,
    query: Map<String, Value>,
    is_over: bool,
}

impl<'a, F: Functions> Pages<'a, F> {
    /// Those that `query` asks for: fields of the check `export`. `lang`: in which a refusal is.
    pub(super) fn of(functions: &'a F, mut query: Map<String, Value>, lang: Lang) -> Self {
        query.insert("lang".to_owned(), lang.tag().into());
        query.insert("check".to_owned(), "export".into());
        Self { functions, query, is_over: false }
    }

    /// The next one; `None` after the last. A page may be empty and have a next one.
    pub(super) async fn next(&mut self) -> Result<Option<Page>> {
        if self.is_over {
            return Ok(None);
        }
        let data = ask(self.functions, &Value::Object(self.query.clone())).await?;
        let page = Page::deserialize(data)
            .context("diagnostics answered what this aigen does not understand")?;
        match &page.next_cursor {
            Some(next) => drop(self.query.insert("cursor".to_owned(), next.as_str().into())),
            None => self.is_over = true,
        }
        Ok(Some(page))
    }
}

/// How far it is, where somebody watches; `doing` says what.
pub(super) fn bar(doing: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    let template = format!("{{spinner}} {doing}  {{msg}}  {{elapsed}}");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
