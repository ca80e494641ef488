//! What `aigen` is made of. The system tests use the parts that know the local stack ([`stack`])
//! and what is wrong with a token ([`token_check`]); the rest is the command line's own.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "the local stack runs on Linux only, for it knows its processes by /proc: use a Linux machine, \
     a container or WSL 2"
);

mod asked;
mod bench;
mod chaos;
mod chart;
mod cli;
mod demo;
mod envelope;
mod load;
mod manifest;
mod model_double;
mod operate;
mod output;
mod page;
mod simulate;
pub mod stack;
mod submit;
pub mod token_check;

pub use cli::run;
