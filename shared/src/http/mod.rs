//! The HTTP edge, which is also the edge of a direct invocation: one envelope, one mapping from
//! errors to responses.
//!
//! | file | holds |
//! |---|---|
//! | `request` | who calls, and what they want, whichever way the function was invoked |
//! | `author` | who an operator says to be |
//! | `event` | API Gateway's event, read leniently |
//! | `response` | a handler's result as envelope, status and headers |
//! | `refusal` | why there is no good response |
//! | `route` | the list of routes |
//! | `views` | a process as clients see it |
//! | `batch` | a batch of requests: what was answered of each, how its processes stand |
//! | `history` | the query string of the history, and a page of it |
//! | `rate_limit`, `etag` | their headers |
//! | `read_limit` | how often a user may read |
//! | `capacity` | the capacity as operators see it |

mod author;
mod batch;
mod capacity;
mod etag;
mod event;
mod history;
mod rate_limit;
mod read_limit;
mod refusal;
mod request;
mod response;
mod route;
mod views;

pub use self::{
    author::{REASON_LENGTH, read_language},
    batch::{BatchAcceptedView, BatchResult, BatchView, KeptRefusal},
    capacity::CapacityView,
    etag::ETag,
    history::{COUNT_LIMIT, HistoryQuery, HistoryView},
    rate_limit::{RateLimit, limited, rate_limited},
    read_limit::ReadLimit,
    refusal::{Problem, Refusal},
    request::{Caller, Request},
    response::{Reply, Response, respond},
    route::Route,
    views::{AcceptedView, CancelledView, ProcessView, RetriedView},
};
