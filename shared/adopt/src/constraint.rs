//! Planning the constraints and indexes of a table.

use crate::{
    convert::{Conversion, conversion},
    facts::{Constraint, Index, Table, on_delete},
    plan::{Obstacle, Phase, Plan, Question, obstacle},
    text::{ident, idents, mentions},
};

/// Plans one constraint of a table that the app has as `there`, among `all` of its.
pub(crate) fn plan(
    model: &Table,
    wanted: &Constraint,
    there: &Table,
    all: &[Table],
    plan: &mut Plan,
) -> Option<Question> {
    let table = model.name.as_str();
    let alike: Vec<_> = there
        .constraints
        .iter()
        .filter(|own| own.kind == wanted.kind && own.columns == wanted.columns)
        .collect();
    if alike.iter().any(|own| own.definition == wanted.definition && is_named(own, wanted)) {
        return None;
    }
    if wanted.kind == "f" {
        let own = alike
            .iter()
            .find(|own| own.target == wanted.target && own.target_columns == wanted.target_columns);
        if let Some(own) = own {
            foreign_key_stays(model, wanted, own, plan);
            return None;
        }
    }
    if let Some(other) = there.constraints.iter().find(|own| own.name == wanted.name) {
        let what = format!(
            "the constraint {} says {}, and has to say {}",
            wanted.name, other.definition, wanted.definition
        );
        let advice =
            format!("ALTER TABLE {} DROP CONSTRAINT {}", ident(table), ident(&wanted.name));
        plan.obstacle(table, "", what, advice);
        return None;
    }
    match wanted.kind.as_str() {
        "p" => {
            if let Some(own) = there.constraints.iter().find(|own| own.kind == "p") {
                let what = format!(
                    "its primary key is ({}), and has to be ({})",
                    own.columns.join(", "),
                    wanted.columns.join(", ")
                );
                plan.obstacle(table, "", what, "give it that primary key".to_owned());
                return None;
            }
        }
        "u" => not_deferrable(wanted, there, plan),
        _ => {}
    }
    let phase = if wanted.kind == "f" { Phase::ForeignKeys } else { Phase::Constraints };
    let (name, definition) = (&wanted.name, &wanted.definition);
    plan.step(
        phase,
        table,
        format!("the constraint {name} is added: {definition}"),
        format!("ALTER TABLE {} ADD CONSTRAINT {} {definition}", ident(table), ident(name)),
    );
    let bad = match wanted.kind.as_str() {
        "f" => orphans(wanted, there, all)?,
        "c" => {
            let condition = wanted.condition.as_ref()?;
            let rows = rows(model, there, condition, &wanted.columns)?;
            select(&rows, &format!("NOT ({condition})"))
        }
        _ => doubles(model, there, &wanted.columns, None)?,
    };
    Some(Question { obstacle: violated(table, wanted), sql: bad })
}

/// A primary or foreign key may be called as the app likes. The others a later migration may name.
fn is_named(own: &Constraint, wanted: &Constraint) -> bool {
    matches!(wanted.kind.as_str(), "p" | "f") || own.name == wanted.name
}

fn violated(table: &str, wanted: &Constraint) -> Obstacle {
    let column = if let [column] = wanted.columns.as_slice() { column.as_str() } else { "" };
    let what = format!("rows are not as {} wants them: {}", wanted.name, wanted.definition);
    obstacle(table, column, what, "put these rows right".to_owned())
}

fn foreign_key_stays(model: &Table, wanted: &Constraint, own: &Constraint, plan: &mut Plan) {
    if own.on_delete == wanted.on_delete {
        return;
    }
    let (name, action, ours) = (&own.name, on_delete(&own.on_delete), on_delete(&wanted.on_delete));
    let follows = if model.name == "sub_goals" {
        String::new()
    } else {
        format!(
            ": what has rows of {table} below it is not replaced by a generation, which then fails \
             (DATABASE_ERROR) and changes nothing. To have it replaced: ALTER TABLE {table} DROP \
             CONSTRAINT {}, ADD CONSTRAINT {} {}",
            ident(name),
            ident(name),
            wanted.definition,
            table = model.name,
        )
    };
    plan.note(
        &model.name,
        format!("the foreign key {name} stays, ON DELETE {action} where ours is {ours}{follows}"),
    );
}

/// A unique key of the app's own on the same columns is checked row by row: children could not be
/// replaced in one statement.
fn not_deferrable(wanted: &Constraint, there: &Table, plan: &mut Plan) {
    let same = |columns: &[String]| {
        let mut both = (columns.to_vec(), wanted.columns.clone());
        both.0.sort();
        both.1.sort();
        both.0 == both.1
    };
    let why = "checks these columns row by row: children could not be replaced in one statement";
    let constraints = there
        .constraints
        .iter()
        .filter(|own| own.kind == "u" && same(&own.columns))
        .filter(|own| !own.definition.contains("DEFERRABLE"))
        .map(|own| {
            let (table, name) = (ident(&there.name), ident(&own.name));
            (&own.name, format!("ALTER TABLE {table} DROP CONSTRAINT {name}"))
        });
    let indexes = there
        .indexes
        .iter()
        .filter(|own| own.is_unique && same(&own.columns))
        .map(|own| (&own.name, format!("DROP INDEX {}", ident(&own.name))));
    let all: Vec<_> = constraints.chain(indexes).collect();
    for (name, drop) in all {
        plan.obstacle(
            &there.name,
            "",
            format!("{name} {why}"),
            format!("{drop}: adopting adds {}, which is deferrable", wanted.name),
        );
    }
}

/// Plans one index that no constraint stands for.
pub(crate) fn plan_index(
    model: &Table,
    wanted: &Index,
    there: &Table,
    plan: &mut Plan,
) -> Option<Question> {
    let table = model.name.as_str();
    if let Some(own) = there.indexes.iter().find(|own| own.name == wanted.name) {
        if own.definition != wanted.definition {
            let what = format!("the index {} is another: {}", own.name, own.definition);
            let name = ident(&own.name);
            let advice = format!("ALTER INDEX {name} RENAME TO …, or DROP INDEX {name}");
            plan.obstacle(table, "", what, advice);
        }
        return None;
    }
    let what = format!("the index {} is made", wanted.name);
    plan.step(Phase::Indexes, table, what, wanted.definition.clone());
    if !wanted.is_unique {
        return None;
    }
    let sql = doubles(model, there, &wanted.columns, wanted.predicate.as_deref())?;
    let what = format!("rows are alike that {} keeps apart: {}", wanted.name, wanted.definition);
    let advice = "leave one of each kind: change these columns in the others".to_owned();
    Some(Question { obstacle: obstacle(table, "", what, advice), sql })
}

/// The rows of the app with the columns that `expression` names, as they will be; `None` where one
/// of these is not there yet, or of a type that is in the way, or the table is not there.
fn rows(model: &Table, there: &Table, expression: &str, columns: &[String]) -> Option<String> {
    if there.columns.is_empty() {
        return None;
    }
    let mut selected = vec![format!("{}::text AS adopted_id", ident(there.id()))];
    for column in &model.columns {
        let is_named = mentions(expression, &column.name) || columns.contains(&column.name);
        if !is_named {
            continue;
        }
        let own = there.column(&column.name)?;
        if conversion(own, &column.data_type) == Conversion::None {
            return None;
        }
        let name = ident(&column.name);
        selected.push(match (model.name.as_str(), column.name.as_str()) {
            // Those that are active are ended before.
            ("processing_state", "status") => format!(
                "CASE WHEN {name}::text IN ('PENDING', 'PROCESSING') THEN 'FAILED' \
                 ELSE {name}::text END AS {name}"
            ),
            _ if column.data_type == "text" => format!("{name}::text AS {name}"),
            _ => name,
        });
    }
    let table = ident(&there.name);
    Some(format!("(SELECT {} FROM {table}) AS {table}", selected.join(", ")))
}

fn select(rows: &str, bad: &str) -> String {
    format!(
        "SELECT count(*), COALESCE((array_agg(adopted_id ORDER BY adopted_id))[1:5], '{{}}') \
         FROM {rows} WHERE {bad}"
    )
}

fn doubles(
    model: &Table,
    there: &Table,
    columns: &[String],
    predicate: Option<&str>,
) -> Option<String> {
    let predicate = predicate.unwrap_or("true");
    let rows = rows(model, there, predicate, columns)?;
    let keys: Vec<_> = columns.iter().map(|name| format!("{} IS NOT NULL", ident(name))).collect();
    let alike = format!(
        "(SELECT adopted_id, count(*) OVER (PARTITION BY {}) AS alike FROM {rows} \
         WHERE ({predicate}) AND {}) AS doubles",
        idents(columns),
        keys.join(" AND "),
    );
    Some(select(&alike, "alike > 1"))
}

/// Rows whose parent is not there. Compared as texts, because the types may differ until then.
fn orphans(wanted: &Constraint, there: &Table, all: &[Table]) -> Option<String> {
    let ([column], [target]) = (wanted.columns.as_slice(), wanted.target_columns.as_slice()) else {
        return None;
    };
    there.column(column)?;
    let (id, table, column) = (ident(there.id()), ident(&there.name), ident(column));
    let parents = wanted.target.as_deref()?;
    let has_parents = all.iter().any(|own| own.name == parents && own.column(target).is_some());
    let target = ident(target);
    // A table that is made now has no rows.
    let none = format!("(SELECT NULL::text AS {target} WHERE false)");
    let parents = if has_parents { ident(parents) } else { none };
    let rows = format!("(SELECT {id}::text AS adopted_id, {column} FROM {table}) AS child");
    let bad = format!(
        "{column} IS NOT NULL AND NOT EXISTS (SELECT FROM {parents} AS parent \
         WHERE parent.{target}::text = child.{column}::text)"
    );
    Some(select(&rows, &bad))
}
