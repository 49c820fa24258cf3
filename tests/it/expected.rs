//! What the mirror of a world must hold, told from the stand-in's records and the declared columns and not from the engine.

use super::rows::{Dump, Row, canonical, decimal};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use zerkalo::{
    engine::{Column, Kind, Table},
    sandbox::World,
    tables::{self, Feed},
};

/// How the records of a table come.
#[derive(Clone, Copy)]
enum Form {
    /// As JSON: an empty text stays one.
    Json,
    /// As XML: everything is text, and an empty element says nothing.
    Xml,
}

/// Members that never reach the database unless all personal data is wanted.
const PERSONAL: [&str; 8] =
    ["password", "pinCode", "login", "cardNumber", "phone", "cellPhone", "address", "snils"];

/// Elements that are a list also when there is only one.
const LISTS: [&str; 4] = ["rolesIds", "roleCodes", "departmentCodes", "responsibilityDepartmentCodes"];

/// Lists of which only the active records come.
const ACTIVE_ONLY: [&str; 3] = ["v2/entities/products/list", "v2/entities/products/group/list", "employees"];

/// Columns that are not called after their field, in snake case.
const RENAMED: [(&str, &str); 7] = [
    ("parent_id", "parent"),
    ("department_type", "type"),
    ("product_type", "type"),
    ("role_id", "mainRoleId"),
    ("store_id", "store"),
    ("product_id", "product"),
    ("money", "sum"),
];

/// The records that a table mirrors, and how they come; none where it holds something else than the upstream's records.
fn records<'a>(world: &'a World, feed: &Feed) -> Option<(&'static str, Form, &'a [Value])> {
    let (path, form) = match feed {
        Feed::FinTablo { path, .. } => return Some((path, Form::Json, &world.fintablo[*path])),
        Feed::IikoJson { path, .. } | Feed::IikoDirectories { path, .. } => (*path, Form::Json),
        Feed::IikoXml { path, .. } => (*path, Form::Xml),
        Feed::IikoBalances { .. } | Feed::SheetLevels | Feed::StopLists => return None,
    };
    Some((path, form, world.list(path)?))
}

/// The columns that are members of the record. A column is called after its field, in snake case, unless `=` names another;
/// `#` is an exact decimal, `?` a truth value, `%` an id; the rest is text.
fn columns(table: &Table) -> String {
    let column = |column: &Column| {
        let mark = match column.kind {
            Kind::Text => "",
            Kind::Decimal => "#",
            Kind::Bool => "?",
            Kind::Uuid | Kind::Int => "%",
        };
        let field = column.fields().last()?;
        Some(format!("{}{mark}={field} ", column.name))
    };
    table.columns.iter().filter_map(column).collect()
}

/// Everything that the mirror of `world` holds.
pub(crate) fn mirror(world: &World) -> Dump {
    let mut dump = Dump::new();
    for entity in tables::all() {
        let Some((path, form, records)) = records(world, &entity.feed) else { continue };
        let columns = columns(&entity.table);
        let kept = |record: &&Value| !ACTIVE_ONLY.contains(&path) || record["deleted"] != true;
        let rows = records.iter().filter(kept).map(|record| row(path, form, &columns, record));
        dump.insert(entity.table.name.to_owned(), rows.collect());
    }
    dump.insert("stock_balance".to_owned(), balances(world));
    // Nobody has typed anything into a sheet.
    dump.insert("min_stock_level".to_owned(), Vec::new());
    // The morning does not look at the stop-list.
    dump.insert("active_stoplist".to_owned(), Vec::new());
    for rows in dump.values_mut() {
        rows.sort();
    }
    dump
}

fn row(path: &str, form: Form, columns: &str, record: &Value) -> Row {
    let record = match form {
        Form::Json => record.clone(),
        Form::Xml => element(record),
    };
    let mut row = plain(form, columns, &record);
    if ["corporation/departments", "corporation/stores"].contains(&path) {
        row.insert("deleted".to_owned(), Some("false".to_owned()));
    }
    if path == "employees" {
        let parts =
            ["lastName", "firstName", "middleName"].map(|part| record[part].as_str().unwrap_or_default());
        let joined = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        if !joined.is_empty() {
            row.insert("name".to_owned(), Some(joined));
        }
    }
    if ["employees", "suppliers"].contains(&path) {
        let mut record = record;
        record.as_object_mut().unwrap().retain(|name, _| !PERSONAL.contains(&name.as_str()));
        row.insert("raw_json".to_owned(), Some(canonical(&record.to_string())));
    }
    row
}

/// A record whose columns are its members.
fn plain(form: Form, columns: &str, record: &Value) -> Row {
    let mut row: Row = columns.split_whitespace().map(|column| value(form, column, record)).collect();
    row.insert("raw_json".to_owned(), Some(canonical(&record.to_string())));
    row
}

fn value(form: Form, column: &str, record: &Value) -> (String, Option<String>) {
    let (column, field) = column.split_once('=').unwrap_or((column, ""));
    let name = column.trim_end_matches(['#', '?', '%']);
    let field = if field.is_empty() { camel(name) } else { field.to_owned() };
    let kind = &column[name.len()..];
    let text = match &record[&field] {
        Value::Null => None,
        Value::String(text) if text.is_empty() && (!kind.is_empty() || matches!(form, Form::Xml)) => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let text = text.map(|text| match (kind, text.as_str()) {
        ("#", text) => decimal(text),
        ("?", "0") => "false".to_owned(),
        ("?", "1") => "true".to_owned(),
        _ => text,
    });
    (name.to_owned(), text)
}

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| name + &part[..1].to_uppercase() + &part[1..])
}

/// A record as it looks after its way through XML.
fn element(value: &Value) -> Value {
    match value {
        Value::Object(fields) if fields.get("@xsi:nil").is_some() => Value::Null,
        Value::Object(fields) => {
            let mut out = Map::new();
            for (name, value) in fields {
                let many = LISTS.contains(&name.as_str());
                let value = match value {
                    Value::Null => continue,
                    Value::Array(items) if items.is_empty() => continue,
                    Value::Array(items) if items.len() == 1 && !many => element(&items[0]),
                    Value::Array(items) => items.iter().map(element).collect(),
                    one if many => Value::Array(vec![element(one)]),
                    one => element(one),
                };
                out.insert(name.clone(), value);
            }
            Value::Object(out)
        }
        Value::String(text) if text.is_empty() => Value::Null,
        Value::String(_) | Value::Null => value.clone(),
        other => Value::String(other.to_string()),
    }
}

fn balances(world: &World) -> Vec<Row> {
    let names = |records: &[Value]| -> HashMap<String, String> {
        let text = |record: &Value, field: &str| record[field].as_str().unwrap().to_owned();
        records.iter().map(|record| (text(record, "id"), text(record, "name"))).collect()
    };
    let (stores, products) = (names(&world.stores), names(&world.products));
    let name = |names: &HashMap<String, String>, id: &Value| {
        let id = id.as_str().unwrap();
        names.get(id).cloned().unwrap_or_else(|| format!("unknown:{id}"))
    };
    let row = |record: &Value| {
        let mut row = plain(Form::Json, "store_id%=store product_id%=product amount# money#=sum", record);
        row.insert("store_name".to_owned(), Some(name(&stores, &record["store"])));
        row.insert("product_name".to_owned(), Some(name(&products, &record["product"])));
        row
    };
    world.balances.iter().filter(|record| record["amount"].as_f64() != Some(0.0)).map(row).collect()
}

/// Compares what is stored with what must be, and shows the first rows that differ.
#[track_caller]
pub(crate) fn assert_same(actual: &Dump, expected: &Dump) {
    let tables = |dump: &Dump| dump.keys().cloned().collect::<Vec<_>>();
    assert_eq!(tables(actual), tables(expected));
    for (table, expected) in expected {
        let actual = &actual[table];
        let lacking = |some: &[Row], others: &[Row]| -> Vec<Row> {
            some.iter().filter(|row| !others.contains(row)).take(2).cloned().collect()
        };
        assert!(
            actual == expected,
            "{table}: {} rows, {} expected\nmust not be there: {:#?}\nlacking: {:#?}",
            actual.len(),
            expected.len(),
            lacking(actual, expected),
            lacking(expected, actual)
        );
    }
}

/// The number of rows of each table.
pub(crate) fn sizes(dump: &Dump) -> BTreeMap<String, usize> {
    dump.iter().map(|(table, rows)| (table.clone(), rows.len())).collect()
}

/// Whether a record of the stand-in has what a column of that kind holds.
fn fits(kind: Kind, value: &Value) -> bool {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let is_number = |text: &str| text.parse::<f64>().is_ok();
    text.is_empty()
        || value.is_null()
        || match kind {
            Kind::Uuid => uuid::Uuid::try_parse(&text).is_ok(),
            Kind::Int => text.parse::<i64>().is_ok(),
            Kind::Decimal => is_number(&text),
            Kind::Bool => ["0", "1", "true", "false"].contains(&text.as_str()),
            Kind::Text => value.is_string() || value.is_number(),
        }
}

#[test]
fn the_stand_in_has_the_lists_that_are_declared() {
    let world = World::generate(1, 1);
    let names = |feed: &Feed| match feed {
        Feed::FinTablo { path, .. } => Some((*path).to_owned()),
        _ => None,
    };
    let declared: BTreeSet<String> = tables::all().filter_map(|entity| names(&entity.feed)).collect();
    assert_eq!(world.fintablo.keys().cloned().collect::<BTreeSet<_>>(), declared);
    let mut types = world.entities.iter().map(|record| record["rootType"].as_str().unwrap());
    assert_eq!(types.find(|name| !tables::ROOT_TYPES.contains(name)), None, "a root type is not declared");
    for entity in tables::all() {
        let records = match &entity.feed {
            Feed::IikoBalances { .. } => &world.balances,
            Feed::SheetLevels | Feed::StopLists => continue,
            feed => records(&world, feed).unwrap_or_else(|| panic!("{}: no list", entity.table.name)).2,
        };
        for column in entity.table.columns {
            let place = format!("{}.{}", entity.table.name, column.name);
            for field in column.fields() {
                let values: Vec<&Value> = records.iter().filter_map(|record| record.get(field)).collect();
                assert!(!values.is_empty(), "{place}: no record has {field}");
                assert!(values.iter().all(|value| fits(column.kind, value)), "{place}: {values:?}");
            }
            if let [field] = column.fields().collect::<Vec<_>>()[..] {
                let is_renamed = RENAMED.contains(&(column.name, field));
                assert!(is_renamed || camel(column.name) == field, "{place} is {field}");
            }
        }
    }
}
