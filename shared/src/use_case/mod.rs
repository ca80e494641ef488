//! What several functions do.
//!
//! | file | holds |
//! |---|---|
//! | `submit` | a process is stored, then its execution is started |
//! | `admit` | waiting processes are given their share, and their executions are started |
//! | `finish` | what a process with several targets has staged is applied, and it completes |

mod admit;
mod finish;
mod submit;

pub use self::{
    admit::{admit, start},
    finish::{Finish, finish},
    submit::{Accepted, submit},
};
