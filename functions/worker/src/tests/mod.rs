//! The worker on a real Postgres, in what it does without a model: a call to one would fail.

mod planned;
