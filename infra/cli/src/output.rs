//! Standard output and error without a panic: whoever reads them may have gone (`| head`), and a
//! run that has a stack to end must end it all the same.

use std::fmt::Display;
use std::io::{Write, stderr, stdout};

/// A line of the answer.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(stdout().lock(), "{text}");
}

/// A line of an answer that has no end; whether someone still reads it.
pub(crate) fn line_is_read(text: impl Display) -> bool {
    let mut out = stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).is_ok()
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
