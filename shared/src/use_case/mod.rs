//! What several functions do.
//!
//! | file | holds |
//! |---|---|
//! | `submit` | a process is stored, then its execution is started |
//! | `finish` | what a process with several targets has staged is applied, and it completes |

mod finish;
mod submit;

pub use self::{
    finish::{Finish, finish},
    submit::{Accepted, submit},
};
