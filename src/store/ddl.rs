//! The statements that make a mirrored table, printed from its declaration.
//!
//! A migration that is applied somewhere is never written again. What is printed here becomes the next one; tests hold it
//! against what all migrations together have made.

use super::{migrate::Dialect, quoting::quoted};
use crate::engine::{Column, Kind, Table};

/// A column that all mirrored tables have: its name, its kind in either dialect, and what it holds.
struct Common {
    name: &'static str,
    postgres: &'static str,
    sqlite: &'static str,
    comment: &'static str,
}

const COMMON: [Common; 3] = [
    Common {
        name: "raw_json",
        postgres: "jsonb not null",
        sqlite: "text not null",
        comment: "Вся запись источника",
    },
    Common {
        name: "row_hash",
        postgres: "bytea",
        sqlite: "blob",
        comment: "Отпечаток содержимого; пусто, если строку меняли вручную",
    },
    Common {
        name: "synced_at",
        postgres: "timestamptz not null",
        sqlite: "text not null",
        comment: "Когда строка здесь менялась последний раз, UTC",
    },
];

/// The statements that make a table, its indexes and its trigger; in `PostgreSQL` what they hold in words, too.
pub fn create(table: &Table, dialect: Dialect) -> String {
    let columns = table.columns.iter().map(|column| definition(table, column, dialect));
    let common = COMMON.iter().map(|common| {
        let kind = match dialect {
            Dialect::Postgres => common.postgres,
            Dialect::Sqlite => common.sqlite,
        };
        format!("{} {kind}", quoted(common.name))
    });
    let key = table.key.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    let lines: Vec<String> = columns.chain(common).chain([format!("primary key ({key})")]).collect();
    let strict = if dialect == Dialect::Sqlite { " strict" } else { "" };
    let made = format!("create table {} (\n    {}\n){strict};\n", quoted(table.name), lines.join(",\n    "));
    let indexes = table.columns.iter().filter(|column| column.indexed);
    let indexes: String = indexes.map(|column| create_index(table, column, dialect)).collect();
    let comments = if dialect == Dialect::Postgres { comments(table) } else { String::new() };
    format!("{made}{indexes}{}{comments}", create_trigger(table, dialect))
}

/// The statements that say in a `PostgreSQL` database what a table and its columns hold.
pub fn comments(table: &Table) -> String {
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let name = quoted(table.name);
    let own = table.columns.iter().map(|column| (column.name, column.comment));
    let columns = own.chain(COMMON.iter().map(|common| (common.name, common.comment)));
    let columns = columns.map(|(column, comment)| {
        format!("comment on column {name}.{} is {};\n", quoted(column), text(comment))
    });
    format!("comment on table {name} is {};\n{}", text(table.title), columns.collect::<String>())
}

/// The objects that make up a table, as [`super::objects`] spells them.
pub fn objects(table: &Table) -> Vec<String> {
    let name = table.name;
    let columns =
        table.columns.iter().map(|column| column.name).chain(COMMON.iter().map(|common| common.name));
    let columns = columns.map(|column| format!("column {name}.{column}"));
    let indexes = table.columns.iter().filter(|column| column.indexed);
    let indexes = indexes.map(|column| format!("index {}", index_name(table, column)));
    columns.chain(indexes).chain([format!("key {name}_pkey"), format!("trigger {name}_touched")]).collect()
}

fn definition(table: &Table, column: &Column, dialect: Dialect) -> String {
    let kind = match (dialect, column.kind) {
        (Dialect::Postgres, Kind::Uuid) => "uuid",
        (Dialect::Postgres, Kind::Bool) => "boolean",
        (Dialect::Postgres, Kind::Int) => "bigint",
        (Dialect::Postgres, Kind::Decimal) => "numeric",
        (Dialect::Sqlite, Kind::Bool | Kind::Int) => "integer",
        // Numeric affinity would turn more than 15 digits into a float.
        (Dialect::Sqlite, Kind::Decimal) => "any",
        (_, Kind::Text) | (Dialect::Sqlite, Kind::Uuid) => "text",
    };
    let needed = if table.key.contains(&column.name) { " not null" } else { "" };
    format!("{} {kind}{needed}", quoted(column.name))
}

fn index_name(table: &Table, column: &Column) -> String {
    format!("{}_{}_idx", table.name, column.name)
}

/// An entry of a btree is a third of a page at most, and a longer text would keep its whole table from being written; a hash
/// index holds any. The key's columns are in a btree anyway.
fn create_index(table: &Table, column: &Column, dialect: Dialect) -> String {
    let any_text = column.kind == Kind::Text && !table.key.contains(&column.name);
    let using = if dialect == Dialect::Postgres && any_text { " using hash" } else { "" };
    let (index, on) = (quoted(&index_name(table, column)), quoted(table.name));
    format!("create index {index} on {on}{using} ({});\n", quoted(column.name))
}

/// An update that leaves `row_hash` as it was is a hand edit: null differs from everything, so the next run repairs the row.
fn create_trigger(table: &Table, dialect: Dialect) -> String {
    let (name, on) = (quoted(&format!("{}_touched", table.name)), quoted(table.name));
    match dialect {
        Dialect::Postgres => format!(
            "create trigger {name} before update on {on}\n    for each row execute function zerkalo_touched();\n"
        ),
        Dialect::Sqlite => {
            let key = table.key.iter().map(|column| format!("{0} = new.{0}", quoted(column)));
            let key = key.collect::<Vec<_>>().join(" and ");
            format!(
                "create trigger {name} after update on {on}\n    \
                 when new.row_hash is old.row_hash and new.row_hash is not null\n    \
                 begin update {on} set row_hash = null where {key}; end;\n"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{store::objects::query, tables};
    use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection, migrate::Migrator};
    use std::{collections::HashSet, fs, path::PathBuf};

    fn folder(dialect: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("migrations").join(dialect)
    }

    /// What the migrations make, as they are on the disk, and the number of the last one.
    async fn migrated() -> (HashSet<String>, i64) {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let migrator = Migrator::new(folder("sqlite")).await.unwrap();
        migrator.run(&mut connection).await.unwrap();
        let query = AssertSqlSafe(query(Dialect::Sqlite, ""));
        let there: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut connection).await.unwrap();
        (HashSet::from_iter(there), migrator.iter().map(|migration| migration.version).max().unwrap())
    }

    /// The statements for what a table lacks: the whole table, or columns and indexes of one that is there.
    fn lacking(table: &Table, there: &HashSet<String>, dialect: Dialect) -> String {
        let lacks = |kind: &str, name: &str| !there.contains(&format!("{kind} {name}"));
        let is_there = |column: &&Column| !lacks("column", &format!("{}.{}", table.name, column.name));
        if !table.columns.iter().any(|column| is_there(&column)) {
            return format!("\n-- {}\n{}", table.title, create(table, dialect));
        }
        let columns = table.columns.iter().filter(|column| !is_there(column)).map(|column| {
            let definition = definition(table, column, dialect);
            format!("\nalter table {} add column {definition};\n", quoted(table.name))
        });
        let indexes = table.columns.iter().filter(|column| column.indexed);
        let indexes = indexes.filter(|column| lacks("index", &index_name(table, column)));
        columns.chain(indexes.map(|column| create_index(table, column, dialect))).collect()
    }

    /// `ZERKALO_UPDATE_TABLES=1 cargo test --lib tables` writes the next migration where one is needed. A change of a kind
    /// or a key says what becomes of the rows, and so is written by hand.
    #[tokio::test]
    async fn migrations_make_all_declared_tables() {
        let (there, last) = migrated().await;
        let lacking = |dialect| -> String {
            tables::all().map(|entity| lacking(&entity.table, &there, dialect)).collect()
        };
        let lacks = |table: &&Table| objects(table).iter().any(|line| is_made(line) && !there.contains(line));
        let named: Vec<&str> =
            tables::all().map(|entity| &entity.table).filter(lacks).map(|table| table.name).collect();
        let [first, others @ ..] = named.as_slice() else { return };
        assert!(
            std::env::var_os("ZERKALO_UPDATE_TABLES").is_some(),
            "no migration makes what is declared of {}; print it: ZERKALO_UPDATE_TABLES=1 cargo test --lib tables",
            named.join(", ")
        );
        let more = if others.is_empty() { "" } else { "_and_others" };
        for (name, dialect) in [("postgres", Dialect::Postgres), ("sqlite", Dialect::Sqlite)] {
            let path = folder(name).join(format!("{:04}_{first}{more}.sql", last + 1));
            let head = "-- Printed from the declarations in src/tables.\n";
            fs::write(path, format!("{head}{}", lacking(dialect))).unwrap();
        }
    }

    /// `SQLite` has no named keys.
    fn is_made(line: &str) -> bool {
        !line.starts_with("key ")
    }

    #[test]
    fn a_column_of_a_table_that_is_there_is_added_to_it() {
        const PARTS: &[Column] = &[
            Column::int("id", "id"),
            Column::text("group", "group").indexed(),
            Column::decimal("rate", "rate"),
        ];
        const PART: Table = Table::keyed_by_id("part", "части", PARTS);
        let mut there: HashSet<String> = objects(&PART).into_iter().collect();
        assert_eq!(lacking(&PART, &there, Dialect::Postgres), "");
        there.retain(|line| line != "column part.rate" && !line.ends_with("group_idx"));
        assert_eq!(
            lacking(&PART, &there, Dialect::Postgres),
            "\nalter table \"part\" add column \"rate\" numeric;\n\
             create index \"part_group_idx\" on \"part\" using hash (\"group\");\n"
        );
        assert_eq!(
            lacking(&PART, &there, Dialect::Sqlite),
            "\nalter table \"part\" add column \"rate\" any;\n\
             create index \"part_group_idx\" on \"part\" (\"group\");\n"
        );
    }
}
