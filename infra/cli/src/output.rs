//! Standard output and error without a panic: whoever reads them may have gone (`| head`), and a
//! run that has a stack to end must end it all the same.

use std::fmt::Display;
use std::io::{Error, ErrorKind, Result, Write, stderr, stdout};
use std::process::ExitCode;
use std::sync::OnceLock;

/// Why standard output could not be written, where that is not that nobody reads it any more.
static TROUBLE: OnceLock<Error> = OnceLock::new();

/// A line of the answer.
pub(crate) fn line(text: impl Display) {
    noted(writeln!(stdout().lock(), "{text}"));
}

/// A line of an answer that has no end; whether someone still reads it.
pub(crate) fn line_is_read(text: impl Display) -> bool {
    let mut out = stdout().lock();
    noted(writeln!(out, "{text}").and_then(|()| out.flush()))
}

/// Whether it was written. Why not is kept for the end.
fn noted(written: Result<()>) -> bool {
    let Err(error) = written else { return true };
    if error.kind() != ErrorKind::BrokenPipe {
        // Of several the first says most.
        let _ = TROUBLE.set(error);
    }
    false
}

/// The exit code of a run that is over: `code`, unless it failed to write its answer, which is
/// told. A reader who has left is no failure.
pub(crate) fn ended(code: ExitCode, of_trouble: ExitCode) -> ExitCode {
    noted(stdout().lock().flush());
    let Some(error) = TROUBLE.get() else { return code };
    aside(format_args!("error: standard output cannot be written\n  because: {error}"));
    of_trouble
}

/// A line beside the answer: progress, or what went wrong.
pub(crate) fn aside(text: impl Display) {
    let _ = writeln!(stderr().lock(), "{text}");
}

/// What went wrong beside the answer: one sentence, then why.
pub(crate) fn trouble(error: &anyhow::Error) {
    aside(format_args!("error: {error}"));
    for cause in error.chain().skip(1) {
        aside(format_args!("  because: {cause}"));
    }
}

/// How this program is called: by itself once it is installed, through cargo in its own folder.
pub(crate) fn program() -> &'static str {
    // Cargo tells it to all that it runs.
    if std::env::var_os("CARGO").is_some() { "cargo aigen" } else { "aigen" }
}
