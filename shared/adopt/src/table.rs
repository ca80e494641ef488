//! Planning one table: what the model wants of it, beside what the app has.

use crate::{
    column, constraint,
    facts::{Column, Table, on_delete},
    own,
    plan::{Phase, Plan, Question},
    retention,
    text::{counted, ident, literal},
};

/// Plans `wanted`, where the app has the tables `all`. What rows may be in the way is asked.
pub(crate) fn plan(wanted: &Table, all: &[Table], plan: &mut Plan) -> Vec<Question> {
    let table = wanted.name.as_str();
    let there = all.iter().find(|own| own.name == table);
    let empty = Table::default();
    let mut questions = Vec::new();
    if let Some(there) = there {
        if !is_usable(there, plan) {
            return questions;
        }
        plan.kept.push(crate::plan::Kept { table: table.to_owned(), rows: there.rows });
        for column in &wanted.columns {
            questions.extend(column::plan(wanted, column, there, plan));
        }
        refusing_columns(wanted, there, plan);
        own::plan(wanted, there, plan);
    } else {
        let columns: Vec<_> = wanted.columns.iter().map(column::definition).collect();
        let sql = format!("CREATE TABLE {} ({})", ident(table), columns.join(", "));
        plan.step(Phase::Tables, table, "it is made, empty".to_owned(), sql);
    }
    let there = there.unwrap_or(&empty);
    for wanted_constraint in &wanted.constraints {
        questions.extend(constraint::plan(wanted, wanted_constraint, there, all, plan));
    }
    for index in &wanted.indexes {
        questions.extend(constraint::plan_index(wanted, index, there, plan));
    }
    comments(wanted, there, plan);
    questions
}

/// Whether its rows may be looked at.
pub(crate) fn can_be_read(there: &Table) -> bool {
    there.kind == "r" && there.is_owned
}

/// Whether it is a table, and one's own.
fn is_usable(there: &Table, plan: &mut Plan) -> bool {
    let table = there.name.as_str();
    if there.kind != "r" {
        let what = "this is no ordinary table (a view, a partitioned or a foreign one)".to_owned();
        let advice = "rename it, or have an ordinary table of this name".to_owned();
        plan.obstacle(table, "", what, advice);
        return false;
    }
    if !there.is_owned {
        let what = "whoever migrates does not own it".to_owned();
        let advice = format!("ALTER TABLE {} OWNER TO the role of the migrations", ident(table));
        plan.obstacle(table, "", what, advice);
        return false;
    }
    if there.has_row_security {
        let what = "row security is on: roles that do not own the table see only the rows that a \
                    policy lets them see; the functions' roles need one that lets them see all";
        plan.note(table, what.to_owned());
    }
    true
}

/// Columns of the app's own that no insert of ours could fill.
fn refusing_columns(wanted: &Table, there: &Table, plan: &mut Plan) {
    let own = there.columns.iter().filter(|column| wanted.column(&column.name).is_none());
    for Column { name, not_null, default, identity, is_generated, .. } in own {
        if *not_null && default.is_none() && identity.is_empty() && !is_generated {
            let (table, column) = (ident(&there.name), ident(name));
            plan.obstacle(
                &there.name,
                name,
                "it is the app's own, NOT NULL and without a default: rows that are generated \
                 could not be stored"
                    .to_owned(),
                format!(
                    "give it a default (ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT …), \
                     or let it be NULL"
                ),
            );
        }
    }
}

/// What is said where the app says nothing.
fn comments(wanted: &Table, there: &Table, plan: &mut Plan) {
    let table = wanted.name.as_str();
    let mut statements = Vec::new();
    if let (Some(comment), None) = (&wanted.comment, &there.comment) {
        let comment = literal(comment);
        statements.push(format!("COMMENT ON TABLE {} IS {comment}", ident(table)));
    }
    for column in &wanted.columns {
        let said = there.column(&column.name).and_then(|there| there.comment.as_ref());
        if let (Some(comment), None) = (&column.comment, said) {
            let name = format!("{}.{}", ident(table), ident(&column.name));
            statements.push(format!("COMMENT ON COLUMN {name} IS {}", literal(comment)));
        }
    }
    if !statements.is_empty() {
        let count = i64::try_from(statements.len()).unwrap_or(i64::MAX);
        let what = format!("{} where there is none", counted(count, "comment"));
        plan.step(Phase::Comments, table, what, statements.join("; "));
    }
}

/// Foreign keys of the app's other tables that may keep rows from being replaced or deleted.
pub(crate) fn incoming(there: &Table, ours: &[&str], plan: &mut Plan) {
    for key in there.incoming.iter().filter(|key| !ours.contains(&key.table.as_str())) {
        let follows = match (key.on_delete.as_str(), there.name.as_str()) {
            (delete, "processing_state") if retention::takes_along(delete) => {
                ": its rows are deleted with the process that they refer to (RetentionDays)"
            }
            ("c" | "n" | "d", _) | (_, "goals") => "",
            (_, "processing_state") => {
                ": where a row refers to a process whose time is over, the sweep's deleting fails, \
                 of others too; make it SET NULL, or keep all (RetentionDays=0)"
            }
            _ => {
                ": a generation that replaces a row which it refers to fails (DATABASE_ERROR), and \
                 changes nothing"
            }
        };
        let action = on_delete(&key.on_delete);
        let (name, table) = (&key.name, &key.table);
        plan.note(
            &there.name,
            format!("the foreign key {name} of {table} stays, ON DELETE {action}{follows}"),
        );
    }
}
