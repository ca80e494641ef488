//! What several functions do.
//!
//! | file | holds |
//! |---|---|
//! | `submit` | a process is stored, then its execution is started |
//! | `submit_batch` | the same for many requests at once, each judged by itself |
//! | `refusing` | what is told of what stands in the way of a request |
//! | `admit` | waiting processes are given their share, and their executions are started |
//! | `finish` | what a process with several targets has staged is applied, and it completes |

mod admit;
mod finish;
mod refusing;
mod submit;
mod submit_batch;

pub use self::{
    admit::{admit, start},
    finish::{Finish, finish},
    submit::{Accepted, submit},
    submit_batch::{BatchSubmission, JudgedBatch, submit_batch, try_batch},
};
