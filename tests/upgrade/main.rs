//! A new version is deployed over the one before while users ask, and taken back again, as an
//! operator does on AWS: no job fails, and nobody is told worse than to come again. A stack of its
//! own on the tests' gateway, so that no other test sees it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that meets the unexpected should stop at once"
)]

mod load;
mod older;
mod second;

use std::path::Path;

use load::Load;
use older::Version;
use second::Second;
use system_tests::Stack;

/// Jobs that end well on each version before the next is deployed.
const ENOUGH: usize = 6;
/// How often all users together may be told to come again by one deployment: it replaces every
/// function's environments at once.
const BOUND: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_deployed_over_the_one_before_and_taken_back_without_a_lost_job() {
    let first = Stack::up().await;
    let dir = Path::new(&first.env.calls_file).with_file_name("upgrade");
    let older = tokio::task::spawn_blocking(move || Version::older(&dir)).await.unwrap();
    let newer = Version::newer();
    let second = Second::new(first).await;
    second.deploy(&older).await;
    let code_before = second.code().await;
    let stack = second.stack().await;
    let users = [stack.new_user().await, stack.new_user().await, stack.new_user().await];
    for user in &users {
        user.limit_to(10_000).await;
    }
    let load = Load::default();
    let ask = async {
        let [a, b, c] = &users;
        tokio::join!(load.of(a, 1), load.of(b, 2), load.of(c, 3));
    };
    let change = async {
        load.until_more_complete(ENOUGH).await;
        second.deploy(&newer).await;
        let code_after = second.code().await;
        load.until_more_complete(ENOUGH).await;

        let reason = second.fail_to_deploy(&older).await;
        assert!(reason.contains("password"), "{reason}");
        assert_eq!(second.code().await, code_after, "what ran goes on to run");
        load.until_more_complete(ENOUGH).await;

        second.deploy(&older).await;
        assert_eq!(second.code().await, code_before);
        load.until_more_complete(ENOUGH).await;
        second.deploy(&newer).await;
        assert_eq!(second.code().await, code_after);
        load.until_more_complete(ENOUGH).await;
        load.end();
    };
    tokio::join!(ask, change);
    eprintln!("{} under {}: {}", newer.name, older.name, load.told());
    assert_eq!(load.wrong(), Vec::<String>::new());
    assert!(load.unavailable() <= 4 * BOUND, "{}", load.told());
    // What one sweep finds once all is quiet: nothing.
    let sweep = stack.invoke("upgrade-reconciler", &serde_json::json!({})).await;
    assert_eq!(sweep["success"], true, "{sweep}");
    assert_eq!(sweep["data"]["drift"], 0, "{sweep}");
    stack.database.close().await;
    second.remove().await;
}
