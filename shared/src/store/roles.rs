//! Letting those who log in to the database in to what they need of our tables: as the owner of the
//! schema.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row};

use super::{
    generation::StoredGeneration,
    migrate::{CONNECT, SchemaOwner, refused},
    rights::Access,
};
use crate::process::Failure;

/// Of the migrators of one database, one at a time gives rights.
const LET_IN_LOCK: i64 = 0x6169_6765_6e00_0001;

/// Whose members log in to RDS by tokens, and by nothing else.
const BY_TOKEN: &str = "rds_iam";

/// A role of the database, and who logs in as it.
#[derive(Clone)]
pub struct Login {
    /// The name of the role.
    pub role: String,
    /// How it proves itself.
    pub proof: Proof,
    /// What it may do.
    pub access: Access,
}

/// How a role proves itself to the server.
#[derive(Clone)]
pub enum Proof {
    /// That is somebody's matter, and so is the role.
    Given,
    /// The role is made here, and has a password: what `PostgreSQL` stores of it, its SCRAM
    /// verifier, never the password.
    Password(String),
    /// The role is made here, and logs in by tokens of IAM, with no password at all.
    Token,
}

impl SchemaOwner {
    /// Gives a role what it needs of our tables: not those of others, and no change of what a
    /// history says. Where it is to be made, it is, or gets its new password; but only one that was
    /// made here for this database, since roles are the whole server's and another may be some
    /// other stack's. All of it happens or nothing does, and meanwhile nobody is without rights.
    /// Whether it can see whose sessions block whom is told: the owner may not be allowed to give
    /// that right.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when the role is another's, or the owner itself, or is to log in by tokens
    /// to a server that knows none, or is made here and may make things in the schema, as everybody
    /// may in a database that is as `PostgreSQL` 14 made it; `DATABASE_ERROR` when the owner may
    /// not make roles, or does not own the tables.
    pub async fn let_in<G: StoredGeneration>(&self, login: &Login) -> Result<bool, Failure> {
        let mut connection = self.connection(CONNECT).await?;
        let mut transaction = connection.begin().await?;
        // One after the other, also where two deployments meet.
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(LET_IN_LOCK)
            .execute(&mut *transaction)
            .await?;
        let database = value(&mut transaction, "SELECT current_database()::text", &[]).await?;
        let mark = format!("made by the migrator of the database {database}");
        let make = make_role(&mut transaction, login, &mark).await?;
        let mut statements: Vec<_> = make.into_iter().collect();
        statements.push(("GRANT CONNECT ON DATABASE %2$I TO %1$I".to_owned(), database.as_str()));
        statements.push(("GRANT USAGE ON SCHEMA public TO %1$I".to_owned(), ""));
        // What an older version gave, and what somebody gave by hand, is taken back.
        for (table, rights) in login.access.rights::<G>() {
            statements.push((format!("REVOKE ALL ON {table} FROM %1$I"), ""));
            statements.push((format!("GRANT {rights} ON {table} TO %1$I"), ""));
        }
        for sequence in sequences::<G>(&mut transaction, login.access).await? {
            statements.push((format!("GRANT USAGE ON SEQUENCE {sequence} TO %1$I"), ""));
        }
        statements.extend(proof(&mut transaction, login, &mark).await?);
        for (template, other) in statements {
            let what = format!("the role {} cannot be given what it needs", login.role);
            run(&mut transaction, &template, &login.role, other)
                .await
                .map_err(|error| refused(&error, &what))?;
        }
        if !matches!(login.proof, Proof::Given) {
            makes_nothing(&mut transaction, &login.role).await?;
        }
        transaction.commit().await?;
        let change = if login.access.sees_sessions() {
            "GRANT pg_read_all_stats TO %1$I"
        } else {
            "REVOKE pg_read_all_stats FROM %1$I"
        };
        let changed = run(&mut connection, change, &login.role, "").await;
        Ok(changed.is_ok() && login.access.sees_sessions())
    }
}

/// What columns of the app's own in our tables are numbered by, which an insert of ours numbers
/// too; as statements name it, with `%` doubled for `format`.
async fn sequences<G: StoredGeneration>(
    connection: &mut PgConnection,
    access: Access,
) -> Result<Vec<String>, Failure> {
    let written: Vec<_> = access
        .rights::<G>()
        .filter(|(_, rights)| rights.contains("INSERT"))
        .map(|(table, _)| table)
        .collect();
    let select = "SELECT DISTINCT replace(sequence.oid::regclass::text, '%', '%%')
                  FROM pg_catalog.pg_class sequence
                  JOIN pg_catalog.pg_depend owned ON owned.objid = sequence.oid
                       AND owned.classid = 'pg_catalog.pg_class'::regclass AND deptype = 'a'
                  JOIN unnest($1::text[]) ours(name) ON refobjid = to_regclass(ours.name)
                  WHERE sequence.relkind = 'S'";
    Ok(sqlx::query_scalar(select).bind(written).fetch_all(connection).await?)
}

/// Refuses a role that may make things in the schema. What it made there, a function of a name that
/// is called, could be taken for the server's own by a statement of the owner, who may do anything.
async fn makes_nothing(connection: &mut PgConnection, role: &str) -> Result<(), Failure> {
    let may = "SELECT pg_catalog.has_schema_privilege($1, 'public', 'CREATE')::text";
    if value(connection, may, &[role]).await? == "false" {
        return Ok(());
    }
    Err(Failure::internal(format!(
        "the role {role} may make functions in the schema public, as everybody may in a database \
         that is as PostgreSQL 14 made it, and could so have the owner do what it likes: REVOKE \
         CREATE ON SCHEMA public FROM PUBLIC, and deploy again"
    )))
}

/// The statement that makes the role, where it is to be made and is not there.
async fn make_role(
    connection: &mut PgConnection,
    login: &Login,
    mark: &str,
) -> Result<Option<(String, &'static str)>, Failure> {
    let owner = value(connection, "SELECT current_user::text", &[]).await?;
    let role = &login.role;
    if owner == *role {
        let cause = format!("{owner} owns the schema, and the functions must be another role");
        return Err(Failure::internal(cause));
    }
    let comment = "SELECT COALESCE(
                       (SELECT COALESCE(shobj_description(oid, 'pg_authid'), 'nothing')
                        FROM pg_roles WHERE rolname = $1),
                       '')";
    let comment = value(connection, comment, &[role]).await?;
    match (comment.as_str(), &login.proof) {
        ("", Proof::Given) => Err(Failure::internal(format!("there is no role {role}"))),
        ("", _) => Ok(Some(("CREATE ROLE %1$I".to_owned(), ""))),
        (_, Proof::Given) => Ok(None),
        (comment, _) if comment == mark => Ok(None),
        (comment, _) => Err(Failure::internal(format!(
            "the role {role} is there and is another's (its comment says {comment:?}): choose \
             another DatabaseUser, or give that role's own secret as DatabaseSecretArn"
        ))),
    }
}

/// The statements by which a role that is made here gets its proof, and no other.
async fn proof<'a>(
    connection: &mut PgConnection,
    login: &'a Login,
    mark: &'a str,
) -> Result<Vec<(String, &'a str)>, Failure> {
    let statements = |statements: &[(&str, &'a str)]| {
        statements.iter().map(|(template, other)| ((*template).to_owned(), *other)).collect()
    };
    let marked = ("COMMENT ON ROLE %1$I IS %2$L", mark);
    match &login.proof {
        Proof::Given => Ok(Vec::new()),
        Proof::Password(verifier) => {
            let member = "SELECT count(*)::text FROM pg_auth_members
                          JOIN pg_roles member ON member.oid = pg_auth_members.member
                          JOIN pg_roles role ON role.oid = roleid
                          WHERE member.rolname = $1 AND role.rolname = $2";
            let password = ("ALTER ROLE %1$I LOGIN PASSWORD %2$L", verifier.as_str());
            // Of a member RDS takes no password.
            if value(connection, member, &[&login.role, BY_TOKEN]).await? == "0" {
                return Ok(statements(&[marked, password]));
            }
            Ok(statements(&[marked, password, ("REVOKE %2$I FROM %1$I", BY_TOKEN)]))
        }
        Proof::Token => {
            let there = "SELECT count(*)::text FROM pg_roles WHERE rolname = $1";
            if value(connection, there, &[BY_TOKEN]).await? == "0" {
                return Err(Failure::internal(format!(
                    "this server has no role {BY_TOKEN}, and so takes no tokens of IAM: \
                     DatabaseLogin=iam is for RDS and Aurora; choose password"
                )));
            }
            let no_password = ("ALTER ROLE %1$I LOGIN PASSWORD NULL", "");
            Ok(statements(&[marked, no_password, ("GRANT %2$I TO %1$I", BY_TOKEN)]))
        }
    }
}

/// Runs a statement that has no parameters, with the role in its first place.
async fn run(
    connection: &mut PgConnection,
    template: &str,
    role: &str,
    other: &str,
) -> Result<(), sqlx::Error> {
    let statement: String = sqlx::query_scalar("SELECT pg_catalog.format($1, $2, $3)")
        .bind(template)
        .bind(role)
        .bind(other)
        .fetch_one(&mut *connection)
        .await?;
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop)
}

async fn value(
    connection: &mut PgConnection,
    select: &'static str,
    values: &[&str],
) -> Result<String, Failure> {
    let mut query = sqlx::query(select);
    for value in values {
        query = query.bind(*value);
    }
    Ok(query.fetch_one(connection).await?.try_get(0)?)
}
