//! What is transferred: a pure function of the catalogue, the night's balances and the settings.

use super::{names::parts, unmatched};
use crate::{
    config::Transfer,
    decimal::amount,
    error::{Failure, Kind as FailureKind, Result, quote},
    model::{
        documents::{Kind, Line, Payload},
        night::{Short, Skipped, Unmatched},
    },
    names::folded,
    store::outbox::{Catalogue, Named, Product},
    upstreams::iiko::olap::Row,
};
use chrono::{NaiveDate, NaiveDateTime};
use hashbrown::HashMap;
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The groups of the report that is planned from, and what is summed up. With the two aggregates these are the seven
/// fields that iiko allows; the article tells products of one name apart.
pub(super) const GROUPS: [&str; 5] = [ACCOUNT, TOP, NAME, NUM, UNIT];
/// What the report sums up.
pub(super) const AGGREGATES: [&str; 2] = [AMOUNT, "FinalBalance.Money"];

const ACCOUNT: &str = "Account.Name";
pub(super) const TOP: &str = "Product.TopParent";
const NAME: &str = "Product.Name";
const NUM: &str = "Product.Num";
const UNIT: &str = "Product.MeasureUnit";
const AMOUNT: &str = "FinalBalance.Amount";

/// What a plan is made of.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The settings.
    pub settings: &'a Transfer,
    /// Stores, products and units.
    pub catalogue: &'a Catalogue,
    /// The night's balances.
    pub rows: &'a [Row],
    /// How many rows the last report had that was taken.
    pub last_rows: u64,
    /// The day that the documents belong to.
    pub date: NaiveDate,
    /// `dateIncoming` of every document.
    pub date_incoming: NaiveDateTime,
}

/// What is to be transferred, and what is not and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The restaurants that take part, sorted.
    pub restaurants: Vec<String>,
    /// A document for each pair of stores with something negative.
    pub documents: Vec<Planned>,
    /// What is negative and cannot be transferred.
    pub skipped: Vec<Skipped>,
    /// Sources that have less than is taken from them.
    pub short: Vec<Short>,
    /// What matches nothing.
    pub unmatched: Vec<Unmatched>,
}

/// A document of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The restaurant.
    pub restaurant: String,
    /// The store that gives, as iiko calls it.
    pub source: String,
    /// The store that takes.
    pub target: String,
    /// The document.
    pub payload: Payload,
}

impl Planned {
    /// What it is about, for the uniqueness of its row.
    pub fn subject(&self) -> String {
        self.payload.pair()
    }

    /// The same for people.
    pub fn title(&self) -> String {
        format!("{} → {}", self.source.trim(), self.target.trim())
    }
}

/// A restaurant's stores.
struct Restaurant<'a> {
    name: &'a str,
    source: &'a Named,
    targets: Vec<&'a Named>,
}

/// A negative balance.
#[derive(Clone, Copy)]
struct Negative<'a> {
    name: &'a str,
    num: &'a str,
    unit: Option<&'a str>,
    amount: Decimal,
}

/// Makes the plan. Fails when the report holds an amount that is none.
pub fn plan(input: &Input<'_>) -> Result<Plan> {
    let mut plan = Plan::default();
    let restaurants = restaurants(input, &mut plan);
    let balances = balances(input)?;
    let products = Products::new(&input.catalogue.products);
    let units = Units::new(&input.catalogue.units);
    let targets: Vec<&Named> = restaurants.iter().flat_map(|restaurant| restaurant.targets.clone()).collect();
    plan.unmatched = unmatched::prefixes(input, !restaurants.is_empty());
    plan.unmatched.extend(unmatched::in_report(input, &targets));
    for restaurant in &restaurants {
        plan.restaurants.push(restaurant.name.to_owned());
        for target in &restaurant.targets {
            unknown(input, &balances, target, &mut plan);
            let negatives = negatives(input, &balances, target);
            let lines = lines(&negatives, target, &products, &units, &mut plan);
            if lines.is_empty() {
                continue;
            }
            let payload = Payload {
                kind: Kind::Transfer,
                number: String::new(),
                date_incoming: input.date_incoming,
                comment: format!(
                    "Авто-перемещение расх.мат. ({}) {}",
                    restaurant.name,
                    input.date.format("%d.%m.%Y")
                ),
                from: restaurant.source.id,
                to: target.id,
                lines,
            };
            plan.documents.push(Planned {
                restaurant: restaurant.name.to_owned(),
                source: restaurant.source.name.clone(),
                target: target.name.clone(),
                payload,
            });
        }
        shortages(restaurant, &balances, &products, &mut plan);
    }
    plan.skipped.sort();
    Ok(plan)
}

/// The stores of a restaurant by their type, with the restaurant as it is typed.
type Stores<'a> = HashMap<String, Vec<(&'a Named, &'a str)>>;

/// The restaurants that have a source and a target, in the order of their names.
fn restaurants<'a>(input: &Input<'a>, plan: &mut Plan) -> Vec<Restaurant<'a>> {
    let source_kind = folded(&input.settings.source_prefix);
    let mut target_kinds: Vec<String> = Vec::new();
    for kind in input.settings.target_prefixes.iter().map(|name| folded(name)) {
        if !target_kinds.contains(&kind) {
            target_kinds.push(kind);
        }
    }
    let mut found: BTreeMap<String, Stores<'_>> = BTreeMap::new();
    for store in &input.catalogue.stores {
        let Some((kind, restaurant)) = parts(&store.name) else { continue };
        let kind = folded(kind);
        if kind == source_kind || target_kinds.contains(&kind) {
            found.entry(folded(restaurant)).or_default().entry(kind).or_default().push((store, restaurant));
        }
    }
    let mut restaurants = Vec::new();
    for kinds in found.into_values() {
        let (source, name) = match kinds.get(&source_kind).map(Vec::as_slice) {
            Some([(source, name)]) => (*source, *name),
            Some(several) => {
                for (store, _) in several {
                    plan.skipped.push(whole(store, "another store has the same name"));
                }
                continue;
            }
            None => continue,
        };
        let mut targets = Vec::new();
        for kind in &target_kinds {
            match kinds.get(kind).map(Vec::as_slice) {
                Some([(target, _)]) => targets.push(*target),
                Some(several) => {
                    for (store, _) in several {
                        plan.skipped.push(whole(store, "another store has the same name"));
                    }
                }
                None => {}
            }
        }
        if !targets.is_empty() {
            restaurants.push(Restaurant { name, source, targets });
        }
    }
    restaurants
}

fn whole(store: &Named, reason: &str) -> Skipped {
    Skipped {
        store: store.name.trim().to_owned(),
        product: None,
        num: None,
        amount: None,
        reason: reason.to_owned(),
    }
}

/// The name of a row's account; an account without one is no store.
pub(super) fn account(row: &Row) -> Option<&str> {
    row.get(ACCOUNT)
}

/// The report's rows by account, as names are compared, with their amounts. An empty amount is none, and not nothing.
type Balances<'a> = HashMap<String, Vec<(&'a Row, Option<Decimal>)>>;

fn balances<'a>(input: &Input<'a>) -> Result<Balances<'a>> {
    let mut balances: Balances<'a> = HashMap::new();
    for row in input.rows {
        let Some(account) = account(row) else { continue };
        let read = |text: &str| {
            amount::parse(text).ok_or_else(|| {
                Failure::new(
                    FailureKind::InvalidAnswer,
                    format!("iiko reports/olap: {AMOUNT} of a row is no number: {}", quote(text, 40)),
                )
                .hint("nothing was planned; look at the server's version")
            })
        };
        let amount = row.get(AMOUNT).filter(|text| !text.trim().is_empty()).map(read).transpose()?;
        balances.entry(folded(account)).or_default().push((row, amount));
    }
    Ok(balances)
}

/// What a store has of the group that is transferred.
fn of_group<'a>(
    input: &Input<'_>,
    balances: &Balances<'a>,
    store: &Named,
) -> impl Iterator<Item = (&'a Row, Option<Decimal>)> {
    let group = folded(&input.settings.product_group);
    let rows = balances.get(&folded(&store.name)).cloned().unwrap_or_default();
    rows.into_iter().filter(move |(row, _)| row.get(TOP).map(folded).as_ref() == Some(&group))
}

/// Lists what may be negative in a store, but the report gives no amount of it.
fn unknown(input: &Input<'_>, balances: &Balances<'_>, store: &Named, plan: &mut Plan) {
    for (row, _) in of_group(input, balances, store).filter(|(_, amount)| amount.is_none()) {
        let num = row.get(NUM).unwrap_or_default().trim();
        plan.skipped.push(Skipped {
            store: store.name.trim().to_owned(),
            product: Some(row.get(NAME).unwrap_or_default().trim().to_owned()),
            num: Some(num.to_owned()).filter(|num| !num.is_empty()),
            amount: None,
            reason: "iiko's report gives no amount of it".to_owned(),
        });
    }
}

/// What is negative in a store, of the group that is transferred, sorted.
fn negatives<'a>(input: &Input<'_>, balances: &Balances<'a>, store: &Named) -> Vec<Negative<'a>> {
    let mut negatives: Vec<Negative<'_>> = of_group(input, balances, store)
        .filter_map(|(row, amount)| Some((row, amount.filter(|amount| *amount < Decimal::ZERO)?)))
        .map(|(row, amount)| Negative {
            name: row.get(NAME).unwrap_or_default(),
            num: row.get(NUM).unwrap_or_default().trim(),
            unit: row.get(UNIT),
            amount,
        })
        .collect();
    negatives.sort_by_key(|row| (row.name.trim(), row.num, row.unit, row.amount));
    negatives
}

/// The lines of a document. What cannot be told apart is skipped, and so is a product that two rows turn out to be.
fn lines(
    negatives: &[Negative<'_>],
    target: &Named,
    products: &Products<'_>,
    units: &Units<'_>,
    plan: &mut Plan,
) -> Vec<Line> {
    let mut found: Vec<(&Negative<'_>, &Product)> = Vec::new();
    let mut skip = |row: &Negative<'_>, reason: String| {
        plan.skipped.push(Skipped {
            store: target.name.trim().to_owned(),
            product: Some(row.name.trim().to_owned()),
            num: Some(row.num.to_owned()).filter(|num| !num.is_empty()),
            amount: Some(amount::show(-row.amount)),
            reason,
        });
    };
    for row in negatives {
        match products.find(row.num, row.name) {
            Ok(product) => found.push((row, product)),
            Err(reason) => skip(row, reason),
        }
    }
    let times = |id: Uuid| found.iter().filter(|(_, product)| product.id == id).count();
    let mut lines = Vec::new();
    for (row, product) in &found {
        if times(product.id) > 1 {
            skip(row, "two balances are of one product".to_owned());
            continue;
        }
        let unit = product.unit.or_else(|| row.unit.and_then(|name| units.find(name)));
        lines.push(Line {
            product: product.id,
            amount: -row.amount,
            unit,
            num: Some(product.num.trim().to_owned()).filter(|num| !num.is_empty()),
            name: product.name.trim().to_owned(),
            unit_name: row.unit.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
            expected: Some(Decimal::ZERO),
        });
    }
    lines
}

/// Names what a source has less of than is taken from it. A product without a row there has nothing.
fn shortages(restaurant: &Restaurant<'_>, balances: &Balances<'_>, products: &Products<'_>, plan: &mut Plan) {
    let rows = balances.get(&folded(&restaurant.source.name)).map(Vec::as_slice).unwrap_or_default();
    let mut has: HashMap<Uuid, Option<Decimal>> = HashMap::new();
    for (row, amount) in rows {
        let found = products.find(row.get(NUM).unwrap_or_default().trim(), row.get(NAME).unwrap_or_default());
        if let Ok(product) = found {
            let sum = has.entry(product.id).or_insert(Some(Decimal::ZERO));
            *sum = sum.zip(*amount).map(|(sum, amount)| sum + amount);
        }
    }
    let mut taken: BTreeMap<(&str, Uuid), Decimal> = BTreeMap::new();
    let documents = plan.documents.iter().filter(|document| document.payload.from == restaurant.source.id);
    for line in documents.flat_map(|document| &document.payload.lines) {
        *taken.entry((line.name.as_str(), line.product)).or_default() += line.amount;
    }
    for ((name, product), taken) in taken {
        let has = has.get(&product).copied().unwrap_or(Some(Decimal::ZERO));
        if has.is_none_or(|has| has < taken) {
            let store = restaurant.source.name.trim().to_owned();
            plan.short.push(Short { store, product: name.to_owned(), has, taken });
        }
    }
}

/// Products by article and by name.
pub(crate) struct Products<'a> {
    by_num: HashMap<&'a str, Vec<&'a Product>>,
    by_name: HashMap<&'a str, Vec<&'a Product>>,
}

impl<'a> Products<'a> {
    /// Sorts products.
    pub(crate) fn new(products: &'a [Product]) -> Self {
        let (mut by_num, mut by_name) = (HashMap::new(), HashMap::new());
        for product in products {
            let (num, name) = (product.num.trim(), product.name.trim());
            if !num.is_empty() {
                by_num.entry(num).or_insert_with(Vec::new).push(product);
            }
            by_name.entry(name).or_insert_with(Vec::new).push(product);
        }
        Self { by_num, by_name }
    }

    /// The product of an article, else of a name, goods before other types: only when there is one. Else why not.
    pub(crate) fn find(&self, num: &str, name: &str) -> Result<&'a Product, String> {
        if let Some(of_num) = self.by_num.get(num) {
            return match preferred(of_num) {
                Some(product) => Ok(product),
                None => Err(format!("{} products have the article {}", of_num.len(), quote(num, 40))),
            };
        }
        let Some(of_name) = self.by_name.get(name.trim()) else {
            return Err("the mirror has no such product".to_owned());
        };
        match preferred(of_name) {
            Some(product) => Ok(product),
            None => {
                Err(format!("{} products have this name, and no article tells them apart", of_name.len()))
            }
        }
    }
}

/// The only one, or the only one of type GOODS.
fn preferred<'a>(products: &[&'a Product]) -> Option<&'a Product> {
    let goods: Vec<&&Product> = products.iter().filter(|product| product.kind == "GOODS").collect();
    match (products, goods.as_slice()) {
        ([product], _) => Some(product),
        (_, [product]) => Some(product),
        _ => None,
    }
}

/// Units by name.
struct Units<'a>(HashMap<String, Vec<&'a Named>>);

impl<'a> Units<'a> {
    fn new(units: &'a [Named]) -> Self {
        let mut by_name: HashMap<String, Vec<&'a Named>> = HashMap::new();
        for unit in units {
            by_name.entry(folded(&unit.name)).or_default().push(unit);
        }
        Self(by_name)
    }

    /// The unit of a name, when there is one.
    fn find(&self, name: &str) -> Option<Uuid> {
        match self.0.get(&folded(name))?.as_slice() {
            [unit] => Some(unit.id),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
