//! What the later migrations make, by name: where the app has such a thing already, they cannot.

/// Something that a migration makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Made {
    /// A table or an index.
    Relation(String),
    /// A function.
    Function(String),
    /// A column of a table that is there before.
    Column(String, String),
}

/// What the migration says that it makes.
pub(crate) fn made(sql: &str) -> Vec<Made> {
    let mut table = "";
    let mut all = Vec::new();
    for line in sql.lines().filter(|line| !line.trim_start().starts_with("--")) {
        let words: Vec<_> = line
            .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .filter(|word| !word.is_empty())
            .collect();
        match words.as_slice() {
            ["CREATE", "TABLE" | "INDEX", name, ..] | ["CREATE", "UNIQUE", "INDEX", name, ..] => {
                all.push(Made::Relation((*name).to_owned()));
            }
            ["CREATE", "FUNCTION", name, ..] => all.push(Made::Function((*name).to_owned())),
            ["ALTER", "TABLE", name, ..] => table = name,
            ["ADD", "COLUMN", name, ..] => {
                all.push(Made::Column(table.to_owned(), (*name).to_owned()));
            }
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_indexes_functions_and_columns_are_found() {
        let sql = "-- CREATE TABLE not_this (\nCREATE TABLE a (\n    id uuid\n);\n\
                   CREATE UNIQUE INDEX b ON a (id);\nCREATE FUNCTION c(x text) RETURNS text\n\
                   ALTER TABLE d\n    ADD COLUMN e uuid,\n    ADD COLUMN f uuid;";
        assert_eq!(
            made(sql),
            [
                Made::Relation("a".into()),
                Made::Relation("b".into()),
                Made::Function("c".into()),
                Made::Column("d".into(), "e".into()),
                Made::Column("d".into(), "f".into()),
            ]
        );
    }
}
