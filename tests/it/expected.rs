//! What the mirror of a world must hold, told from the page that describes the tables and not from the engine.

use super::rows::{Dump, Row, canonical, decimal};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use zerkalo::sandbox::World;

/// How the records of a table come.
#[derive(Clone, Copy)]
enum Form {
    /// As JSON: an empty text stays one.
    Json,
    /// As XML: everything is text, and an empty element says nothing.
    Xml,
}

/// Where a list of the world is.
type Records = fn(&World) -> &Vec<Value>;

/// Members that never reach the database unless all personal data is wanted.
const PERSONAL: [&str; 8] =
    ["password", "pinCode", "login", "cardNumber", "phone", "cellPhone", "address", "snils"];

/// Elements that are a list also when there is only one.
const LISTS: [&str; 4] = ["rolesIds", "roleCodes", "departmentCodes", "responsibilityDepartmentCodes"];

/// The lists of the iiko server. A column is called after its field, in snake case, unless `=` names another;
/// `#` is an exact decimal, `?` a truth value, `%` an id; the rest is text.
const IIKO: [(&str, Form, Records, &str); 9] = [
    ("iiko_entity", Form::Json, |world| &world.entities, "id% root_type name code deleted?"),
    (
        "iiko_supplier",
        Form::Xml,
        |world| &world.suppliers,
        "id% name code deleted? card_number taxpayer_id_number snils",
    ),
    (
        "iiko_department",
        Form::Xml,
        |world| &world.departments,
        "id% parent_id% name code department_type=type taxpayer_id_number",
    ),
    (
        "iiko_store",
        Form::Xml,
        |world| &world.stores,
        "id% parent_id% name code department_type=type taxpayer_id_number",
    ),
    ("iiko_group", Form::Xml, |world| &world.groups, "id% department_id% name group_service_mode"),
    (
        "iiko_product_group",
        Form::Json,
        |world| &world.product_groups,
        "id% parent_id%=parent name code num description deleted? category% accounting_category% tax_category%",
    ),
    (
        "iiko_product",
        Form::Json,
        |world| &world.products,
        "id% parent_id%=parent name code num description product_type=type deleted? main_unit% category%
         accounting_category% tax_category% default_sale_price# unit_weight# unit_capacity#",
    ),
    (
        "iiko_employee",
        Form::Xml,
        |world| &world.employees,
        "id% name code deleted? first_name middle_name last_name role_id%=mainRoleId",
    ),
    (
        "iiko_employee_role",
        Form::Xml,
        |world| &world.roles,
        "id% name code deleted? payment_per_hour# steady_salary# schedule_type",
    ),
];

/// Lists of which only the active records come.
const ACTIVE_ONLY: [&str; 3] = ["iiko_product", "iiko_product_group", "iiko_employee"];

/// The lists of FinTablo, by the last part of their path.
const FINTABLO: [(&str, &str, &str); 13] = [
    (
        "ft_category",
        "category",
        "id% name parent_id% group type pnl_type description is_built_in?",
    ),
    (
        "ft_moneybag",
        "moneybag",
        "id% name type number currency balance# surplus# surplus_timestamp% group_id% archived? hide_in_total? without_nds?",
    ),
    ("ft_partner", "partner", "id% name inn group_id% comment"),
    ("ft_direction", "direction", "id% name parent_id% description archived?"),
    ("ft_moneybag_group", "moneybag-group", "id% name is_built_in?"),
    ("ft_goods", "goods", "id% name cost# comment quantity# start_quantity# avg_cost#"),
    (
        "ft_obtaining",
        "obtaining",
        "id% goods_id% partner_id% amount# cost# quantity# currency comment date nds#",
    ),
    ("ft_job", "job", "id% name cost# comment direction_id%"),
    (
        "ft_deal",
        "deal",
        "id% name direction_id% amount# currency custom_cost_price# status_id% partner_id% responsible_id% comment
         start_date end_date act_date nds#",
    ),
    ("ft_obligation_status", "obligation-status", "id% name"),
    (
        "ft_obligation",
        "obligation",
        "id% name category_id% direction_id% deal_id% amount# currency status_id% partner_id% comment act_date nds#",
    ),
    ("ft_pnl_category", "pnl-category", "id% name type pnl_type category_id% comment"),
    (
        "ft_employee",
        "employees",
        "id% name date currency regularfix# regularfee# regulartax# inn hired fired comment",
    ),
];

/// Everything that the mirror of `world` holds.
pub(crate) fn mirror(world: &World) -> Dump {
    let mut dump = Dump::new();
    for (table, form, records, columns) in IIKO {
        let kept = |record: &&Value| !ACTIVE_ONLY.contains(&table) || record["deleted"] != true;
        let rows = records(world).iter().filter(kept).map(|record| iiko(table, form, columns, record));
        dump.insert(table.to_owned(), rows.collect());
    }
    for (table, list, columns) in FINTABLO {
        let rows = world.fintablo[list].iter().map(|record| plain(Form::Json, columns, record));
        dump.insert(table.to_owned(), rows.collect());
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

fn iiko(table: &str, form: Form, columns: &str, record: &Value) -> Row {
    let record = match form {
        Form::Json => record.clone(),
        Form::Xml => element(record),
    };
    let mut row = plain(form, columns, &record);
    if ["iiko_department", "iiko_store"].contains(&table) {
        row.insert("deleted".to_owned(), Some("false".to_owned()));
    }
    if table == "iiko_employee" {
        let parts =
            ["lastName", "firstName", "middleName"].map(|part| record[part].as_str().unwrap_or_default());
        let joined = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        if !joined.is_empty() {
            row.insert("name".to_owned(), Some(joined));
        }
    }
    if ["iiko_employee", "iiko_supplier"].contains(&table) {
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
