//! What matches nothing: a setting that no store and no product has, a report without rows, a store that was renamed since the
//! mirror was made. Of such a night nobody can say that nothing is negative.

use super::{
    names::parts,
    plan::{Input, TOP, account},
};
use crate::{
    error::{Failure, Kind, quote},
    model::night::{TOLD, Unmatched, What},
    names::folded,
    store::outbox::Named,
};
use std::collections::{BTreeMap, BTreeSet};

/// Why nothing may be posted, if that is so.
pub(super) fn refusal(found: &[Unmatched]) -> Option<Failure> {
    let stopping: Vec<&Unmatched> = found.iter().filter(|unmatched| unmatched.stops).collect();
    let first = stopping.first()?;
    let hint = match first.what {
        What::Report => {
            "nothing was posted; look at the balances in iiko; the next start within the grace asks again"
        }
        What::Stores => {
            "nothing was posted; look at the balances in iiko; if its stores have other names now, run `zerkalo sync iiko`; \
             the next start within the grace asks again"
        }
        What::ProductGroup => {
            "nothing was posted; put NEGATIVE_TRANSFER_PRODUCT_GROUP right, or the name in iiko; the next start within the \
             grace looks again"
        }
        What::Source | What::Target | What::Restaurant | What::Store => {
            "nothing was posted; put NEGATIVE_TRANSFER_SOURCE_PREFIX or NEGATIVE_TRANSFER_TARGET_PREFIXES (with commas \
             between them) right, or the names in iiko, then run `zerkalo sync iiko`; the next start within the grace looks \
             again"
        }
    };
    let told: Vec<String> = stopping.iter().map(ToString::to_string).collect();
    Some(Failure::new(Kind::Safety, told.join("; ")).hint(hint))
}

/// Names without repetitions, as they are typed first, sorted.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for name in names {
        found.entry(folded(name)).or_insert_with(|| name.trim().to_owned());
    }
    found.into_values().collect()
}

/// The settings that no store has.
pub(super) fn prefixes(input: &Input<'_>, has_restaurant: bool) -> Vec<Unmatched> {
    let settings = input.settings;
    let stores = || input.catalogue.stores.iter().map(|store| store.name.as_str());
    let kinds = distinct(stores().filter_map(parts).map(|(kind, _)| kind));
    // Where no store is called `TYPE (RESTAURANT)`, what they are called says more.
    let has = if kinds.is_empty() { distinct(stores()) } else { kinds.clone() };
    let lacks = |prefix: &String| !kinds.iter().any(|kind| folded(kind) == folded(prefix));
    let unmatched =
        |what, wanted: &String, stops| Unmatched { what, wanted: wanted.clone(), has: has.clone(), stops };
    let mut found = Vec::new();
    if lacks(&settings.source_prefix) {
        found.push(unmatched(What::Source, &settings.source_prefix, true));
    }
    let none = settings.target_prefixes.iter().all(lacks);
    let lacking = settings.target_prefixes.iter().filter(|prefix| lacks(prefix));
    found.extend(lacking.map(|prefix| unmatched(What::Target, prefix, none)));
    if settings.target_prefixes.is_empty()
        || !found.iter().any(|unmatched| unmatched.stops) && !has_restaurant
    {
        let of_both = stores().filter(|name| {
            let wanted = settings.target_prefixes.iter().chain([&settings.source_prefix]);
            parts(name).is_some_and(|(kind, _)| wanted.clone().any(|prefix| folded(prefix) == folded(kind)))
        });
        let wanted = settings.source_prefix.clone();
        found.push(Unmatched { what: What::Restaurant, wanted, has: distinct(of_both), stops: true });
    }
    found
}

/// What the report lacks: every row, every product of the group, every row of the stores that take, or of one of which it may
/// have another name.
pub(super) fn in_report(input: &Input<'_>, targets: &[&Named]) -> Vec<Unmatched> {
    let group = &input.settings.product_group;
    if input.rows.is_empty() {
        let (wanted, stops) = (input.last_rows.to_string(), input.last_rows > 0);
        return vec![Unmatched { what: What::Report, wanted, has: Vec::new(), stops }];
    }
    let tops = || input.rows.iter().filter_map(|row| row.get(TOP));
    if !tops().any(|top| folded(top) == folded(group)) {
        let has = distinct(tops().filter(|top| !top.trim().is_empty()));
        return vec![Unmatched { what: What::ProductGroup, wanted: group.clone(), has, stops: true }];
    }
    let accounts = distinct(input.rows.iter().filter_map(account));
    let seen: BTreeSet<String> = accounts.iter().map(|name| folded(name)).collect();
    let missing: Vec<&Named> =
        targets.iter().filter(|target| !seen.contains(&folded(&target.name))).copied().collect();
    if !targets.is_empty() && missing.len() == targets.len() {
        return vec![all_missing(input, targets, accounts)];
    }
    renamed(input, &missing, accounts)
}

/// A report that has something, and nothing of any store that takes. What it has are its stores, and what the mirror does
/// not know.
fn all_missing(input: &Input<'_>, targets: &[&Named], accounts: Vec<String>) -> Unmatched {
    let is_account =
        |name: &String| input.catalogue.accounts.iter().any(|known| folded(&known.name) == folded(name));
    let targets = distinct(targets.iter().map(|target| target.name.as_str()));
    let mut wanted: Vec<String> =
        targets.iter().take(TOLD).map(|name| format!("`{}`", quote(name, 60))).collect();
    if targets.len() > TOLD {
        wanted.push("…".to_owned());
    }
    let has = accounts.into_iter().filter(|name| !is_account(name)).collect();
    Unmatched { what: What::Stores, wanted: wanted.join(", "), has, stops: true }
}

/// Stores that take and of which the report has nothing, while it has a name that the mirror does not know and in which their
/// type or restaurant stands. Whoever renames a store need not keep to `TYPE (RESTAURANT)`; but an account that was deleted in
/// iiko has balances, too, and is no store.
fn renamed(input: &Input<'_>, missing: &[&Named], accounts: Vec<String>) -> Vec<Unmatched> {
    let named = |list: &[Named]| list.iter().map(|named| folded(&named.name)).collect::<Vec<_>>();
    let known: BTreeSet<String> =
        named(&input.catalogue.stores).into_iter().chain(named(&input.catalogue.accounts)).collect();
    let strangers: Vec<String> = accounts.into_iter().filter(|name| !known.contains(&folded(name))).collect();
    let alike = |name: &str, target: &str| {
        let name = folded(name);
        parts(target).is_some_and(|(kind, restaurant)| {
            [kind, restaurant].iter().any(|part| name.contains(&folded(part)))
        })
    };
    let mut found = Vec::new();
    for target in missing {
        let has: Vec<String> = strangers.iter().filter(|name| alike(name, &target.name)).cloned().collect();
        if !has.is_empty() {
            let wanted = target.name.trim().to_owned();
            found.push(Unmatched { what: What::Store, wanted, has, stops: false });
        }
    }
    found
}
