//! The night: what bars and kitchens are short of is moved to them, once.

use super::stage::Stage;
use crate::{
    jobs::{
        negative_transfer::{self, Options},
        notify::Notify,
    },
    registry::{NEGATIVE_TRANSFER, NIGHT},
    sandbox::{Action, Entry, Fault, World},
    schedule::{Latest, Schedule},
};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::{collections::BTreeSet, ops::ControlFlow};

/// Where documents are sent to.
const DOCUMENTS: &str = "/resto/api/v2/documents/internalTransfer";

/// Starts the night in its slot, and once more ten minutes later.
pub(super) async fn play(stage: &mut Stage<'_>) -> ControlFlow<()> {
    stage.say(
        "\nThe night at 23:00: what bars and kitchens are short of comes from the stores of\nconsumables. \
         When iiko has processed the first document, its answer is lost:\n",
    );
    stage.sandbox.edit(use_up);
    // Each document is sent as a draft and then processed: the second request processes the first document.
    stage.sandbox.fault(Fault::new(format!("POST {DOCUMENTS}"), Action::CloseAfterEffect).skip(1));
    start(stage, TimeDelta::zero()).await?;
    stage.say(&format!(
        "iiko's side: {};\n{}",
        sent(&stage.sandbox.journal()),
        books(&stage.sandbox.world())
    ));
    stage.say("\nThe same start at 23:10:\n");
    stage.sandbox.clear_journal();
    start(stage, TimeDelta::minutes(10)).await?;
    let asked = stage.sandbox.journal().iter().filter(|entry| entry.upstream == "iiko").count();
    stage.say(&format!("iiko's side: {asked} requests; {}", books(&stage.sandbox.world())));
    ControlFlow::Continue(())
}

/// A start for the slot, as long after it as cron would try again.
async fn start(stage: &mut Stage<'_>, later: TimeDelta) -> ControlFlow<()> {
    let due = NIGHT;
    let schedule = Schedule { at: due.at, latest: Latest::Grace(due.grace), day: None };
    let ctx = stage
        .run_at(NEGATIVE_TRANSFER.name, stage.at(due.at) + later, stage.printer)
        .scheduled(Some(schedule));
    let report = negative_transfer::run(&ctx, Options { notify: Notify::Always, ..Options::default() }).await;
    stage.show(|printer| printer.documents(&report));
    stage.keep(report.run.as_ref(), report.to_json())
}

/// What iiko was sent, and what it was asked next when an answer was lost.
fn sent(journal: &[Entry]) -> String {
    let about: Vec<&Entry> = journal.iter().filter(|entry| entry.path.starts_with(DOCUMENTS)).collect();
    let sends = about.iter().filter(|entry| entry.method == "POST").count();
    let lost = about.iter().position(|entry| entry.status.is_none());
    let next = lost.and_then(|lost| about.get(lost + 1)).map_or_else(String::new, |next| {
        let what = next.path.trim_start_matches(DOCUMENTS).trim_start_matches('/');
        format!("; after the lost answer came {} {what}", next.method)
    });
    format!("documents sent {sends} times{next}")
}

/// What iiko's own ledger says.
fn books(world: &World) -> String {
    let lines = world.ledger().len();
    let distinct: BTreeSet<_> = world.ledger().iter().map(|line| (&line.to, &line.product)).collect();
    format!("{lines} lines moved, {} of them twice", lines - distinct.len())
}

/// What stores hold when the night begins: the store, the article and the amount.
const STOCK: [(&str, &str, f64); 10] = [
    ("Хоз. товары (Московский)", "00001", 500.0),
    ("Хоз. товары (Московский)", "00017", 500.0),
    ("Хоз. товары (Московский)", "00047", 12.0),
    ("Бар (Московский)", "00001", -48.0),
    ("Бар (Московский)", "00017", -40.0),
    ("Бар (Московский)", "00047", -31.5),
    ("Хоз.товары (Набережная)", "00031", 400.0),
    ("Хоз.товары (Набережная)", "00047", 100.0),
    ("Кухня (Набережная)", "00031", -26.0),
    ("Кухня (Набережная)", "00047", -7.125),
];

/// Lets the day use up a little: of all that is negative only what [`STOCK`] names is left, so that the night fits a
/// screen.
fn use_up(world: &mut World) {
    let id = |records: &[Value], field: &str, text: &str| {
        let found =
            records.iter().find(|record| record[field].as_str().is_some_and(|value| value.trim() == text));
        found.map(|record| record["id"].clone()).unwrap_or_default()
    };
    let held = STOCK.map(|(store, num, amount)| {
        (id(&world.stores, "name", store), id(&world.products, "num", num), amount)
    });
    world.balances.retain(|row| {
        let is_held =
            held.iter().any(|(store, product, _)| row["store"] == *store && row["product"] == *product);
        !is_held && row["amount"].as_f64().is_some_and(|amount| amount >= 0.0)
    });
    world.balances.extend(held.map(
        |(store, product, amount)| json!({"store": store, "product": product, "amount": amount, "sum": 0}),
    ));
}
