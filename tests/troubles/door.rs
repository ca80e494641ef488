//! The API's door: who may come in, and who is told why not.

use aigen::token_check::{Authorizer, Fault};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::clock::{Clock as _, SystemClock};

use crate::night::{DIAGNOSTICS, Night};

/// `token` with another claim, and the signature of what it was.
fn forged(token: &str, claim: &str, value: Value) -> String {
    let parts: Vec<_> = token.split('.').collect();
    let mut claims: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    claims[claim] = value;
    let claims = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("{}.{claims}.{}", parts[0], parts[2])
}

async fn status(night: &Night, token: &str) -> u16 {
    night.stack.bearer(token).get("/history").await.status
}

/// **N** `aigen check-token` says of a token that the API refuses when it expired, or by how much a
/// clock is ahead; `aigen health` names a database's clock that differs.
#[tokio::test]
async fn t20_a_token_that_expired_or_a_clock_that_is_off_is_named() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let authorizer = Authorizer::of(&night.stack.env).await.unwrap();
    let now = SystemClock.now();
    assert_eq!(authorizer.fault(user.token(), now), None);
    let later = authorizer.fault(user.token(), now + TimeDelta::days(2));
    assert!(matches!(later, Some(Fault::Expired(at)) if at > now), "{later:?}");
    let earlier = authorizer.fault(user.token(), now - TimeDelta::hours(1));
    assert!(matches!(earlier, Some(Fault::NotYet(at)) if at <= now), "{earlier:?}");
}

/// **N, P** A stranger is told nothing of another's job but that it is not theirs, and a right that
/// a function's role lacks is named.
#[tokio::test]
async fn t21_a_right_that_is_missing_is_named() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let id = night.completed(&user, "他人に見せない目標").await;
    let stranger = night.stack.new_user().await;
    let refused = stranger.get(&format!("/status/{id}")).await;
    assert_eq!((refused.status, refused.code()), (403, "FORBIDDEN"));
    let machine = night.stack.env.state_machine_arn.clone() + "-of-others";
    let health = night.health_with(&[("STATE_MACHINE_ARN", Some(&machine))]).await;
    health.tells("STATE_MACHINE_DENIED", "states:DescribeStateMachine");
}

/// **N** Who logs in and is told 401 has sent no token, or what is none: `aigen check-token` says
/// what the API wants.
#[tokio::test]
async fn t30_a_401_at_login_is_told_with_what_was_sent() {
    let night = Night::begins().await;
    assert_eq!(night.stack.get_anonymously("/history").await.status, 401);
    let authorizer = Authorizer::of(&night.stack.env).await.unwrap();
    for wrong in ["", "hanako:secret", "a.b.c"] {
        assert_eq!(status(&night, wrong).await, 401, "{wrong}");
        assert_eq!(authorizer.fault(wrong, SystemClock.now()), Some(Fault::NoToken), "{wrong}");
    }
}

/// **N** `aigen check-token` says which it is of a token that the API refuses: issuer, signature,
/// audience or time.
#[tokio::test]
async fn t31_what_is_wrong_with_a_token_is_told_apart() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let (token, now) = (user.token(), SystemClock.now());
    let authorizer = Authorizer::of(&night.stack.env).await.unwrap();
    let elsewhere = forged(token, "iss", json!("https://elsewhere.example"));
    let other = Fault::Issuer("https://elsewhere.example".to_owned());
    let as_admin = forged(token, "sub", json!("admin"));
    let cut = &token[..token.len() - 8];
    for (token, fault) in
        [(elsewhere.as_str(), other), (&as_admin, Fault::Signature), (cut, Fault::Signature)]
    {
        assert_eq!(status(&night, token).await, 401, "{fault:?}");
        assert_eq!(authorizer.fault(token, now), Some(fault));
    }
    let for_others = Authorizer { audience: "another-client".to_owned(), ..authorizer };
    let audience = night.stack.env.user_pool_client_id.clone();
    assert_eq!(for_others.fault(token, now), Some(Fault::Audience(audience)));
}

/// **N** An operator whose key is not of this account is refused with a name, and a user of the API
/// is never taken for an operator.
#[tokio::test]
async fn t48_an_operator_without_a_right_is_told_so() {
    let night = Night::begins().await;
    let mut stranger = night.stack.clone();
    stranger.env.secret_access_key = "another".to_owned();
    let args = ["lambda", "get-function-configuration", "--function-name", DIAGNOSTICS];
    let refused = stranger.aws(&args).await.unwrap_err().to_string();
    assert!(refused.contains("AccessDenied"), "{refused}");
    // An event of the gateway, whatever else it says, is a user's.
    let event = json!({"version": "2.0", "routeKey": "GET /x", "check": "health",
                       "requestContext": {"http": {"method": "GET", "path": "/x"}}});
    let answer = night.stack.invoke(DIAGNOSTICS, &event).await;
    assert_ne!(answer["statusCode"], 200, "{answer}");
}
