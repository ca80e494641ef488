//! `CloudFormation`, Lambda, STS and IAM Identity Center, as they are on the wire.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Router, extract::State};
use serde_json::{Value, json};

/// Who has signed in.
pub const CALLER: &str =
    "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Operator_0123456789abcdef/hanako";

/// How one service answers: a status, an error's name, a body.
#[derive(Clone)]
pub struct Answer(pub u16, pub &'static str, pub String);

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `DescribeStacks`, `GetCallerIdentity`, `GetRoleCredentials`, or a function's name.
    pub what: String,
    pub authorization: String,
    pub body: String,
}

/// What it answers, and what it was asked.
#[derive(Clone)]
pub struct Double {
    pub url: String,
    told: Arc<Told>,
}

struct Told {
    stacks: Answer,
    lambda: Answer,
    /// Functions that answer otherwise.
    others: Vec<(&'static str, Answer)>,
    portal: Answer,
    asked: Mutex<Vec<Asked>>,
}

/// The outputs of a stack, whose diagnostics is this function.
pub fn stack(function: &str) -> Answer {
    let body = format!(
        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>s</StackName>\
         <CreationTime>2026-11-26T00:00:00Z</CreationTime>\
         <StackStatus>UPDATE_COMPLETE</StackStatus>\
         <Outputs><member><OutputKey>ApiUrl</OutputKey><OutputValue>u</OutputValue></member>\
         <member><OutputKey>DiagnosticsFunction</OutputKey>\
         <OutputValue>{function}</OutputValue></member>\
         </Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
    );
    Answer(200, "", body)
}

/// An error of a service that speaks XML.
pub fn xml_error(status: u16, code: &'static str, message: &str) -> Answer {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>\
         </Error><RequestId>r-1</RequestId></ErrorResponse>"
    );
    Answer(status, "", body)
}

/// An error of a service that speaks JSON.
pub fn json_error(status: u16, code: &'static str, message: &str) -> Answer {
    Answer(status, code, json!({"Message": message, "message": message}).to_string())
}

/// What a function answers.
pub fn answers(data: &Value) -> Answer {
    Answer(200, "", json!({"success": true, "data": data}).to_string())
}

/// The code that has Lambda say that the function broke.
pub const BROKE: &str = "FunctionError";
/// The code that has the connection end without an answer.
pub const HANGS_UP: &str = "HangsUp";

impl Double {
    /// One whose stack has the prefix `aigen-`.
    pub async fn with_function(lambda: Answer) -> Self {
        Self::start(stack("aigen-diagnostics"), lambda, portal()).await
    }

    /// One whose functions answer each in its own way.
    pub async fn with_functions(others: Vec<(&'static str, Answer)>) -> Self {
        let nobody = Answer(500, "", String::new());
        Self::telling(stack("aigen-diagnostics"), nobody, others, portal()).await
    }

    pub async fn with_stack(stacks: Answer) -> Self {
        Self::start(stacks, Answer(500, "", String::new()), portal()).await
    }

    pub async fn with_portal(portal: Answer) -> Self {
        let lambda = answers(&json!({"verdict": "well", "findings": []}));
        Self::start(stack("aigen-diagnostics"), lambda, portal).await
    }

    async fn start(stacks: Answer, lambda: Answer, portal: Answer) -> Self {
        Self::telling(stacks, lambda, Vec::new(), portal).await
    }

    async fn telling(
        stacks: Answer,
        lambda: Answer,
        others: Vec<(&'static str, Answer)>,
        portal: Answer,
    ) -> Self {
        let told = Arc::new(Told { stacks, lambda, others, portal, asked: Mutex::default() });
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&told));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, told }
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.told.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The names of it, in order.
    pub fn names(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.what).collect()
    }
}

fn portal() -> Answer {
    Answer(
        200,
        "",
        json!({"roleCredentials": {"accessKeyId": "ASIAOFPORTAL", "secretAccessKey": "s",
               "sessionToken": "t", "expiration": 4_102_444_800_000_u64}})
        .to_string(),
    )
}

async fn answer(
    State(told): State<Arc<Told>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let path = uri.path();
    let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
    let (what, Answer(status, code, text)) = match (action, path) {
        (Some("DescribeStacks"), _) => ("DescribeStacks", told.stacks.clone()),
        (Some("GetCallerIdentity"), _) => ("GetCallerIdentity", identity()),
        (_, "/federation/credentials") => ("GetRoleCredentials", told.portal.clone()),
        (None, _) => {
            let function = path.strip_prefix("/2015-03-31/functions/").unwrap();
            let function = function.strip_suffix("/invocations").unwrap();
            let other = told.others.iter().find(|(name, _)| *name == function);
            (function, other.map_or(&told.lambda, |(_, answer)| answer).clone())
        }
        (Some(other), _) => panic!("nobody should ask for {other}"),
    };
    let header = |name: &str| headers.get(name).map(|it| it.to_str().unwrap().to_owned());
    let authorization = header("authorization").unwrap_or_default();
    let asked = Asked { what: what.to_owned(), authorization, body };
    told.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    assert_ne!(code, HANGS_UP, "as it was told to");
    let name = if code == BROKE { "x-amz-function-error" } else { "x-amzn-errortype" };
    let mut response = (StatusCode::from_u16(status).unwrap(), text).into_response();
    let headers = response.headers_mut();
    headers.insert("x-amzn-requestid", "r-7".parse().unwrap());
    if !code.is_empty() {
        headers.insert(name, code.parse().unwrap());
    }
    response
}

fn identity() -> Answer {
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <GetCallerIdentityResult><Arn>{CALLER}</Arn><UserId>U</UserId>\
         <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
    );
    Answer(200, "", body)
}
