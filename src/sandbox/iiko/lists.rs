//! The lists of the iiko server: which records an answer holds.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Call, JSON, XML};
use crate::sandbox::{
    recorded,
    render::{self, Document},
    wire::Reply,
    world::{Amount, World},
};

/// The root types (iiko REST API documentation, directories).
const ROOT_TYPES: &[&str] = &[
    "Account",
    "AccountingCategory",
    "AlcoholClass",
    "AllergenGroup",
    "AttendanceType",
    "Conception",
    "CookingPlaceType",
    "DiscountType",
    "MeasureUnit",
    "OrderType",
    "PaymentType",
    "ProductCategory",
    "ProductScale",
    "ProductSize",
    "ScheduleType",
    "TaxCategory",
];

const CORPORATE: Document = Document {
    root: "corporateItemDtoes",
    record: "corporateItemDto",
    first: &["id", "parentId", "code", "name", "type", "taxpayerIdNumber"],
};
const SECTIONS: Document = Document {
    root: "groupDtoes",
    record: "groupDto",
    first: &["id", "name", "departmentId", "groupServiceMode", "pointOfSaleDtoes", "main"],
};
const TILLS: Document = Document {
    root: "terminalDtoes",
    record: "terminalDto",
    first: &["id", "name", "computerName", "anonymous", "groupInfo"],
};
const PEOPLE: Document = Document {
    root: "employees",
    record: "employee",
    first: &[
        "id",
        "code",
        "name",
        "login",
        "password",
        "mainRoleId",
        "rolesIds",
        "mainRoleCode",
        "roleCodes",
        "phone",
        "cellPhone",
        "firstName",
        "middleName",
        "lastName",
        "birthday",
        "email",
        "address",
        "hireDate",
        "hireDocumentNumber",
        "fireDate",
        "note",
        "cardNumber",
        "pinCode",
        "taxpayerIdNumber",
        "snils",
        "gln",
        "activationDate",
        "deactivationDate",
        "preferredDepartmentCode",
        "departmentCodes",
        "responsibilityDepartmentCodes",
        "deleted",
        "supplier",
        "employee",
        "client",
    ],
};
const POSTS: Document = Document {
    root: "employeeRoles",
    record: "role",
    first: &["id", "code", "name", "paymentPerHour", "steadySalary", "scheduleType", "deleted"],
};

/// Answers with the records that `keep` keeps. `filter` names what was asked for: without it a recorded
/// answer goes out as it is, and a rendered one is kept for the next time.
fn list(
    call: &Call<'_>,
    name: &str,
    filter: &str,
    content_type: &str,
    records: fn(&World) -> &Vec<Value>,
    keep: impl Fn(&Value) -> bool,
    render: impl Fn(&[&Value]) -> Bytes,
) -> Reply {
    let recorded = &call.shared.recorded;
    let unfiltered = filter.is_empty() || filter == "includeDeleted";
    let body = match recorded.whole(name) {
        Some(body) if unfiltered || content_type == XML => body,
        Some(_) => recorded::join(&recorded.records(name, keep).unwrap_or_default()),
        None => {
            let key = unfiltered.then(|| format!("{name} {filter}"));
            call.shared.world().rendered(key, |world| {
                let kept: Vec<_> = records(world).iter().filter(|record| keep(record)).collect();
                render(&kept)
            })
        }
    };
    Reply::new(200, content_type, body)
}

/// The part of the cache key that says whether deleted records are in.
fn deleted_part(include: bool) -> &'static str {
    if include { "includeDeleted" } else { "" }
}

/// Filters by repeated parameters: each named one must hold the record's field, an empty value standing for
/// null.
struct Filters<'a>(Vec<(&'static str, Vec<&'a str>)>);

impl<'a> Filters<'a> {
    fn new(call: &'a Call<'_>, fields: &[(&'static str, &'static str)]) -> Self {
        let wanted =
            fields.iter().map(|(parameter, field)| (*field, call.all(parameter).collect::<Vec<_>>()));
        Self(wanted.filter(|(_, values)| !values.is_empty()).collect())
    }

    fn keep(&self, record: &Value) -> bool {
        self.0.iter().all(|(field, values)| values.contains(&record[*field].as_str().unwrap_or_default()))
    }

    /// What tells this selection from the full list.
    fn part(&self, include_deleted: bool) -> &'static str {
        if self.0.is_empty() { deleted_part(include_deleted) } else { "filtered" }
    }
}

/// Refuses a parameter that should hold ids and does not.
fn check_ids(call: &Call<'_>, parameters: &[&str], what: &str, empty_allowed: bool) -> Result<(), Reply> {
    for value in parameters.iter().flat_map(|parameter| call.all(parameter)) {
        if !(value.is_empty() && empty_allowed) && Uuid::try_parse(value).is_err() {
            return Err(Reply::text(400, format!("Malformed {what} id: '{value}'")));
        }
    }
    Ok(())
}

/// `v2/entities/list`: deleted records are in unless refused.
pub(super) fn entities(call: &Call<'_>) -> Result<Reply, Reply> {
    let options = &call.shared.options;
    let include = call.flag("includeDeleted", true)?;
    let wanted: Vec<_> = call.all("rootType").collect();
    if wanted.is_empty() {
        return Err(Reply::text(400, "Argument for @NotNull parameter 'rootType' must not be null"));
    }
    let unknown = |kind: &&&str| {
        !ROOT_TYPES.contains(kind) || options.unknown_root_types.iter().any(|unknown| unknown == **kind)
    };
    if let Some(kind) = wanted.iter().find(unknown) {
        return Err(Reply::text(400, format!("Unknown rootType: '{kind}'")));
    }
    if wanted.len() > 1 && !options.many_root_types {
        return Err(Reply::text(400, "Only one rootType is supported"));
    }
    let all = ROOT_TYPES.iter().all(|kind| wanted.contains(kind));
    let keep = |record: &Value| {
        (include || record["deleted"] != true)
            && record["rootType"].as_str().is_some_and(|kind| wanted.contains(&kind))
    };
    let filter = if all { deleted_part(include) } else { "filtered" };
    Ok(list(call, "entities", filter, JSON, |world| &world.entities, keep, render::json))
}

/// `v2/entities/products/list`: deleted products only on request, also when asked for by id.
pub(super) fn products(call: &Call<'_>) -> Result<Reply, Reply> {
    if call.request.method == "GET" && call.all("codes").next().is_some() {
        return Err(super::unplayed("the parameter codes of a GET"));
    }
    let include = call.flag("includeDeleted", false)?;
    check_ids(call, &["ids"], "Product", false)?;
    check_ids(call, &["parentIds", "categoryIds"], "Entity", true)?;
    let fields = [
        ("ids", "id"),
        ("nums", "num"),
        ("types", "type"),
        ("parentIds", "parent"),
        ("categoryIds", "category"),
        ("codes", "code"),
    ];
    let filters = Filters::new(call, &fields);
    let keep = |record: &Value| (include || record["deleted"] != true) && filters.keep(record);
    Ok(list(call, "products", filters.part(include), JSON, |world| &world.products, keep, render::json))
}

/// `v2/entities/products/group/list`.
pub(super) fn product_groups(call: &Call<'_>) -> Result<Reply, Reply> {
    let include = call.flag("includeDeleted", false)?;
    check_ids(call, &["ids"], "ProductGroup", false)?;
    check_ids(call, &["parentIds"], "ProductGroup", true)?;
    let filters =
        Filters::new(call, &[("ids", "id"), ("parentIds", "parent"), ("nums", "num"), ("codes", "code")]);
    let keep = |record: &Value| (include || record["deleted"] != true) && filters.keep(record);
    Ok(list(
        call,
        "product_groups",
        filters.part(include),
        JSON,
        |world| &world.product_groups,
        keep,
        render::json,
    ))
}

/// `v2/reports/balance/stores`: the opening balances and what documents dated up to the time that was asked
/// for have moved. A date alone is the end of the day before. Recorded balances do not move.
pub(super) fn balances(call: &Call<'_>) -> Result<Reply, Reply> {
    let Some(timestamp) = call.all("timestamp").last() else {
        return Err(Reply::text(400, "Argument for @NotNull parameter 'timestamp' must not be null"));
    };
    let time = NaiveDateTime::parse_from_str(timestamp, "%Y-%m-%dT%H:%M:%S").ok();
    let day =
        || NaiveDate::parse_from_str(timestamp, "%Y-%m-%d").ok().map(|day| day.and_time(NaiveTime::MIN));
    let time =
        time.or_else(day).ok_or_else(|| Reply::text(400, format!("Wrong date format: {timestamp}")))?;
    check_ids(call, &["department", "store", "product"], "Entity", false)?;
    let departments: Vec<_> = call.all("department").collect();
    let stores: Option<Vec<String>> = (!departments.is_empty()).then(|| {
        let world = call.shared.world();
        let inside =
            |store: &&Value| store["parentId"].as_str().is_some_and(|parent| departments.contains(&parent));
        world
            .stores
            .iter()
            .filter(inside)
            .filter_map(|store| store["id"].as_str().map(str::to_owned))
            .collect()
    });
    let filters = Filters::new(call, &[("store", "store"), ("product", "product")]);
    let keep = |record: &Value| {
        let inside = |stores: &Vec<String>| stores.iter().any(|store| record["store"] == store.as_str());
        filters.keep(record) && stores.as_ref().is_none_or(inside)
    };
    let moves = call.shared.world().stock_moves(Some(time));
    if moves.is_empty() || call.shared.recorded.whole("balances").is_some() {
        let filter = if stores.is_some() { "filtered" } else { filters.part(false) };
        return Ok(list(call, "balances", filter, JSON, |world| &world.balances, keep, render::json));
    }
    Ok(Reply::new(200, JSON, moved_balances(&call.shared.world(), moves, keep)))
}

/// The balances with moves; an amount that was moved is written exactly.
fn moved_balances(
    world: &World,
    mut moves: BTreeMap<(String, String), Amount>,
    keep: impl Fn(&Value) -> bool,
) -> String {
    let mut rows = Vec::new();
    let mut put = |record: &Value, moved: Amount| {
        let amount = Amount::of(&record["amount"]) + moved;
        let Value::Object(fields) = record else { return };
        let fields = fields.iter().map(|(name, value)| match name.as_str() {
            "amount" => format!(r#""amount":{amount}"#),
            _ => format!(r#""{name}":{value}"#),
        });
        rows.push(format!("{{{}}}", fields.collect::<Vec<_>>().join(",")));
    };
    for record in world.balances.iter().filter(|record| keep(record)) {
        let [store, product] = ["store", "product"].map(|field| record[field].as_str().unwrap_or_default());
        let change = moves.remove(&(store.to_owned(), product.to_owned()));
        put(record, change.unwrap_or_default());
    }
    let stores: Vec<_> = world.stores.iter().filter_map(|store| store["id"].as_str()).collect();
    for ((store, product), moved) in moves {
        let record = json!({"store": store, "product": product, "amount": 0, "sum": 0});
        // What a write-off puts on its account is no stock.
        if stores.contains(&store.as_str()) && keep(&record) {
            put(&record, moved);
        }
    }
    format!("[{}]", rows.join(","))
}

/// A list of the XML interface.
pub(super) struct XmlList {
    name: &'static str,
    document: Document,
    records: fn(&World) -> &Vec<Value>,
    /// Whether deleted records come only with `includeDeleted=true`; elsewhere they come always.
    hides_deleted: bool,
}

/// `suppliers`: the root is that of the employees.
pub(super) const SUPPLIERS: XmlList =
    XmlList { name: "suppliers", document: PEOPLE, records: |world| &world.suppliers, hides_deleted: false };
/// `corporation/departments`.
pub(super) const DEPARTMENTS: XmlList = XmlList {
    name: "departments",
    document: CORPORATE,
    records: |world| &world.departments,
    hides_deleted: false,
};
/// `corporation/stores`.
pub(super) const STORES: XmlList =
    XmlList { name: "stores", document: CORPORATE, records: |world| &world.stores, hides_deleted: false };
/// `corporation/groups`.
pub(super) const GROUPS: XmlList =
    XmlList { name: "groups", document: SECTIONS, records: |world| &world.groups, hides_deleted: false };
/// `corporation/terminals`.
pub(super) const TERMINALS: XmlList =
    XmlList { name: "terminals", document: TILLS, records: |world| &world.terminals, hides_deleted: false };
/// `employees`.
pub(super) const EMPLOYEES: XmlList =
    XmlList { name: "employees", document: PEOPLE, records: |world| &world.employees, hides_deleted: true };
/// `employees/roles`.
pub(super) const ROLES: XmlList =
    XmlList { name: "roles", document: POSTS, records: |world| &world.roles, hides_deleted: false };

/// Answers with a list of the XML interface.
pub(super) fn xml(call: &Call<'_>, kind: &XmlList) -> Result<Reply, Reply> {
    let include = !kind.hides_deleted || call.flag("includeDeleted", false)?;
    let keep = |record: &Value| include || record["deleted"] != true;
    let render = |records: &[&Value]| render::xml(&kind.document, records);
    Ok(list(call, kind.name, deleted_part(include), XML, kind.records, keep, render))
}
