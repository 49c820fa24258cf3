//! The names of an act, looked up in the mirror.

use super::file::{Act, Day, Faults, Item, Wanted};
use crate::{
    decimal::amount,
    error::{Failure, Kind, Result, quote},
    jobs::{context::Context, negative_transfer::plan::Products},
    model::documents::{Kind as DocumentKind, Line, Payload, key},
    names::folded,
    store::outbox::{Catalogue, Named, Product},
};
use chrono::{NaiveDateTime, NaiveTime, Timelike as _};
use uuid::Uuid;

/// The document of an act, what people call it, and the digest of what it says. Fails with every line that cannot be
/// looked up.
pub(super) fn resolved(
    ctx: &Context,
    file: &str,
    act: &Act,
    catalogue: &Catalogue,
) -> Result<(Payload, String, String)> {
    let store = place(file, "store", &act.store, &catalogue.stores)?;
    let account = place(file, "account", &act.account, &catalogue.accounts)?;
    let date_incoming = moment(ctx, act.date.expect("an act without a date is not read"));
    let lines = lines(file, &act.items, catalogue)?;
    let title = format!("{} → {}", store.name.trim(), account.name.trim());
    let date = date_incoming.date();
    let mut said: Vec<String> = lines
        .iter()
        .map(|line| format!("{} {}", line.product.hyphenated(), amount::show(line.amount)))
        .collect();
    said.sort();
    let said = format!("{} {} {date} {}", store.id.hyphenated(), account.id.hyphenated(), said.join(","));
    let subject = key::digest(&said);
    let comment = act.comment.clone().unwrap_or_else(|| format!("Списание {}", date.format("%d.%m.%Y")));
    let payload = Payload {
        kind: DocumentKind::Writeoff,
        number: String::new(),
        date_incoming,
        comment,
        from: store.id,
        to: account.id,
        lines,
    };
    Ok((payload, title, subject))
}

/// `dateIncoming`: what the act says; of today the time of this start, of another day its last minute.
fn moment(ctx: &Context, day: Day) -> NaiveDateTime {
    let now = ctx.started_at.with_timezone(&ctx.clock.zone()).naive_local();
    let minute = now.with_second(0).and_then(|time| time.with_nanosecond(0)).unwrap_or(now);
    match day {
        Day::Time(time) => time,
        Day::Date(date) if date == now.date() => minute,
        Day::Date(date) => date.and_time(NaiveTime::from_hms_opt(23, 59, 0).expect("a time of day")),
    }
}

/// The one store or account of an id, a code or a name.
fn place<'a>(file: &str, what: &str, wanted: &str, all: &'a [Named]) -> Result<&'a Named> {
    let refuse = |text: String| {
        Failure::new(Kind::Usage, format!("{file}: {text}"))
            .hint("nothing was posted; name it by its id, or as iiko calls it, then start this again")
    };
    if let Ok(id) = Uuid::try_parse(wanted) {
        let found = all.iter().find(|named| named.id == id);
        return found.ok_or_else(|| refuse(format!("the mirror has no {what} of the id {id}")));
    }
    let by = |matches: &dyn Fn(&Named) -> bool| all.iter().filter(|named| matches(named)).collect::<Vec<_>>();
    let mut found = by(&|named| folded(&named.name) == folded(wanted));
    if found.is_empty() {
        found = by(&|named| named.code.trim() == wanted);
    }
    match found[..] {
        [one] => Ok(one),
        [] => Err(refuse(format!("the mirror has no {what} `{}`", quote(wanted, 60)))),
        _ => Err(refuse(format!("{} are called {what} `{}`", found.len(), quote(wanted, 60)))),
    }
}

fn lines(file: &str, items: &[Item], catalogue: &Catalogue) -> Result<Vec<Line>> {
    let products = Products::new(&catalogue.products);
    let mut faults = Faults::default();
    let mut lines: Vec<Line> = Vec::new();
    let mut found: Vec<(Uuid, u64)> = Vec::new();
    for item in items {
        let product = match product(&item.names, &products, &catalogue.products) {
            Ok(product) => product,
            Err(text) => {
                faults.add(item.line, text);
                continue;
            }
        };
        if let Some((_, line)) = found.iter().find(|(id, _)| *id == product.id) {
            faults.add(item.line, format!("it is the product of line {line} again"));
            continue;
        }
        found.push((product.id, item.line));
        let unit = product.unit.and_then(|id| catalogue.units.iter().find(|unit| unit.id == id));
        lines.push(Line {
            product: product.id,
            amount: item.amount,
            unit: product.unit,
            num: Some(product.num.trim().to_owned()).filter(|num| !num.is_empty()),
            name: product.name.trim().to_owned(),
            unit_name: unit.map(|unit| unit.name.trim().to_owned()),
            expected: None,
        });
    }
    faults.check(file)?;
    Ok(lines)
}

/// The one product that all of its names mean.
fn product<'a>(names: &[Wanted], products: &Products<'a>, all: &'a [Product]) -> Result<&'a Product, String> {
    let (best, others) = names.split_first().expect("a line without a name is not read");
    let found = named(best, products, all)?;
    match others.iter().find(|other| !is_called(found, other, all)) {
        Some(other) => Err(format!("{best} and {other} are not of one product")),
        None => Ok(found),
    }
}

/// Whether a product is meant by a name, too. Other products may have the same: a better name has told them apart.
fn is_called(product: &Product, wanted: &Wanted, all: &[Product]) -> bool {
    let has_id = |text: &str| Uuid::try_parse(text).map(|id| id == product.id);
    let is_num = |product: &Product, text: &str| product.num.trim() == text;
    match wanted {
        Wanted::Id(text) => has_id(text) == Ok(true),
        Wanted::Num(text) => is_num(product, text),
        Wanted::Name(text) => product.name.trim() == text,
        Wanted::Any(text) => has_id(text).unwrap_or_else(|_| {
            let is_article = all.iter().any(|other| is_num(other, text));
            if is_article { is_num(product, text) } else { product.name.trim() == text }
        }),
    }
}

fn named<'a>(wanted: &Wanted, products: &Products<'a>, all: &'a [Product]) -> Result<&'a Product, String> {
    let by_id = |text: &str| {
        let id = Uuid::try_parse(text).map_err(|_| format!("`{}` is no id", quote(text, 60)))?;
        all.iter()
            .find(|product| product.id == id)
            .ok_or_else(|| format!("the mirror has no product of the id {id}"))
    };
    match wanted {
        Wanted::Id(text) => by_id(text),
        Wanted::Any(text) if Uuid::try_parse(text).is_ok() => by_id(text),
        Wanted::Any(text) => {
            products.find(text, text).map_err(|reason| format!("`{}`: {reason}", quote(text, 60)))
        }
        Wanted::Num(text) => {
            products.find(text, "").map_err(|reason| format!("article `{}`: {reason}", quote(text, 60)))
        }
        Wanted::Name(text) => {
            products.find("", text).map_err(|reason| format!("`{}`: {reason}", quote(text, 60)))
        }
    }
}
