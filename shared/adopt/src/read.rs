//! Reading what is there.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, migrate::Migrator};

use crate::{
    Error,
    convert::{Conversion, conversion},
    facts::Table,
    plan::{Question, Rows},
    table::can_be_read,
    taken::{Made, made},
    text::ident,
    whole::Beside,
};

/// The tables of the first migration. A test compares them with what it makes.
pub(crate) const TABLES: [&str; 7] = [
    "processing_state",
    "processing_event",
    "goals",
    "sub_goals",
    "actions",
    "tasks",
    "processing_output",
];

/// What the first migration makes. It is made, as temporary tables, looked at, and undone: so the
/// model is the migration itself. Nobody else sees anything of it.
pub(crate) async fn model(
    connection: &mut PgConnection,
    migrations: &Migrator,
) -> Result<Vec<Table>, Error> {
    let first = migrations.iter().next().ok_or(Error::NoMigrations)?;
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql("SET LOCAL search_path = pg_temp").execute(&mut *transaction).await?;
    sqlx::raw_sql(first.sql.clone()).execute(&mut *transaction).await?;
    let tables = tables(&mut transaction).await?;
    transaction.rollback().await?;
    Ok(tables)
}

/// Those of these names that are there.
pub(crate) async fn tables(connection: &mut PgConnection) -> Result<Vec<Table>, Error> {
    let mut tables = Vec::new();
    for name in TABLES {
        let found: Option<sqlx::types::Json<Table>> = sqlx::query_scalar(include_str!("table.sql"))
            .bind(name)
            .fetch_optional(&mut *connection)
            .await?;
        tables.extend(found.map(|table| table.0));
    }
    Ok(tables)
}

/// How many rows each has.
pub(crate) async fn count_rows(
    connection: &mut PgConnection,
    tables: &mut [Table],
) -> Result<(), Error> {
    for table in tables.iter_mut().filter(|table| table.is_owned) {
        let sql = format!("SELECT count(*) FROM {}", ident(&table.name));
        table.rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await?;
    }
    Ok(())
}

/// What is beside the tables of the model.
pub(crate) async fn beside(
    connection: &mut PgConnection,
    migrations: &Migrator,
    model: &[Table],
    app: &[Table],
) -> Result<Beside, Error> {
    let later = migrations.iter().skip(1).flat_map(|migration| made(migration.sql.as_str()));
    let is_ours = |name: &str| {
        let is_index = |table: &Table| table.indexes.iter().any(|index| index.name == name);
        model.iter().any(|table| table.name == name || is_index(table))
    };
    let mut beside = Beside::default();
    for thing in later {
        let is_taken = match &thing {
            Made::Relation(name) if is_ours(name) => false,
            Made::Relation(name) => exists(connection, RELATION, name).await?,
            Made::Function(name) => exists(connection, FUNCTION, name).await?,
            Made::Column(table, column) => {
                app.iter().any(|own| own.name == *table && own.column(column).is_some())
            }
        };
        if is_taken && !beside.taken.contains(&thing) {
            beside.taken.push(thing);
        }
    }
    // An index of the model whose name is another thing of the app's.
    for table in model {
        let own = app.iter().find(|own| own.name == table.name);
        for index in &table.indexes {
            let is_its = own.is_some_and(|own| own.indexes.iter().any(|it| it.name == index.name));
            if !is_its && exists(connection, RELATION, &index.name).await? {
                beside.taken.push(Made::Relation(index.name.clone()));
            }
        }
    }
    let processes = app.iter().find(|table| table.name == "processing_state");
    if let Some(processes) = processes.filter(|table| can_be_read(table)) {
        count_processes(connection, processes, &mut beside).await?;
    }
    Ok(beside)
}

const RELATION: &str = "SELECT to_regclass(quote_ident($1)) IS NOT NULL";
const FUNCTION: &str =
    "SELECT EXISTS (SELECT FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace
                        WHERE proname = $1 AND nspname = current_schema())";

async fn exists(
    connection: &mut PgConnection,
    select: &'static str,
    name: &str,
) -> Result<bool, Error> {
    Ok(sqlx::query_scalar(select).bind(name).fetch_one(connection).await?)
}

async fn count_processes(
    connection: &mut PgConnection,
    table: &Table,
    beside: &mut Beside,
) -> Result<(), Error> {
    if table.column("status").is_none() {
        return Ok(());
    }
    let ended = "status::text IN ('COMPLETED', 'FAILED', 'TIMEOUT', 'CANCELLED')";
    let without_end = match table.column("completed_at") {
        Some(_) => format!("{ended} AND completed_at IS NULL"),
        None => ended.to_owned(),
    };
    // The column that is added holds 0, and those that are active are ended below 100.
    let is_broken = match table.column("progress") {
        // Its type is in the way, and told.
        Some(progress) if conversion(progress, "smallint") == Conversion::None => "false",
        Some(_) => {
            "progress < 0 OR progress > 100 OR (status::text = 'COMPLETED') <> (progress = 100)"
        }
        None => "status::text = 'COMPLETED'",
    };
    let sql = format!(
        "SELECT count(*) FILTER (WHERE status::text IN ('PENDING', 'PROCESSING')),
                count(*) FILTER (WHERE {without_end}), count(*) FILTER (WHERE {is_broken})
         FROM processing_state"
    );
    (beside.active, beside.without_end, beside.broken_progress) =
        sqlx::query_as(AssertSqlSafe(sql)).fetch_one(connection).await?;
    Ok(())
}

/// The rows that a question finds.
pub(crate) async fn ask(
    connection: &mut PgConnection,
    question: &Question,
) -> Result<Option<Rows>, Error> {
    let (count, ids): (i64, Vec<String>) =
        sqlx::query_as(AssertSqlSafe(question.sql.clone())).fetch_one(connection).await?;
    Ok((count > 0).then_some(Rows { count, ids }))
}
