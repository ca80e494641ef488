//! `GET /history`: a user's processes, newest first.

use shared::{
    clock::Clock,
    http::{COUNT_LIMIT, Caller, HistoryQuery, HistoryView, Problem, Reply, Request},
    process::{ErrorCode, Generation},
};

use crate::api::{Api, Kind};

impl Api {
    pub(crate) async fn history(&self, request: &Request) -> Result<Reply, Problem> {
        let Caller::User(user) = &request.caller else {
            return Err(ErrorCode::Unauthorized.into());
        };
        self.reads.count(&request.caller, self.clock.now())?;
        let query = HistoryQuery::parse(&request.query, Kind::TYPE_NAMES)?;
        let page =
            self.store.history(user, &query.filter, &query.window, COUNT_LIMIT.into()).await?;
        Ok(Reply::of(200, &HistoryView::new(&query, &page, request.language))?)
    }
}
