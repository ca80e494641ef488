//! A user finds their processes again, by page and by cursor, through every filter.

use std::collections::BTreeSet;

use system_tests::{Goal, Stack};

#[tokio::test]
async fn pages_and_cursors_show_each_process_once() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(user.submit(&Goal::new(&format!("履歴の目標{number}"))).await);
    }
    for id in &made {
        user.wait_for_end(id).await;
    }
    made.reverse();
    let ids = |answer: &system_tests::Answer| -> Vec<String> {
        answer.data()["processes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|process| process["processId"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = user.get("/history").await;
    assert_eq!((ids(&all), &all.data()["pagination"]["totalCount"]), (made.clone(), &5.into()));
    assert!(all.data()["processes"][0]["result"].is_null());

    let pages = [
        user.get("/history?pageSize=2").await,
        user.get("/history?pageSize=2&page=2").await,
        user.get("/history?pageSize=2&page=3").await,
    ];
    assert_eq!(pages.iter().flat_map(ids).collect::<Vec<_>>(), made);
    assert_eq!(
        (&pages[0].data()["pagination"]["hasNext"], &pages[2].data()["pagination"]["hasNext"]),
        (&true.into(), &false.into())
    );

    // A process that comes meanwhile does not shift what the cursor shows.
    let first = pages[0].data()["pagination"]["nextCursor"].as_str().unwrap().to_owned();
    let newer = user.submit(&Goal::new("割り込む目標")).await;
    let second = user.get(&format!("/history?pageSize=2&cursor={first}")).await;
    assert_eq!(
        (ids(&second), &second.data()["pagination"]["page"]),
        (made[2..4].to_vec(), &2.into())
    );
    user.wait_for_end(&newer).await;

    for (query, found) in [
        ("status=COMPLETED&type=SUBGOAL_GENERATION", 6),
        ("status=FAILED", 0),
        ("type=TASK_GENERATION", 0),
        ("startDate=2020-01-01&endDate=2020-12-31", 0),
        ("startDate=2020-01-01", 6),
    ] {
        let answer = user.get(&format!("/history?{query}")).await;
        assert_eq!(answer.data()["pagination"]["totalCount"], found, "{query}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_named_and_others_see_nothing() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let answer = user
        .get("/history?page=0&pageSize=101&type=x&status=x&startDate=x&endDate=x&cursor=x&sort=x")
        .await;
    assert_eq!((answer.status, answer.code()), (400, "VALIDATION_ERROR"));
    let named: BTreeSet<_> = answer.fields().into_iter().collect();
    assert_eq!(
        named,
        BTreeSet::from([
            "cursor",
            "endDate",
            "page",
            "pageSize",
            "sort",
            "startDate",
            "status",
            "type"
        ])
    );
    assert_eq!(user.get("/history").await.data()["pagination"]["totalCount"], 0);
}
