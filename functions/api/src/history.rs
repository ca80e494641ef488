//! `GET /history`: a user's processes, newest first.

use shared::{
    error_code::ErrorCode,
    http::{COUNT_LIMIT, Call, Caller, HistoryView, Listing, Problem, Reply},
};

use crate::Api;

impl Api {
    pub(crate) async fn history(&self, call: &Call) -> Result<Reply, Problem> {
        let Caller::User(user) = &call.caller else { return Err(ErrorCode::Unauthorized.into()) };
        let listing = Listing::parse(&call.query)?;
        let page =
            self.store.history(user, &listing.filter, &listing.window, COUNT_LIMIT.into()).await?;
        Ok(Reply::of(200, &HistoryView::new(&listing, &page, call.language))?)
    }
}
