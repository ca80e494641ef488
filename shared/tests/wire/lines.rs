//! The log lines of a test, kept to be looked at.

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{Layer, layer::Context, prelude::*};

/// The lines: their level, and their fields as `name=value`.
pub(crate) type Lines = Arc<Mutex<Vec<(Level, String)>>>;

struct Kept(Lines);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl<S: Subscriber> Layer<S> for Kept {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // As in a function, whose log holds the project's own lines.
        if !event.metadata().target().starts_with("shared") {
            return;
        }
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.0.lock().unwrap().push((*event.metadata().level(), fields.0));
    }
}

/// Keeps this thread's lines until the guard is dropped.
pub(crate) fn keep() -> (Lines, DefaultGuard) {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::registry().with(Kept(Arc::clone(&lines)));
    (lines, tracing::subscriber::set_default(subscriber))
}

/// The ERROR lines that name `model`.
pub(crate) fn errors(lines: &Lines, model: &str) -> Vec<String> {
    let lines = lines.lock().unwrap();
    let named = format!("model={model} ");
    lines
        .iter()
        .filter(|(level, fields)| *level == Level::ERROR && fields.contains(&named))
        .map(|(_, fields)| fields.clone())
        .collect()
}
