//! Letting roles in: to what each needs, and no further.

use shared::{
    chart::Chart,
    process::Status,
    store::{Access, Login, Proof},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at};

use crate::{
    migrating::{TIME, owner},
    role::{Role, refused},
};

fn made(role: &Role, access: Access) -> Login {
    let proof = Proof::Password("a password".to_owned());
    Login { role: role.name.clone(), proof, access }
}

/// Who is let in by an owner as the master user of RDS is: no superuser, but one who may make
/// roles, and what there is in the database is its own.
struct LetIn {
    master: Role,
    role: Role,
}

impl LetIn {
    async fn new(options: &PgConnectOptions, access: Access) -> Self {
        let master = Role::new(options, "master", "CREATEROLE").await;
        let role = Role::to_be_made(&master, "role").await;
        master.sql(&format!("GRANT CREATE ON SCHEMA public TO \"{}\"", master.name)).await;
        let owner = owner(&master.options());
        owner.migrate(TIME).await.unwrap();
        let login = made(&role, access);
        let sees_sessions = owner.let_in::<Chart>(&login).await.unwrap();
        assert!(!sees_sessions, "nobody has let the owner give that right");
        role.sql("CREATE TABLE of_the_app (id int)").await;
        // What a hand has given is taken back with the next deployment.
        role.sql(&format!("GRANT ALL ON processing_event TO \"{}\"", role.name)).await;
        owner.let_in::<Chart>(&login).await.unwrap();
        // A table of ours that it was not given would fail a function in the middle of its work.
        let closed: Vec<String> = sqlx::query_scalar(
            "SELECT tablename::text FROM pg_tables
             WHERE schemaname = 'public'
               AND NOT has_table_privilege($1, format('%I.%I', schemaname, tablename), 'SELECT')",
        )
        .bind(&role.name)
        .fetch_all(&role.pool)
        .await
        .unwrap();
        assert_eq!(closed, ["of_the_app"]);
        Self { master, role }
    }

    async fn fixture(&self) -> Fixture {
        Fixture::new(self.role.options()).await
    }

    /// Whoever it is, none of this is for it.
    async fn ends(self, fixture: Fixture) {
        for (sql, why) in [
            ("UPDATE processing_event SET actor = 'user'", "a history that is rewritten"),
            ("DELETE FROM processing_event", "one that is deleted by itself"),
            ("TRUNCATE processing_event", "one that is emptied"),
            ("SELECT FROM of_the_app", "the app's own table"),
            ("DELETE FROM _sqlx_migrations", "the migrations"),
            ("CREATE TABLE mine (id int)", "a table of its own"),
            ("ALTER TABLE goals ADD COLUMN x int", "the schema"),
        ] {
            assert_eq!(refused(&fixture.pool, sql).await.as_deref(), Some("42501"), "{why}");
        }
        fixture.pool.close().await;
        drop(fixture);
        self.role.goes().await;
        self.master.goes().await;
    }
}

#[sqlx::test(migrations = false)]
async fn the_functions_role_does_their_work_and_deletes_no_process(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let let_in = LetIn::new(&options, Access::Work).await;
    let fixture = let_in.fixture().await;
    for (number, status) in (1..).zip(Status::ALL) {
        fixture.in_status(number, *status).await;
        let of_another = "UPDATE processing_state
                          SET target_id = id, goal_id = id, holds = ARRAY[id]";
        fixture.sql(of_another).await;
        fixture.sql("DELETE FROM goals").await;
    }
    assert!(fixture.store.schema().await.unwrap().missing.is_empty());
    assert!(fixture.count("processing_event").await > 10);
    for table in ["processing_state", "request_batch"] {
        let delete = format!("DELETE FROM {table}");
        assert_eq!(refused(&fixture.pool, &delete).await.as_deref(), Some("42501"), "{table}");
    }
    let_in.ends(fixture).await;
}

/// A history goes with its process: the foreign key takes it along, as the owner.
#[sqlx::test(migrations = false)]
async fn the_reconcilers_role_deletes_what_is_kept_no_longer_with_its_history_and_nothing_else(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let let_in = LetIn::new(&options, Access::Reconciling).await;
    let fixture = let_in.fixture().await;
    fixture.in_status(1, Status::Completed).await;
    assert!(fixture.count("processing_event").await > 1);
    assert_eq!(fixture.store.delete_ended(at(60)).await.unwrap(), 1);
    assert_eq!(fixture.store.delete_batches(at(60)).await.unwrap(), 0);
    assert_eq!(fixture.count("processing_event").await, 0);
    let_in.ends(fixture).await;
}

#[sqlx::test(migrations = false)]
async fn the_role_of_diagnostics_reads_every_table_and_changes_none(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let let_in = LetIn::new(&options, Access::Reading).await;
    let may: Vec<String> = sqlx::query_scalar(
        "SELECT format('%s of %s', right_to, tablename) FROM pg_tables,
             unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'])
                 right_to
         WHERE schemaname = 'public' AND has_table_privilege($1, tablename::text, right_to)",
    )
    .bind(&let_in.role.name)
    .fetch_all(&let_in.role.pool)
    .await
    .unwrap();
    assert_eq!(may, [] as [&str; 0]);
    let fixture = let_in.fixture().await;
    let locked = refused(&fixture.pool, "SELECT FROM processing_state FOR UPDATE").await;
    assert_eq!(locked.as_deref(), Some("42501"));
    let_in.ends(fixture).await;
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn sessions_of_others_are_seen_by_who_looks_and_by_nobody_else(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let role = Role::new(&options, "one", "").await;
    for (access, sees) in [
        (Access::Shared, true),
        (Access::Work, false),
        (Access::Reading, true),
        (Access::Reconciling, false),
    ] {
        let login = Login { role: role.name.clone(), proof: Proof::Given, access };
        let told = owner(&role.superuser).let_in::<Chart>(&login).await.unwrap();
        let has: bool = sqlx::query_scalar("SELECT pg_has_role($1, 'pg_read_all_stats', 'USAGE')")
            .bind(&role.name)
            .fetch_one(&role.pool)
            .await
            .unwrap();
        assert_eq!((told, has), (sees, sees), "{access:?}");
    }
    role.goes().await;
}

/// What RDS has and a PostgreSQL elsewhere has not: the role whose members log in by tokens. It is
/// the whole server's, so that one test tries with and without it.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_role_by_token_has_no_password_and_one_by_password_no_token(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let beside = Role::new(&options, "beside", "").await;
    let role = Role::to_be_made(&beside, "token").await;
    let owner = owner(&role.superuser);
    let by_token = Login { role: role.name.clone(), proof: Proof::Token, access: Access::Reading };
    let by_password = made(&role, Access::Reading);
    let proof = async || -> (bool, bool) {
        sqlx::query_as(
            "SELECT rolpassword IS NOT NULL, pg_has_role(oid, 'rds_iam', 'MEMBER')
             FROM pg_authid WHERE rolname = $1 AND rolcanlogin",
        )
        .bind(&role.name)
        .fetch_one(&role.pool)
        .await
        .unwrap()
    };
    role.sql("DROP ROLE IF EXISTS rds_iam").await;
    owner.let_in::<Chart>(&by_password).await.unwrap();
    let failure = owner.let_in::<Chart>(&by_token).await.unwrap_err();
    for word in ["rds_iam", "DatabaseLogin=iam", "RDS"] {
        assert!(failure.cause.contains(word), "{}", failure.cause);
    }
    role.sql("CREATE ROLE rds_iam NOLOGIN").await;
    assert_eq!(proof().await, (true, false), "and what it had it keeps");
    for (login, has) in [
        (&by_token, (false, true)),
        (&by_token, (false, true)),
        (&by_password, (true, false)),
        (&by_token, (false, true)),
    ] {
        owner.let_in::<Chart>(login).await.unwrap();
        assert_eq!(proof().await, has);
    }
    role.goes().await;
    beside.sql("DROP ROLE rds_iam").await;
    beside.goes().await;
}

/// What `PostgreSQL` 14 gives everybody. A function that the role makes there could be what the
/// owner calls next.
#[sqlx::test(migrations = "../infra/migrations")]
async fn no_role_is_made_where_everybody_may_make_functions(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let beside = Role::new(&options, "beside", "").await;
    let role = Role::to_be_made(&beside, "made").await;
    let owner = owner(&role.superuser);
    role.sql("GRANT CREATE ON SCHEMA public TO PUBLIC").await;
    let failure = owner.let_in::<Chart>(&made(&role, Access::Work)).await.unwrap_err();
    let advice = "REVOKE CREATE ON SCHEMA public FROM PUBLIC";
    assert!(failure.cause.contains(advice), "{}", failure.cause);
    let is_there = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)";
    let is_there: bool =
        sqlx::query_scalar(is_there).bind(&role.name).fetch_one(&role.pool).await.unwrap();
    assert!(!is_there, "nothing of it has happened");
    role.sql(advice).await;
    owner.let_in::<Chart>(&made(&role, Access::Work)).await.unwrap();
    role.goes().await;
    beside.goes().await;
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn the_owner_itself_is_no_role_for_functions(_: PgPoolOptions, options: PgConnectOptions) {
    let proof = Proof::Password("x".to_owned());
    let login = Login { role: options.get_username().to_owned(), proof, access: Access::Work };
    let failure = owner(&options).let_in::<Chart>(&login).await.unwrap_err();
    assert!(failure.cause.contains("another role"), "{}", failure.cause);
}

/// Roles are the whole server's: `aigen` may be production's, in another database.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_role_of_somebody_else_keeps_its_password_and_gets_rights_only_if_its_secret_was_given(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let role = Role::new(&options, "other", "PASSWORD 'of its own'").await;
    let owner = owner(&role.superuser);
    let password = async || -> Option<String> {
        sqlx::query_scalar("SELECT rolpassword FROM pg_authid WHERE rolname = $1")
            .bind(&role.name)
            .fetch_one(&role.pool)
            .await
            .unwrap()
    };
    let before = password().await;
    let failure = owner.let_in::<Chart>(&made(&role, Access::Shared)).await.unwrap_err();
    assert!(failure.cause.contains("another DatabaseUser"), "{}", failure.cause);
    let fixture = Fixture::new(role.options()).await;
    assert_eq!(refused(&fixture.pool, "SELECT FROM goals").await.as_deref(), Some("42501"));
    let given = Login { role: role.name.clone(), proof: Proof::Given, access: Access::Shared };
    owner.let_in::<Chart>(&given).await.unwrap();
    assert_eq!(refused(&fixture.pool, "SELECT FROM goals").await, None);
    assert_eq!(password().await, before);
    let nobody = Login { role: "nobody at all".to_owned(), ..given };
    assert!(owner.let_in::<Chart>(&nobody).await.unwrap_err().cause.contains("no role"));
    fixture.pool.close().await;
    drop(fixture);
    role.goes().await;
}
