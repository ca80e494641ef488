//! The HTTP edge, which is also the edge of a direct invocation: one envelope, one mapping from
//! errors to answers.

mod answer;
mod call;
mod etag;
mod listing;
mod rate;
mod refusal;
mod route;
mod view;

pub use self::{
    answer::{Answer, Reply, answer},
    call::{Call, Caller},
    etag::ETag,
    listing::{COUNT_LIMIT, HistoryView, Listing},
    rate::{limited, rate_limited},
    refusal::{Problem, Refusal},
    route::Route,
    view::ProcessView,
};
