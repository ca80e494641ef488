//! The forwarder between a real client and a real server. A database per test (`DATABASE_URL` says
//! where; `cargo aigen test` brings it).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, PgPool};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use unkind::{Direction, Fault, Forwarder, Moment, Target};

const INSERT: &str = "INSERT INTO kept VALUES ($1)";

struct Between {
    forwarder: Forwarder,
    server: SocketAddr,
    options: PgConnectOptions,
    pool: PgPool,
}

impl Between {
    /// A forwarder in front of the test's database, which gets a table.
    async fn new(pool: PgPool) -> Self {
        pool.execute("CREATE TABLE kept (n int)").await.unwrap();
        let options = (*pool.connect_options()).clone();
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, options.get_port()));
        let forwarder = Forwarder::to(server).await.unwrap();
        let options =
            options.host("127.0.0.1").port(forwarder.address().port()).ssl_mode(PgSslMode::Disable);
        Self { forwarder, server, options, pool }
    }

    async fn connect(&self) -> PgConnection {
        self.options.connect().await.unwrap()
    }

    /// What is in the table, seen past the forwarder.
    async fn kept(&self) -> Vec<i32> {
        sqlx::query_scalar("SELECT n FROM kept ORDER BY n").fetch_all(&self.pool).await.unwrap()
    }
}

async fn insert(connection: &mut PgConnection, number: i32) -> Result<(), sqlx::Error> {
    sqlx::query(INSERT).bind(number).execute(connection).await.map(drop)
}

async fn one(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("SELECT 1").fetch_one(connection).await
}

#[sqlx::test]
async fn what_is_swallowed_waits_without_a_word_and_passes_when_bytes_flow_again(pool: PgPool) {
    for direction in [Direction::Requests, Direction::Answers, Direction::Both] {
        pool.execute("DROP TABLE IF EXISTS kept").await.unwrap();
        let between = Between::new(pool.clone()).await;
        let mut connection = between.connect().await;
        between.forwarder.meet(Fault::Swallow(direction));
        let query = insert(&mut connection, 1);
        tokio::pin!(query);
        tokio::select! {
            outcome = &mut query => panic!("it was not swallowed: {outcome:?}"),
            () = between.forwarder.something_held() => {}
        }
        between.forwarder.flow();
        query.await.unwrap();
        assert_eq!(between.kept().await, [1]);
    }
}

#[sqlx::test]
async fn a_new_connection_is_swallowed_too(pool: PgPool) {
    let between = Between::new(pool).await;
    between.forwarder.swallow();
    let connecting = between.options.connect();
    tokio::pin!(connecting);
    tokio::select! {
        outcome = &mut connecting => panic!("it was not swallowed: {:?}", outcome.err()),
        () = between.forwarder.something_held() => {}
    }
    between.forwarder.flow();
    assert_eq!(one(&mut connecting.await.unwrap()).await.unwrap(), 1);
}

#[sqlx::test]
async fn a_cut_or_closed_connection_ends_and_a_new_one_lives(pool: PgPool) {
    let between = Between::new(pool).await;
    for fault in [Fault::Cut, Fault::Close] {
        let mut connection = between.connect().await;
        one(&mut connection).await.unwrap();
        between.forwarder.meet(fault);
        let error = one(&mut connection).await.unwrap_err();
        assert!(matches!(error, sqlx::Error::Io(_)), "{error}");
        one(&mut between.connect().await).await.unwrap();
    }
}

#[tokio::test]
async fn a_cut_is_a_reset_and_a_close_is_none() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let forwarder = Forwarder::to(server.local_addr().unwrap()).await.unwrap();
    for (fault, is_reset) in [(Fault::Cut, true), (Fault::Close, false)] {
        let mut client = TcpStream::connect(forwarder.address()).await.unwrap();
        let (mut other_end, _) = server.accept().await.unwrap();
        client.write_all(b"here").await.unwrap();
        other_end.read_exact(&mut [0; 4]).await.unwrap();
        forwarder.meet(fault);
        for side in [&mut client, &mut other_end] {
            let outcome = side.read(&mut [0]).await;
            if is_reset {
                let kind = outcome.unwrap_err().kind();
                assert_eq!(kind, std::io::ErrorKind::ConnectionReset);
            } else {
                assert_eq!(outcome.unwrap(), 0);
            }
        }
    }
}

#[sqlx::test]
async fn a_refused_connection_is_refused_as_where_nobody_listens(pool: PgPool) {
    let between = Between::new(pool).await;
    let mut old = between.connect().await;
    between.forwarder.refuse().await;
    match between.options.connect().await {
        Err(sqlx::Error::Io(error)) => {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        }
        other => panic!("it was let in: {:?}", other.err()),
    }
    one(&mut old).await.unwrap();
    between.forwarder.accept().await.unwrap();
    one(&mut between.connect().await).await.unwrap();
}

#[sqlx::test]
async fn the_next_connection_can_go_to_a_server_that_refuses_to_write(pool: PgPool) {
    let between = Between::new(pool).await;
    between.forwarder.send_next_to(Target { address: between.server, read_only: true });
    let mut reader = between.connect().await;
    let error = insert(&mut reader, 1).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "25006");
    one(&mut reader).await.unwrap();
    insert(&mut between.connect().await, 2).await.unwrap();
    assert_eq!(between.kept().await, [2]);
}

#[sqlx::test]
async fn a_statement_that_is_swallowed_before_it_arrives_is_not_run(pool: PgPool) {
    let between = Between::new(pool).await;
    let mut connection = between.connect().await;
    // Prepared already, so that its text does not pass again.
    insert(&mut connection, 1).await.unwrap();
    let swallow = Fault::Swallow(Direction::Both);
    let reached = between.forwarder.at("INSERT INTO kept", Moment::Before, swallow);
    one(&mut connection).await.unwrap();
    {
        let query = insert(&mut connection, 2);
        tokio::pin!(query);
        tokio::select! {
            outcome = &mut query => panic!("it was not swallowed: {outcome:?}"),
            reached = reached => reached.unwrap(),
        }
    }
    // Only that connection is black, and only that statement was meant.
    insert(&mut between.connect().await, 3).await.unwrap();
    assert_eq!(between.kept().await, [1, 3]);
}

#[sqlx::test]
async fn a_statement_whose_answer_is_swallowed_has_been_run(pool: PgPool) {
    let between = Between::new(pool).await;
    for (number, fault) in
        [(1, Fault::Swallow(Direction::Both)), (2, Fault::Cut), (3, Fault::Close)]
    {
        let mut connection = between.connect().await;
        let reached = between.forwarder.at("INSERT INTO kept", Moment::After, fault);
        let query = insert(&mut connection, number);
        tokio::pin!(query);
        let outcome = tokio::select! {
            biased;
            reached = reached => { reached.unwrap(); None }
            outcome = &mut query => Some(outcome),
        };
        assert!(!matches!(outcome, Some(Ok(()))), "its answer came through");
        assert_eq!(between.kept().await, (1..=number).collect::<Vec<_>>());
    }
}

#[sqlx::test]
async fn a_lost_commit_is_a_commit(pool: PgPool) {
    let between = Between::new(pool).await;
    let mut connection = between.connect().await;
    let reached = between.forwarder.at("COMMIT", Moment::After, Fault::Cut);
    let mut transaction = connection.begin().await.unwrap();
    insert(&mut transaction, 1).await.unwrap();
    assert_eq!(between.kept().await, [0_i32; 0]);
    assert!(transaction.commit().await.is_err());
    reached.await.unwrap();
    assert_eq!(between.kept().await, [1]);
}

#[tokio::test(start_paused = true)]
async fn what_is_delayed_comes_late_and_whole() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let forwarder = Forwarder::to(server.local_addr().unwrap()).await.unwrap();
    let hour = Duration::from_hours(1);
    forwarder.delay(hour);
    let mut client = TcpStream::connect(forwarder.address()).await.unwrap();
    let (mut other_end, _) = server.accept().await.unwrap();
    // The clock stands still while anything can be done, and jumps where all wait for it.
    let sent = Instant::now();
    client.write_all(b"late").await.unwrap();
    let mut got = [0; 4];
    other_end.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"late");
    assert!(sent.elapsed() >= hour);
}
