//! Standard output and error without a panic: whoever reads them may have gone (`| head`), and a
//! run that has a stack to end must end it all the same.

use std::fmt::Display;
use std::io::{Write, stderr, stdout};

/// A line of the answer.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(stdout().lock(), "{text}");
}

/// A line beside the answer: progress, or what went wrong.
pub(crate) fn aside(text: impl Display) {
    let _ = writeln!(stderr().lock(), "{text}");
}
