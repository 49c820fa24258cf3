//! What a table holds, as text that is the same on both databases, and evidence of what was written.

use super::harness::{Engine, World, block_on};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};
use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
};
use zerkalo::{engine::Kind, tables};

/// A row: column → text.
pub(crate) type Row = BTreeMap<String, Option<String>>;

/// What tables hold.
pub(crate) type Dump = BTreeMap<String, Vec<Row>>;

/// A row of an expectation.
pub(crate) fn row<const N: usize>(columns: [(&str, Option<String>); N]) -> Row {
    columns.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl World {
    /// Every row of a table, every column as text: uuids in lower case, decimals and JSON in one canonical spelling,
    /// truth values as words, hashes as hexadecimal digits. Sorted, so that order does not matter.
    pub(crate) fn rows(&self, table: &str) -> Vec<Row> {
        self.tables(&[table], true).remove(table).unwrap()
    }

    /// The rows of a table with only these columns.
    pub(crate) fn select<const N: usize>(&self, table: &str, columns: [&str; N]) -> Vec<Row> {
        let mut rows = self.rows(table);
        for row in &mut rows {
            row.retain(|name, _| columns.contains(&name.as_str()));
            assert_eq!(row.len(), N, "{table} lacks one of {columns:?}");
        }
        rows.sort();
        rows
    }

    /// Everything that is mirrored, without what differs from run to run.
    pub(crate) fn dump(&self) -> Dump {
        let mut dump = self.tables(&mirrored(), true);
        for row in dump.values_mut().flatten() {
            row.retain(|name, _| !["synced_at", "row_hash"].contains(&name.as_str()));
        }
        dump
    }

    /// Everything that is mirrored, with what a write would change: `synced_at`, and in `PostgreSQL` where the row
    /// lies and which transaction wrote it.
    pub(crate) fn evidence(&self) -> Dump {
        self.tables(&mirrored(), false)
    }

    /// The same of one table.
    pub(crate) fn tables_evidence(&self, table: &str) -> Dump {
        self.tables(&[table], false)
    }

    /// The rows of tables, by one connection: spelled for comparison with what must be there, or as they are, with
    /// their place, for comparison with the same database later.
    fn tables(&self, tables: &[&str], spelled: bool) -> Dump {
        let columns = self.columns(tables);
        let queries: Vec<String> = tables
            .iter()
            .map(|table| {
                let mut list: Vec<String> =
                    columns[*table].iter().map(|column| self.as_text(column)).collect();
                if !spelled && self.engine == Engine::Postgres {
                    list.extend(["xmin::text", "ctid::text"].map(str::to_owned));
                }
                format!("select {} from \"{table}\"", list.join(", "))
            })
            .collect();
        let answers = self.queries(&queries);
        let spell = |table: &str, texts: Vec<Option<String>>| -> Row {
            let names = columns[table].iter().map(|column| column.name.as_str()).chain(["xmin", "ctid"]);
            let spell = |name: &str, text: String| if spelled { spelling(table, name, &text) } else { text };
            names
                .zip(texts)
                .map(|(name, text)| (name.to_owned(), text.map(|text| spell(name, text))))
                .collect()
        };
        let rows = |(table, texts): (&&str, Vec<Vec<Option<String>>>)| {
            let mut rows: Vec<Row> = texts.into_iter().map(|texts| spell(table, texts)).collect();
            rows.sort();
            ((*table).to_owned(), rows)
        };
        tables.iter().zip(answers).map(rows).collect()
    }

    /// The log without what differs from run to run, in the order in which it was written.
    pub(crate) fn log(&self) -> Vec<Row> {
        let mut rows = self.rows("iiko_sync_log");
        rows.sort_by_key(|row| row["id"].as_deref().unwrap().parse::<u64>().unwrap());
        rows
    }

    /// The log rows of one run.
    pub(crate) fn log_of(&self, run_id: &str) -> Vec<Row> {
        self.log().into_iter().filter(|row| row["run_id"].as_deref() == Some(run_id)).collect()
    }

    /// How many rows a table holds.
    pub(crate) fn count(&self, table: &str) -> usize {
        let count = self.query(&format!("select cast(count(*) as text) from \"{table}\""));
        count[0][0].as_deref().unwrap().parse().unwrap()
    }

    /// What a query answers; every column must be text.
    pub(crate) fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.queries(&[sql.to_owned()]).remove(0)
    }

    fn queries(&self, queries: &[String]) -> Vec<Vec<Vec<Option<String>>>> {
        let mut answers = Vec::new();
        block_on(async {
            if self.engine == Engine::Postgres {
                let mut connection = PgConnection::connect(&self.database).await.unwrap();
                for sql in queries {
                    let sql = AssertSqlSafe(sql.clone());
                    let rows = sqlx::raw_sql(sql).fetch_all(&mut connection).await.unwrap();
                    answers
                        .push(rows.iter().map(|row| (0..row.len()).map(|n| row.get(n)).collect()).collect());
                }
                connection.close().await.unwrap();
            } else {
                let mut connection = SqliteConnection::connect(&self.database).await.unwrap();
                for sql in queries {
                    let sql = AssertSqlSafe(sql.clone());
                    let rows = sqlx::raw_sql(sql).fetch_all(&mut connection).await.unwrap();
                    answers
                        .push(rows.iter().map(|row| (0..row.len()).map(|n| row.get(n)).collect()).collect());
                }
                connection.close().await.unwrap();
            }
        });
        answers
    }

    /// Executes statements as another program would; how many rows they touched.
    pub(crate) fn execute(&self, sql: &str) -> u64 {
        block_on(execute(self.engine, &self.database, sql))
    }

    /// Whether the database takes a statement; what it did is undone.
    pub(crate) fn takes(&self, sql: &str) -> bool {
        let sql = sqlx::raw_sql(AssertSqlSafe(format!("begin; {sql}; rollback")));
        block_on(async {
            match self.engine {
                Engine::Postgres => {
                    let mut connection = PgConnection::connect(&self.database).await.unwrap();
                    sql.execute(&mut connection).await.is_ok()
                }
                Engine::Sqlite => {
                    let mut connection = SqliteConnection::connect(&self.database).await.unwrap();
                    sql.execute(&mut connection).await.is_ok()
                }
            }
        })
    }

    /// The columns of tables in their order.
    pub(crate) fn columns(&self, tables: &[&str]) -> BTreeMap<String, Vec<StoredColumn>> {
        let wanted = tables.iter().map(|table| format!("'{table}'")).collect::<Vec<_>>().join(", ");
        let sql = match self.engine {
            Engine::Postgres => format!(
                "select table_name::text, column_name::text, data_type::text, is_nullable::text
                 from information_schema.columns
                 where table_schema = current_schema and table_name in ({wanted}) order by ordinal_position"
            ),
            Engine::Sqlite => format!(
                "select m.name, c.name, lower(c.type), case c.\"notnull\" when 0 then 'YES' else 'NO' end
                 from sqlite_master m, pragma_table_info(m.name) c where m.name in ({wanted}) order by c.cid"
            ),
        };
        let mut columns: BTreeMap<String, Vec<StoredColumn>> = BTreeMap::new();
        for row in self.query(&sql) {
            let [table, name, kind, nullable] = row.try_into().unwrap();
            columns.entry(table.unwrap()).or_default().push(StoredColumn {
                name: name.unwrap(),
                kind: kind.unwrap(),
                nullable: nullable.as_deref() == Some("YES"),
            });
        }
        columns
    }

    fn as_text(&self, column: &StoredColumn) -> String {
        match (self.engine, column.kind.as_str()) {
            (Engine::Sqlite, "blob") => {
                format!("case when \"{0}\" is null then null else lower(hex(\"{0}\")) end", column.name)
            }
            (Engine::Postgres, "bytea") => format!("encode(\"{}\", 'hex')", column.name),
            _ => format!("cast(\"{}\" as text)", column.name),
        }
    }
}

/// Executes statements on a database as another program would; how many rows they touched.
pub(crate) async fn execute(engine: Engine, database: &str, sql: &str) -> u64 {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    if engine == Engine::Postgres {
        let mut connection = PgConnection::connect(database).await.unwrap();
        let touched = sql.execute(&mut connection).await.unwrap().rows_affected();
        connection.close().await.unwrap();
        touched
    } else {
        let mut connection = SqliteConnection::connect(&format!("{database}?mode=rwc")).await.unwrap();
        let touched = sql.execute(&mut connection).await.unwrap().rows_affected();
        connection.close().await.unwrap();
        touched
    }
}

/// A column as the database describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredColumn {
    /// Its name.
    pub(crate) name: String,
    /// Its type, in lower case.
    pub(crate) kind: String,
    /// Whether it may be NULL.
    pub(crate) nullable: bool,
}

/// All texts that statements answer, a line a row.
pub(crate) async fn plan(engine: Engine, database: &str, sql: &str) -> String {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    let texts: Vec<String> = if engine == Engine::Postgres {
        let mut connection = PgConnection::connect(database).await.unwrap();
        let rows = sql.fetch_all(&mut connection).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    } else {
        let mut connection = SqliteConnection::connect(database).await.unwrap();
        let rows = sql.fetch_all(&mut connection).await.unwrap();
        rows.iter().map(|row| row.get(3)).collect()
    };
    texts.join("\n")
}

/// One spelling for what the databases spell differently.
fn spelling(table: &str, column: &str, text: &str) -> String {
    if column == "raw_json" || (table == "mirror_tombstone" && ["row", "key"].contains(&column)) {
        return canonical(text);
    }
    let declared = super::widget::declared().chain(tables::all()).find(|entity| entity.table.name == table);
    match declared.and_then(|entity| entity.table.column(column)).map(|column| column.kind) {
        Some(Kind::Decimal) => decimal(text),
        Some(Kind::Bool) => match text {
            "0" => "false".to_owned(),
            "1" => "true".to_owned(),
            other => other.to_owned(),
        },
        _ => text.to_owned(),
    }
}

fn mirrored() -> Vec<&'static str> {
    tables::all().map(|entity| entity.table.name).collect()
}

/// A JSON text with its members in order, no white space, and each number as its exact decimal. Most texts come again in
/// every dump of a story.
pub(crate) fn canonical(text: &str) -> String {
    thread_local! {
        static KNOWN: RefCell<HashMap<String, String>> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| {
        if let Some(value) = known.get(text) {
            return value.clone();
        }
        let (value, rest) = canonical_value(text.trim_start());
        assert!(rest.trim().is_empty(), "`{text}` is no JSON");
        if known.len() > 20_000 {
            known.clear();
        }
        known.insert(text.to_owned(), value.clone());
        value
    })
}

/// The canonical form of the value at the start of `text`, and what follows it.
fn canonical_value(text: &str) -> (String, &str) {
    match text.as_bytes()[0] {
        open @ (b'{' | b'[') => {
            let (mut rest, mut items) = (text[1..].trim_start(), Vec::new());
            while !rest.starts_with(['}', ']']) {
                rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
                let (mut item, mut tail) = canonical_value(rest);
                if open == b'{' {
                    let (value, after) = canonical_value(tail.trim_start()[1..].trim_start());
                    (item, tail) = (format!("{item}:{value}"), after);
                }
                items.push(item);
                rest = tail.trim_start();
            }
            let rest = &rest[1..];
            if open == b'{' {
                items.sort();
                return (format!("{{{}}}", items.join(",")), rest);
            }
            (format!("[{}]", items.join(",")), rest)
        }
        b'"' => {
            let mut escaped = false;
            let end = text[1..].bytes().position(|byte| {
                let ends = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                ends
            });
            let (string, rest) = text.split_at(end.unwrap() + 2);
            (quoted(&serde_json::from_str::<String>(string).unwrap()), rest)
        }
        b't' | b'f' | b'n' => {
            let end = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
            (text[..end].to_owned(), &text[end..])
        }
        _ => {
            let end = text.find(|c: char| !(c.is_alphanumeric() || "+-.".contains(c))).unwrap_or(text.len());
            (decimal(&text[..end]), &text[end..])
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// A decimal without an exponent and without needless zeros, exactly.
pub(crate) fn decimal(text: &str) -> String {
    let text = text.trim().to_lowercase();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i64 = exponent.parse().unwrap_or_else(|_| panic!("`{text}` is no decimal"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    assert!(!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()), "`{text}` is no decimal");
    let point = i64::try_from(whole.len()).unwrap() + exponent;
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    let padded = format!("{}{digits}", zeros(-point));
    let point = usize::try_from(point.max(0)).unwrap();
    let padded = format!("{padded}{}", "0".repeat(point.saturating_sub(padded.len())));
    let (whole, fraction) = padded.split_at(point);
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    match (whole, fraction) {
        ("", "") => "0".to_owned(),
        (whole, "") => format!("{sign}{whole}"),
        ("", fraction) => format!("{sign}0.{fraction}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    }
}

#[test]
fn decimals_and_json_have_one_spelling() {
    for (text, expected) in [
        ("1.50", "1.5"),
        ("-5e-05", "-0.00005"),
        ("1e20", "100000000000000000000"),
        ("1.0e+20", "100000000000000000000"),
        ("-0.0", "0"),
        ("00120.0340", "120.034"),
        ("12345678901234.123456789", "12345678901234.123456789"),
        ("1234.5e2", "123450"),
        ("1234.5e-6", "0.0012345"),
    ] {
        assert_eq!(decimal(text), expected, "{text}");
    }
    assert_eq!(canonical(r#"{"b": [1.0, "\u0041"], "a": null}"#), r#"{"a":null,"b":[1,"A"]}"#);
}
