//! `reports/olap`: the balances of all accounts by names.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use serde_json::Value;

use super::{Call, XML};
use crate::sandbox::{
    render,
    wire::Reply,
    world::{Amount, World},
};

/// The most fields of one report (iiko REST API documentation, restrictions).
const MOST_FIELDS: usize = 7;

/// What rows can be grouped by.
const GROUPS: [&str; 7] = [
    "Account.Name",
    "Product.TopParent",
    "Product.SecondParent",
    "Product.Name",
    "Product.Num",
    "Product.MeasureUnit",
    "Product.Type",
];
/// What can be summed.
const SUMS: [&str; 2] = ["FinalBalance.Amount", "FinalBalance.Money"];

/// A posting's place and product by their names, in the order of [`GROUPS`], with amount and money.
struct Line {
    names: [Option<String>; GROUPS.len()],
    sums: [Amount; SUMS.len()],
}

/// Answers a `TRANSACTIONS` report. The final balance is that of the end of `to`.
pub(super) fn report(call: &Call<'_>) -> Result<Reply, Reply> {
    let bad = |text: String| Err(Reply::text(400, text));
    match call.all("report").last() {
        Some("TRANSACTIONS") => {}
        None => return bad("Argument for @NotNull parameter 'report' must not be null".to_owned()),
        Some(other) => return Err(super::unplayed(&format!("the OLAP report {other}"))),
    }
    let (from, to) = (date(call, "from")?, date(call, "to")?);
    if from > to {
        return bad(format!("Wrong period: {from} is after {to}"));
    }
    if call.flag("summary", false)? {
        return Err(super::unplayed("summary=true"));
    }
    let groups = columns(call, "groupRow", &GROUPS)?;
    let sums = columns(call, "agr", &SUMS)?;
    let fields = groups.len() + sums.len();
    if fields > MOST_FIELDS {
        return bad(format!("Too many OLAP fields: {fields}, at most {MOST_FIELDS} are allowed"));
    }
    if let Some(body) = call.shared.recorded.whole("olap") {
        return Ok(Reply::new(200, XML, body));
    }
    let end = to.and_time(NaiveTime::MIN) + TimeDelta::days(1) - TimeDelta::milliseconds(1);
    let world = call.shared.world();
    let mut rows: BTreeMap<Vec<Option<String>>, [Amount; SUMS.len()]> = BTreeMap::new();
    for line in lines(&world, end) {
        let key = groups.iter().map(|group| line.names[*group].clone()).collect();
        let row = rows.entry(key).or_default();
        for (sum, part) in row.iter_mut().zip(line.sums) {
            *sum = *sum + part;
        }
    }
    Ok(Reply::new(200, XML, xml(&call.shared.options.olap_root, &groups, &sums, &rows)))
}

/// A date as this report wants it.
fn date(call: &Call<'_>, name: &str) -> Result<NaiveDate, Reply> {
    let text = call.all(name).last().ok_or_else(|| {
        Reply::text(400, format!("Argument for @NotNull parameter '{name}' must not be null"))
    })?;
    let date = NaiveDate::parse_from_str(text, "%d.%m.%Y").ok().filter(|_| text.len() == 10);
    date.ok_or_else(|| Reply::text(400, format!("Wrong date format: {text}")))
}

/// The indexes of the fields that were asked for; at least one, none twice.
fn columns(call: &Call<'_>, name: &str, known: &[&str]) -> Result<Vec<usize>, Reply> {
    let mut columns = Vec::new();
    for field in call.all(name) {
        let column = known.iter().position(|known| *known == field);
        let column = column.ok_or_else(|| super::unplayed(&format!("the OLAP field {field} in {name}")))?;
        if columns.contains(&column) {
            return Err(Reply::text(400, format!("OLAP field twice in {name}: '{field}'")));
        }
        columns.push(column);
    }
    if columns.is_empty() {
        return Err(Reply::text(400, format!("Argument for @NotNull parameter '{name}' must not be null")));
    }
    Ok(columns)
}

/// What all accounts hold of all products at `end`, one line a posting.
fn lines(world: &World, end: NaiveDateTime) -> Vec<Line> {
    let names = Names::new(world);
    let mut lines = Vec::new();
    for row in &world.balances {
        let [store, product] = ["store", "product"].map(|field| row[field].as_str().unwrap_or_default());
        let sums = [Amount::of(&row["amount"]), Amount::of(&row["sum"])];
        lines.push(Line { names: names.of(store, Some(product)), sums });
    }
    for ((place, product), amount) in world.stock_moves(Some(end)) {
        // Documents of this stand-in carry no cost, so money stays where it is.
        let sums = [amount, Amount::default()];
        lines.push(Line { names: names.of(&place, Some(&product)), sums });
    }
    // Accounts that are no stores: the expenses hold what was used up of every third balance, so that they
    // have negative consumables too, and all of them some money of no product.
    for (index, account) in world.entities.iter().filter(|entity| entity["rootType"] == "Account").enumerate()
    {
        let id = account["id"].as_str().unwrap_or_default();
        let money = Amount::parse(&(index * 15_000).to_string()).unwrap_or_default();
        lines.push(Line { names: names.of(id, None), sums: [Amount::default(), money] });
        if account["type"] == "EXPENSES" {
            for row in world.balances.iter().step_by(3) {
                let product = row["product"].as_str().unwrap_or_default();
                let sums = [-Amount::of(&row["amount"]), -Amount::of(&row["sum"])];
                lines.push(Line { names: names.of(id, Some(product)), sums });
            }
        }
    }
    lines
}

/// The records that names come from, by id.
struct Names<'a> {
    places: BTreeMap<&'a str, &'a Value>,
    products: BTreeMap<&'a str, &'a Value>,
    groups: BTreeMap<&'a str, &'a Value>,
    units: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Names<'a> {
    fn new(world: &'a World) -> Self {
        let entities = |root_type: &'static str| {
            world.entities.iter().filter(move |entity| entity["rootType"] == root_type)
        };
        Self {
            places: by_id(world.stores.iter().chain(entities("Account"))),
            products: by_id(world.products.iter()),
            groups: by_id(world.product_groups.iter()),
            units: by_id(entities("MeasureUnit")),
        }
    }

    /// The names of a place and a product in the order of [`GROUPS`], untrimmed. What is unknown has none.
    fn of(&self, place: &str, product: Option<&str>) -> [Option<String>; GROUPS.len()] {
        let text = |record: Option<&&Value>, field: &str| {
            record.and_then(|record| record[field].as_str()).map(str::to_owned)
        };
        let product = product.and_then(|id| self.products.get(id));
        let parents = product.map(|product| self.parents(product)).unwrap_or_default();
        let unit = product.and_then(|product| self.units.get(product["mainUnit"].as_str()?));
        [
            text(self.places.get(place), "name"),
            text(parents.last(), "name"),
            text(parents.len().checked_sub(2).and_then(|second| parents.get(second)), "name"),
            text(product, "name"),
            text(product, "num"),
            text(unit, "name"),
            text(product, "type"),
        ]
    }

    /// A product's groups from its own to the topmost.
    fn parents(&self, product: &Value) -> Vec<&'a Value> {
        let parent = |record: &Value| self.groups.get(record["parent"].as_str()?).copied();
        // No more steps than groups: a test may have made a circle of them.
        std::iter::successors(parent(product), |group| parent(group)).take(self.groups.len()).collect()
    }
}

fn by_id<'a>(records: impl Iterator<Item = &'a Value>) -> BTreeMap<&'a str, &'a Value> {
    records.filter_map(|record| Some((record["id"].as_str()?, record))).collect()
}

/// The document: within a row the elements come in an order of their own, as from a hash map.
fn xml(
    root: &str,
    groups: &[usize],
    sums: &[usize],
    rows: &BTreeMap<Vec<Option<String>>, [Amount; SUMS.len()]>,
) -> String {
    let declaration = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#;
    if rows.is_empty() {
        return format!("{declaration}\n<{root}/>");
    }
    let row = |(index, (names, amounts)): (usize, (&Vec<Option<String>>, &[Amount; SUMS.len()]))| {
        let names = groups.iter().zip(names).map(|(group, name)| cell(GROUPS[*group], name.as_deref()));
        let sums = sums.iter().map(|sum| cell(SUMS[*sum], Some(&number(amounts[*sum], index))));
        let mut cells: Vec<_> = names.chain(sums).collect();
        let turn = index % cells.len();
        cells.rotate_left(turn);
        if index % 2 == 1 {
            cells.reverse();
        }
        format!("<r>{}</r>", cells.concat())
    };
    let rows: String = rows.iter().enumerate().map(row).collect();
    format!("{declaration}\n<{root}>{rows}</{root}>")
}

/// An element; an empty one for null.
fn cell(field: &str, value: Option<&str>) -> String {
    let Some(value) = value else { return format!("<{field}/>") };
    let mut text = String::new();
    render::escape(&mut text, value);
    format!("<{field}>{text}</{field}>")
}

/// A number with nine decimals, sometimes eighteen; nothing is `0`.
fn number(amount: Amount, index: usize) -> String {
    if amount.is_zero() {
        return "0".to_owned();
    }
    let text = amount.to_string();
    let decimals = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let point = if decimals == 0 { "." } else { "" };
    let scale = if index % 7 == 3 { 18 } else { 9 };
    format!("{text}{point}{}", "0".repeat(scale - decimals))
}
