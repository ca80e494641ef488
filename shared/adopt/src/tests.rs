//! Plans, from facts alone. What Postgres makes of them stands in `shared/tests/store/adopting`.

use crate::{
    facts::{Column, Constraint, Incoming, Index, Table},
    plan::{Phase, Plan, Question},
    taken::Made,
    whole::{Beside, plan},
};

fn column(name: &str, data_type: &str) -> Column {
    Column { name: name.into(), data_type: data_type.into(), not_null: true, ..Column::default() }
}

fn table(name: &str, columns: Vec<Column>) -> Table {
    Table {
        name: name.into(),
        kind: "r".into(),
        is_owned: true,
        rows: 3,
        columns,
        ..Table::default()
    }
}

fn constraint(name: &str, kind: &str, columns: &[&str], definition: &str) -> Constraint {
    Constraint {
        name: name.into(),
        kind: kind.into(),
        definition: definition.into(),
        columns: columns.iter().map(|&name| name.to_owned()).collect(),
        ..Constraint::default()
    }
}

/// Two tables of a model, one below the other.
fn model() -> Vec<Table> {
    let mut goals = table("goals", vec![column("id", "uuid"), column("title", "text")]);
    goals.constraints = vec![constraint("goals_pkey", "p", &["id"], "PRIMARY KEY (id)")];
    let mut parts = table(
        "actions",
        vec![
            column("id", "uuid"),
            column("goal_id", "uuid"),
            column("position", "smallint"),
            Column { default: Some("now()".into()), ..column("at", "timestamp with time zone") },
            Column { not_null: false, ..column("note", "text") },
        ],
    );
    let range = constraint("position_range", "c", &["position"], "CHECK ((\"position\" <= 7))");
    let key = constraint("parent", "f", &["goal_id"], "FOREIGN KEY (goal_id) REFERENCES goals(id)");
    parts.constraints = vec![
        constraint("actions_pkey", "p", &["id"], "PRIMARY KEY (id)"),
        Constraint { condition: Some("(\"position\" <= 7)".into()), ..range },
        constraint(
            "one_place",
            "u",
            &["goal_id", "position"],
            "UNIQUE (goal_id, position) DEFERRABLE",
        ),
        Constraint {
            target: Some("goals".into()),
            target_columns: vec!["id".into()],
            on_delete: "c".into(),
            ..key
        },
    ];
    parts.indexes = vec![Index {
        name: "by_note".into(),
        definition: "CREATE UNIQUE INDEX by_note ON actions USING btree (note)".into(),
        is_unique: true,
        columns: vec!["note".into()],
        predicate: None,
    }];
    vec![goals, parts]
}

fn of(app: &[Table]) -> (Plan, Vec<Question>) {
    plan(&model(), app, &Beside::default(), 0)
}

/// The plan for a database whose second table was changed like this.
fn with(change: impl FnOnce(&mut Table)) -> (Plan, Vec<Question>) {
    let mut app = model();
    change(&mut app[1]);
    of(&app)
}

fn what(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.what.as_str()).collect()
}

fn obstacles(plan: &Plan) -> String {
    plan.obstacles.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_as_the_model_has_it_needs_nothing() {
    let (plan, questions) = of(&model());
    assert_eq!((what(&plan), obstacles(&plan).as_str(), questions), (vec![], "", vec![]));
    assert_eq!(plan.kept.len(), 2);
}

#[test]
fn tables_that_are_missing_are_made_before_all_else_and_keys_come_last() {
    let (plan, questions) = of(&[]);
    assert_eq!(questions, [], "there are no rows to ask");
    let phases: Vec<_> = plan.steps.iter().map(|step| step.phase).collect();
    assert!(phases.is_sorted(), "{phases:?}");
    assert_eq!(phases[..2], [Phase::Tables, Phase::Tables]);
    assert!(plan.steps[1].sql.contains("\"at\" timestamp with time zone DEFAULT now() NOT NULL"));
    assert!(plan.kept.is_empty());
}

#[test]
fn a_missing_column_is_added_where_something_can_stand_in_it() {
    let (plan, _) = with(|table| table.columns.retain(|column| column.name != "at"));
    assert_eq!(what(&plan), ["the column at is added, now() in rows that are there"]);
    let (plan, _) = with(|table| table.columns.retain(|column| column.name != "note"));
    assert_eq!(what(&plan), ["the column note is added"]);
    let drop = |table: &mut Table| table.columns.retain(|column| column.name != "position");
    let (plan, questions) = with(drop);
    assert!(obstacles(&plan).starts_with("actions.position: there is no such column"));
    assert_eq!(questions, [], "what is not there is not asked");
    let (plan, _) = with(|table| {
        drop(table);
        table.rows = 0;
    });
    assert_eq!(what(&plan), ["the column position is added"]);
}

#[test]
fn a_type_is_converted_unless_something_depends_on_the_column() {
    let narrow = |table: &mut Table| {
        let own = Column { default: Some("0".into()), ..column("position", "integer") };
        table.columns[2] = own;
    };
    let (plan, questions) = with(narrow);
    assert_eq!(
        plan.steps[0].sql,
        "ALTER TABLE \"actions\" ALTER COLUMN \"position\" DROP DEFAULT; \
         ALTER TABLE \"actions\" ALTER COLUMN \"position\" TYPE smallint \
         USING \"position\"::smallint; \
         ALTER TABLE \"actions\" ALTER COLUMN \"position\" SET DEFAULT (0)::smallint"
    );
    assert!(questions[0].sql.ends_with("\"position\" NOT BETWEEN -32768 AND 32767"));
    let (plan, _) = with(|table| {
        narrow(table);
        table.columns[2].dependents = vec!["rule _RETURN on view seen".into()];
    });
    assert!(obstacles(&plan).contains("view seen") && plan.steps.is_empty(), "{plan:?}");
    let (plan, _) = with(|table| table.columns[2].data_type = "date".into());
    assert!(obstacles(&plan).contains("it is date, and date is not made smallint"));
}

#[test]
fn null_and_defaults_become_as_the_functions_need_them() {
    let (plan, questions) = with(|table| {
        table.columns[2].not_null = false;
        table.columns[3].default = None;
        table.columns[4].not_null = true;
    });
    assert_eq!(
        what(&plan),
        [
            "at has now() as its default",
            "position may no longer be NULL",
            "note may be NULL from now on"
        ]
    );
    assert!(questions[0].sql.ends_with("FROM \"actions\" WHERE \"position\" IS NULL"));
    let (plan, _) = with(|table| table.columns[3].default = Some("CURRENT_TIMESTAMP".into()));
    assert_eq!(what(&plan), [] as [&str; 0], "a default of the app's own stays");
    let (plan, _) = with(|table| table.columns[2].is_generated = true);
    assert!(obstacles(&plan).contains("generated column"));
}

#[test]
fn a_column_of_the_app_s_own_is_in_the_way_only_where_no_insert_can_fill_it() {
    let own = |change: fn(&mut Column)| {
        let mut own = column("colour", "text");
        change(&mut own);
        obstacles(&with(|table| table.columns.push(own)).0)
    };
    assert!(own(|_| {}).starts_with("actions.colour: it is the app's own, NOT NULL"));
    assert_eq!(own(|column| column.not_null = false), "");
    assert_eq!(own(|column| column.default = Some("'red'".into())), "");
    assert_eq!(own(|column| column.identity = "d".into()), "");
    assert_eq!(own(|column| column.is_generated = true), "");
}

#[test]
fn constraints_and_indexes_are_added_after_the_rows_were_asked() {
    let (plan, questions) = with(|table| {
        table.constraints.clear();
        table.indexes.clear();
    });
    let phases: Vec<_> = plan.steps.iter().map(|step| step.phase).collect();
    let constraints = [Phase::Constraints; 3];
    assert_eq!(phases[..3], constraints);
    assert_eq!(phases[3..], [Phase::ForeignKeys, Phase::Indexes]);
    assert_eq!(questions.len(), 5);
    assert!(questions[1].sql.ends_with("WHERE NOT ((\"position\" <= 7))"), "{questions:?}");
    assert!(questions[2].sql.contains("PARTITION BY \"goal_id\", \"position\""));
    assert!(questions[3].sql.contains("parent.\"id\"::text = child.\"goal_id\"::text"));
    assert!(questions[4].sql.contains("PARTITION BY \"note\""));
}

#[test]
fn a_key_may_have_a_name_of_the_app_s_own_and_another_constraint_may_not_have_ours() {
    let (plan, _) = with(|table| table.constraints[0].name = "own".into());
    assert_eq!((what(&plan), obstacles(&plan).as_str()), (vec![], ""));
    let (plan, _) = with(|table| table.constraints[1].definition = "CHECK (true)".into());
    assert!(obstacles(&plan).contains("the constraint position_range says CHECK (true)"));
    let (plan, _) = with(|table| table.constraints[0].columns = vec!["goal_id".into()]);
    assert!(!plan.is_free());
    let (plan, _) = with(|table| table.indexes[0].definition = "another".into());
    assert!(obstacles(&plan).contains("the index by_note is another"));
}

#[test]
fn a_unique_key_that_is_checked_row_by_row_is_in_the_way() {
    let (plan, _) = with(|table| {
        table.constraints[2] =
            constraint("own", "u", &["position", "goal_id"], "UNIQUE (position, goal_id)");
    });
    assert!(obstacles(&plan).contains("own checks these columns row by row"));
    assert!(obstacles(&plan).contains("DROP CONSTRAINT \"own\""));
}

#[test]
fn a_foreign_key_with_another_action_is_told_and_stays() {
    let (plan, _) = with(|table| {
        table.constraints[3].on_delete = "r".into();
        table.constraints[3].definition.push_str(" ON DELETE RESTRICT");
    });
    assert_eq!((what(&plan), obstacles(&plan).as_str()), (vec![], ""));
    assert!(plan.notes[0].what.contains("stays, ON DELETE RESTRICT where ours is CASCADE"));
    let (plan, _) = with(|table| {
        table.incoming = vec![Incoming {
            name: "of_app".into(),
            table: "reflections".into(),
            on_delete: "a".into(),
        }];
    });
    assert!(plan.notes[0].what.contains("of_app of reflections stays, ON DELETE NO ACTION"));
}

#[test]
fn what_is_no_table_of_one_s_own_is_in_the_way_and_not_asked() {
    let (plan, questions) = with(|table| table.kind = "v".into());
    assert!(obstacles(&plan).contains("no ordinary table") && questions.is_empty());
    let (plan, _) = with(|table| table.is_owned = false);
    assert!(obstacles(&plan).contains("does not own it"));
    let (plan, _) = with(|table| table.has_row_security = true);
    assert!(plan.is_free() && plan.notes[0].what.contains("row security"));
}

#[test]
fn active_processes_are_ended_before_the_constraints_and_taken_names_are_told() {
    let model = [table("processing_state", vec![column("id", "uuid")])];
    let beside = Beside {
        taken: vec![
            Made::Relation("rate_limit".into()),
            Made::Function("admit".into()),
            Made::Column("processing_state".into(), "goal_id".into()),
        ],
        active: 1,
        without_end: 2,
        broken_progress: 3,
    };
    let (plan, _) = plan(&model, &model, &beside, 0);
    assert_eq!(plan.ended, 1);
    let told = what(&plan).join("\n");
    for said in ["1 process is PENDING", "2 processes are ended", "3 processes are of a progress"] {
        assert!(told.contains(said), "{told}");
    }
    assert!(plan.steps.iter().all(|step| step.phase == Phase::Rows));
    let told = obstacles(&plan);
    for said in ["rate_limit: the app has a table", "admit: the app has a function"] {
        assert!(told.contains(said), "{told}");
    }
    assert!(told.contains("processing_state.goal_id: the app has a column"), "{told}");
}

#[test]
fn migrations_of_this_project_are_told_by_their_form() {
    for ours in [20_261_122_000_001, 20_261_127_000_014, 29_991_231_000_000] {
        assert!(crate::is_ours(ours), "{ours}");
    }
    for other in [1, 20_250_101_000_001, 20_270_101_123_456] {
        assert!(!crate::is_ours(other), "{other}");
    }
}

#[test]
fn a_rule_of_the_app_s_own_on_what_ours_checks_is_in_the_way_and_others_are_told() {
    let own = |kind: &str, columns: &[&str], definition: &str| {
        let rule = constraint("own", kind, columns, definition);
        with(move |table| table.constraints.push(rule)).0
    };
    let plan = own("c", &["position"], "CHECK ((\"position\" < 5))");
    assert!(obstacles(&plan).contains("actions.position: the app's own own may refuse"));
    let plan = own("c", &["note"], "CHECK ((note <> ''::text))");
    assert!(plan.is_free() && plan.notes[0].what.contains("the constraint own stays"));
    // Ours, under another name: the one that is added says the same.
    assert!(own("c", &["position"], "CHECK ((\"position\" <= 7))").is_free());
    let (plan, _) = with(|table| table.triggers.push("audit".into()));
    assert!(plan.is_free() && plan.notes[0].what.contains("the trigger audit stays"));
}

#[test]
fn how_long_processes_are_kept_is_told_and_asked() {
    let mut processes = table(
        "processing_state",
        vec![column("id", "uuid"), column("status", "text"), column("updated_at", "timestamptz")],
    );
    let key = |on_delete: &str| Incoming {
        name: "key".into(),
        table: "invoices".into(),
        on_delete: on_delete.into(),
    };
    let of = |processes: &Table, days| {
        let model = std::slice::from_ref(processes);
        plan(model, model, &Beside::default(), days)
    };
    let (kept, questions) = of(&processes, 0);
    assert_eq!((kept.notes.len(), questions.len()), (0, 0));
    processes.incoming = vec![key("c")];
    let (told, questions) = of(&processes, 30);
    let notes = |plan: &Plan| plan.lines().join("\n");
    assert!(notes(&told).contains("30 days after their end, and with them"));
    assert!(notes(&told).contains("its rows are deleted with the process"));
    assert!(questions[0].obstacle.what.contains("of invoices (by key)"));
    assert!(questions[0].sql.contains("COALESCE(updated_at) < now() - '30 days'::interval"));
    processes.incoming = vec![key("n")];
    let told = notes(&of(&processes, 30).0);
    assert!(told.contains("30 days after their end: RetentionDays") && !told.contains("with them"));
}
