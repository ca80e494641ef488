//! What the app has made for these tables by itself: it stays, and may refuse what the functions
//! write.

use crate::{
    facts::{Constraint, Table},
    plan::Plan,
    text::ident,
};

/// Says of each rule of the app's own on `there` what follows. One on what the model has a check of
/// its own for is in the way: the app's values are not ours.
pub(crate) fn plan(wanted: &Table, there: &Table, plan: &mut Plan) {
    let is_ours = |own: &Constraint| {
        let same = |ours: &&Constraint| ours.kind == own.kind && ours.columns == own.columns;
        wanted.constraints.iter().filter(same).any(|ours| ours.definition == own.definition)
    };
    let own = there.constraints.iter().filter(|own| !is_ours(own));
    for rule in own.filter(|own| matches!(own.kind.as_str(), "c" | "u" | "x")) {
        // One with a name of ours is told as such.
        if wanted.constraints.iter().any(|ours| ours.name == rule.name) {
            continue;
        }
        if rule.kind == "c" && is_on_what_ours_check(wanted, rule) {
            in_the_way(there, rule, plan);
        } else {
            let (name, definition) = (&rule.name, &rule.definition);
            let what = format!(
                "the constraint {name} stays, {definition}: a generation that breaks it fails, and \
                 changes nothing"
            );
            plan.note(&there.name, what);
        }
    }
    for trigger in &there.triggers {
        let what = format!(
            "the trigger {trigger} stays: it runs as the role that the functions log in as, which \
             needs rights on whatever else it touches, and fails what it refuses"
        );
        plan.note(&there.name, what);
    }
}

fn is_on_what_ours_check(wanted: &Table, rule: &Constraint) -> bool {
    let ours = wanted.constraints.iter().filter(|ours| ours.kind == "c");
    ours.flat_map(|ours| &ours.columns).any(|column| rule.columns.contains(column))
}

fn in_the_way(there: &Table, rule: &Constraint, plan: &mut Plan) {
    let (name, definition) = (&rule.name, &rule.definition);
    let column = if let [column] = rule.columns.as_slice() { column.as_str() } else { "" };
    let what = format!("the app's own {name} may refuse what the functions write: {definition}");
    let advice = format!(
        "ALTER TABLE {} DROP CONSTRAINT {}: adopting adds a check of its own",
        ident(&there.name),
        ident(name)
    );
    plan.obstacle(&there.name, column, what, advice);
}
