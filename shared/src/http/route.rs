//! The routes of the API: the one list that the functions go by, and that the template and the
//! published document are tested against.

/// One route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// Asks for a generation.
    Generate,
    /// Where a process stands.
    Status,
    /// A user's processes.
    History,
    /// Makes a new process out of one that failed.
    Retry,
    /// Ends a process.
    Cancel,
    /// Asks for many generations at once.
    Batch,
    /// Where they stand.
    BatchStatus,
    /// Ends all of them.
    CancelBatch,
}

impl Route {
    /// Every route.
    pub const ALL: &[Self] = &[
        Self::Generate,
        Self::Status,
        Self::History,
        Self::Retry,
        Self::Cancel,
        Self::Batch,
        Self::BatchStatus,
        Self::CancelBatch,
    ];

    /// The HTTP method.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::Generate | Self::Retry | Self::Cancel | Self::Batch | Self::CancelBatch => "POST",
            Self::Status | Self::History | Self::BatchStatus => "GET",
        }
    }

    /// The path, with its variable parts in braces.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Generate => "/api/ai/async/generate",
            Self::Status => "/api/ai/async/status/{processId}",
            Self::History => "/api/ai/async/history",
            Self::Retry => "/api/ai/async/retry/{processId}",
            Self::Cancel => "/api/ai/async/cancel/{processId}",
            Self::Batch => "/api/ai/async/batch",
            Self::BatchStatus => "/api/ai/async/batch/{batchId}",
            Self::CancelBatch => "/api/ai/async/batch/{batchId}/cancel",
        }
    }

    /// The deployed name of the function that answers it.
    #[must_use]
    pub const fn function(self) -> &'static str {
        match self {
            Self::Generate | Self::Status | Self::History | Self::Batch | Self::BatchStatus => {
                "async-processing-handler"
            }
            Self::Retry => "retry-handler",
            Self::Cancel | Self::CancelBatch => "cancel-handler",
        }
    }

    /// The route that API Gateway names so, such as `POST /api/ai/async/generate`.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        let (method, path) = key.split_once(' ')?;
        Self::ALL.iter().copied().find(|route| route.method() == method && route.path() == path)
    }

    /// The methods that `path` takes; none: there is no such path.
    #[must_use]
    pub fn methods_of(path: &str) -> Vec<&'static str> {
        Self::ALL.iter().filter(|route| route.matches(path)).map(|route| route.method()).collect()
    }

    fn matches(self, path: &str) -> bool {
        let mut parts = path.split('/');
        let same = self.path().split('/').all(|wanted| {
            parts
                .next()
                .is_some_and(|part| part == wanted || (wanted.starts_with('{') && !part.is_empty()))
        });
        same && parts.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_is_found_by_its_key() {
        for route in Route::ALL {
            assert_eq!(
                Route::from_key(&format!("{} {}", route.method(), route.path())),
                Some(*route)
            );
        }
        assert_eq!(Route::from_key("$default"), None);
        assert_eq!(Route::from_key("GET /api/ai/async/generate"), None);
    }

    #[test]
    fn a_path_without_a_method_is_told_from_one_that_is_none() {
        assert_eq!(Route::methods_of("/api/ai/async/generate"), ["POST"]);
        assert_eq!(Route::methods_of("/api/ai/async/status/whatever"), ["GET"]);
        assert_eq!(Route::methods_of("/api/ai/async/batch"), ["POST"]);
        assert_eq!(Route::methods_of("/api/ai/async/batch/whatever"), ["GET"]);
        assert_eq!(Route::methods_of("/api/ai/async/batch/whatever/cancel"), ["POST"]);
        for path in [
            "",
            "/",
            "/api/ai/async",
            "/api/ai/async/status",
            "/api/ai/async/status/",
            "/api/ai/async/status/a/b",
            "/api/ai/async/generate/",
        ] {
            assert!(Route::methods_of(path).is_empty(), "{path}");
        }
    }
}
