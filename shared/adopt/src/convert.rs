//! Which types become which without loss.

use crate::{facts::Column, text::ident};

/// How a column gets the model's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// It has it.
    Same,
    /// By this expression, where no row is as `unless` says.
    By { using: String, unless: Option<String>, told: &'static str },
    /// Not at all.
    None,
}

const UUID: &str = "'^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'";

/// How `column` becomes of the type `to`.
pub(crate) fn conversion(column: &Column, to: &str) -> Conversion {
    let (name, from) = (ident(&column.name), column.data_type.as_str());
    let by = |using: String, unless: Option<String>, told: &'static str| Conversion::By {
        using,
        unless,
        told,
    };
    let is_text = from == "text" || from.starts_with("character varying");
    let is_integer = |name: &str| matches!(name, "smallint" | "integer" | "bigint");
    match to {
        _ if from == to => Conversion::Same,
        "text" if column.is_enum => by(
            format!("{name}::text"),
            None,
            "statements of the app that cast to the enum have to cast no more",
        ),
        "text" if is_text => by(format!("{name}::text"), None, ""),
        "text" if from == "uuid" => by(
            format!("{name}::text"),
            None,
            "statements of the app that compare it with a uuid have to compare it with a text",
        ),
        "uuid" if is_text => by(
            format!("{name}::uuid"),
            Some(format!("{name} !~* {UUID}")),
            "statements of the app that compare it with a text have to compare it with a uuid",
        ),
        "jsonb" if from == "json" => {
            by(format!("{name}::jsonb"), None, "spaces and the order of keys are not kept by jsonb")
        }
        "timestamp with time zone" if from.starts_with("timestamp") => {
            if from.ends_with("without time zone") {
                by(format!("{name} AT TIME ZONE 'UTC'"), None, "its values are taken as UTC")
            } else {
                by(format!("{name}::timestamptz"), None, "")
            }
        }
        _ if is_integer(from) && is_integer(to) => {
            by(format!("{name}::{to}"), beyond(&name, from, to), "")
        }
        _ => Conversion::None,
    }
}

/// Which values do not fit, where the type is a smaller one.
fn beyond(name: &str, from: &str, to: &str) -> Option<String> {
    match (from, to) {
        ("integer" | "bigint", "smallint") => {
            Some(format!("{name} NOT BETWEEN {} AND {}", i16::MIN, i16::MAX))
        }
        ("bigint", "integer") => Some(format!("{name} NOT BETWEEN {} AND {}", i32::MIN, i32::MAX)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(data_type: &str, to: &str) -> Conversion {
        conversion(
            &Column { name: "c".into(), data_type: data_type.into(), ..Column::default() },
            to,
        )
    }

    fn parts(conversion: Conversion) -> (String, Option<String>) {
        match conversion {
            Conversion::By { using, unless, .. } => (using, unless),
            other => (format!("{other:?}"), None),
        }
    }

    #[test]
    fn what_loses_nothing_is_converted_and_nothing_else_is() {
        let using = |from: &str, to: &str| parts(of(from, to)).0;
        assert_eq!(using("uuid", "uuid"), "Same");
        assert_eq!(using("character varying(255)", "text"), "\"c\"::text");
        assert_eq!(using("json", "jsonb"), "\"c\"::jsonb");
        let zoned = "timestamp with time zone";
        assert_eq!(using("timestamp(3) without time zone", zoned), "\"c\" AT TIME ZONE 'UTC'");
        assert_eq!(using("timestamp(3) with time zone", zoned), "\"c\"::timestamptz");
        for (from, to) in [
            ("character(8)", "text"),
            ("date", zoned),
            ("double precision", "smallint"),
            ("text", "jsonb"),
            ("text", "smallint"),
            ("integer", "uuid"),
            ("text[]", "text"),
        ] {
            assert_eq!(of(from, to), Conversion::None, "{from} to {to}");
        }
    }

    #[test]
    fn an_enum_becomes_a_text_and_nothing_else() {
        let column = Column { is_enum: true, data_type: "\"Status\"".into(), ..Column::default() };
        assert!(matches!(conversion(&column, "text"), Conversion::By { .. }));
        assert_eq!(conversion(&column, "smallint"), Conversion::None);
    }

    #[test]
    fn where_values_may_not_fit_they_are_looked_at() {
        let unless = |from: &str, to: &str| parts(of(from, to)).1;
        assert_eq!(unless("smallint", "integer"), None);
        assert!(unless("integer", "smallint").unwrap().contains("-32768 AND 32767"));
        assert!(unless("bigint", "integer").unwrap().contains("2147483647"));
        assert!(unless("text", "uuid").unwrap().contains("!~*"));
        assert_eq!(unless("uuid", "text"), None);
    }
}
