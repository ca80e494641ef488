//! What a person types when asked.

use std::io::BufRead;
use std::thread;

use anyhow::{Context, Result};
use tokio::sync::oneshot;

use crate::stack;

/// The line that is typed; `None` when the person asks this program to end instead. Somebody who
/// presses Ctrl-C means no, and whatever is typed afterwards is for the shell.
pub(crate) async fn typed() -> Result<Option<String>> {
    let (send, receive) = oneshot::channel();
    // A thread of its own, which nobody waits for: it ends with the line, or with the program.
    thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        let _ = send.send(read.map(|_| line));
    });
    let Some(read) = stack::unless_interrupted(receive).await? else { return Ok(None) };
    let line = read.context("nobody answers")?.context("the answer cannot be read")?;
    Ok(Some(line.trim().to_owned()))
}
