//! An HTTP answer, read whole.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body as JSON; null when it is empty.
    pub body: Value,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Result<reqwest::Response>) -> Self {
        let response = response.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.clone()))
        };
        Self { status, headers, body }
    }

    /// The envelope's `data`.
    #[must_use]
    pub fn data(&self) -> &Value {
        assert_eq!(self.body["success"], true, "{self:?}");
        &self.body["data"]
    }

    /// The envelope's error code.
    #[must_use]
    pub fn code(&self) -> &str {
        assert_eq!(self.body["success"], false, "{self:?}");
        self.body["error"]["code"].as_str().unwrap()
    }

    /// The fields that the envelope's details name.
    #[must_use]
    pub fn fields(&self) -> Vec<&str> {
        let details =
            self.body["error"]["details"].as_array().map(Vec::as_slice).unwrap_or_default();
        details.iter().map(|detail| detail["field"].as_str().unwrap()).collect()
    }
}
