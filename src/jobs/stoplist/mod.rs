//! The stop-list: what iikoCloud says now, what that means for the rows that are known, and what has changed.
//!
//! - [`rules`]: what an answer leaves open
//!
//! An item that enters opens a stretch of `stoplist_history`, one that leaves closes it; [`crate::store::stoplist`] does
//! that in the transaction of the plan.

mod rules;

use self::rules::{Absence, Known, Place};
use super::{Need, nomenclature::look_up};
use crate::{
    decimal::amount,
    engine::{Planner, Remembered},
    error::{Failure, Kind, Result},
    jobs::context::Context,
    model::stop_changes::{Line, StopChanges},
    progress::Meter,
    store::{
        Store,
        stoplist::{Gone, Reading},
    },
    tables::{ACTIVE_STOPLIST, PRODUCT},
    upstreams::iiko_cloud::{Item, Organization, Snapshot},
};
use chrono::{DateTime, SecondsFormat, Utc};
use hashbrown::{HashMap, HashSet};
use rust_decimal::Decimal;
use std::{collections::BTreeMap, rc::Rc};
use uuid::Uuid;

/// What the stop-list looks up: it has no names of its own.
pub const NEEDS: &[Need] = &[Need { table: &PRODUCT.table, columns: &["name"] }];

/// What is read of the database before iikoCloud is asked.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    known: BTreeMap<Place, Known>,
    products: Rc<Remembered>,
    last_sample: Option<DateTime<Utc>>,
}

/// What a reading leads to beside the rows of the table.
#[derive(Debug)]
pub(super) struct Outcome {
    /// What the history is to follow.
    pub(super) reading: Reading,
    /// What has changed.
    pub(super) report: StopChanges,
}

impl Lookups {
    pub(super) async fn gather(ctx: &Context, store: &mut dyn Store) -> Result<Self> {
        let products = look_up(ctx, store, &NEEDS[0]).await?;
        let columns = [
            "organization_id",
            "terminal_group_id",
            "product_id",
            "size_id",
            "name",
            "balance",
            "unconfirmed_since",
            "raw_json",
        ];
        let rows = store.select(&ACTIVE_STOPLIST.table, &columns).await?;
        let known = rows.iter().filter_map(|row| known(row)).collect();
        let last_sample = store.last_sample().await?;
        Ok(Self { known, products, last_sample })
    }

    /// The name of a product: the mirror's, else the one that it had when it entered.
    fn name(&self, place: &Place) -> String {
        let kept = || self.known.get(place).and_then(|row| row.name.clone());
        let mirrored = self.products.get(place.product, "name").map(str::to_owned);
        mirrored.or_else(kept).unwrap_or_else(|| format!("unknown:{}", place.product))
    }
}

/// A stored row; the engine has refused a table with a key that is none.
fn known(row: &[Option<String>]) -> Option<(Place, Known)> {
    let id = |place: usize| row[place].as_deref().and_then(|text| Uuid::try_parse(text).ok());
    let place = Place { organization: id(0)?, group: id(1)?, product: id(2)?, size: id(3)? };
    let since = row[6].as_deref().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let known = Known {
        name: row[4].clone(),
        balance: row[5].as_deref().and_then(amount::parse),
        unconfirmed_since: since.map(|since| since.to_utc()),
        record: row[7].clone().unwrap_or_default(),
    };
    Some((place, known))
}

/// Reads the stop-lists into the planner.
pub(super) async fn read(
    ctx: &Context,
    lookups: &Lookups,
    planner: &mut Planner,
    meter: &dyn Meter,
) -> Result<Outcome> {
    let cloud = ctx.iiko_cloud()?;
    let snapshot = cloud.stop_lists(&ctx.config.iiko_cloud.organizations, &ctx.clock).await?;
    check_clock(lookups.last_sample, snapshot.taken_at)?;
    planner.reset();
    planner.answer("");
    let (items, nowhere) = rules::items(&snapshot);
    meter.add((items.len() + nowhere.len()) as u64);
    for item in nowhere {
        // It has no usable key: the planner counts it, and switches deletion off.
        planner.record(item.record.as_bytes(), &[])?;
    }
    for (place, item) in &items {
        let name = lookups.name(place);
        if item.balance.is_some() {
            planner.record(item.record.as_bytes(), &[&name])?;
        } else {
            planner.refuse(place.key(), format!("{name} ({}): it has no balance", place.product));
        }
    }
    let absences = rules::absences(&lookups.known, &snapshot);
    keep_absent(lookups, &absences, planner)?;
    let asked: HashSet<Uuid> = snapshot.groups.iter().map(|group| group.organization_id).collect();
    let mut organizations: Vec<Uuid> = asked.into_iter().collect();
    organizations.sort_unstable();
    let gone = absences.iter().filter_map(|((organization_id, terminal_group_id), absence)| match absence {
        Absence::Gone(ended_at) => Some(Gone {
            organization_id: *organization_id,
            terminal_group_id: *terminal_group_id,
            ended_at: *ended_at,
        }),
        _ => None,
    });
    let gone = gone.collect();
    let reading = Reading {
        taken_at: snapshot.taken_at,
        organizations,
        is_sample: true,
        names: names(&snapshot.organizations),
        gone,
    };
    Ok(Outcome { reading, report: compare(lookups, &snapshot, &items, &absences) })
}

/// The history is told in samples: one before the last is a clock that was set back.
fn check_clock(last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<()> {
    match last {
        Some(last) if last > now => Err(Failure::new(
            Kind::Safety,
            format!(
                "the clock says {}, and the last sample of the stop-list was taken at {}",
                shown(now),
                shown(last)
            ),
        )
        .hint(
            "set this machine's clock right; if it was wrong before, delete what lies in the future from \
             stoplist_sample and stoplist_history; nothing was changed",
        )),
        _ => Ok(()),
    }
}

/// Keeps the rows of terminal groups that the answer does not speak of, marked where it should have.
fn keep_absent(
    lookups: &Lookups,
    absences: &BTreeMap<(Uuid, Uuid), Absence>,
    planner: &mut Planner,
) -> Result<()> {
    let mut unasked = HashSet::new();
    for (place, row) in &lookups.known {
        match absences.get(&(place.organization, place.group)) {
            Some(Absence::Unasked) => {
                unasked.insert(place.organization);
                planner.keep(place.key());
            }
            Some(Absence::Unconfirmed(since)) => {
                let since = row.unconfirmed_since.unwrap_or(*since);
                planner.record(row.record.as_bytes(), &[&lookups.name(place), &shown(since)])?;
            }
            Some(Absence::Gone(_)) | None => {}
        }
    }
    let mut unasked: Vec<Uuid> = unasked.into_iter().collect();
    unasked.sort_unstable();
    for organization in unasked {
        planner.warn(
            "",
            format!(
                "organization {organization} has no terminal group any more: its stop-list is kept as it was, \
                 and is not known from now on"
            ),
        );
    }
    Ok(())
}

/// What organizations are called that have a name, each once: an answer may name one twice.
fn names(organizations: &[Organization]) -> Vec<(Uuid, String)> {
    // PostgreSQL has no text with a zero in it.
    let named = organizations
        .iter()
        .filter_map(|organization| Some((organization.id, organization.name.as_deref()?.replace('\0', ""))));
    named.collect::<BTreeMap<Uuid, String>>().into_iter().collect()
}

/// What has changed, by name.
fn compare(
    lookups: &Lookups,
    snapshot: &Snapshot,
    items: &BTreeMap<Place, &Item>,
    absences: &BTreeMap<(Uuid, Uuid), Absence>,
) -> StopChanges {
    let organizations: HashMap<Uuid, &str> = (snapshot.organizations.iter())
        .filter_map(|organization| Some((organization.id, organization.name.as_deref()?)))
        .collect();
    let groups: HashMap<Uuid, &str> =
        snapshot.groups.iter().filter_map(|group| Some((group.id, group.name.as_deref()?))).collect();
    let named = |names: &HashMap<Uuid, &str>, id: Uuid| {
        names.get(&id).map_or_else(|| id.to_string(), |name| (*name).to_owned())
    };
    let line = |place: &Place, balance: Option<Decimal>, was: Option<Decimal>| Line {
        product_id: place.product,
        size_id: Some(place.size).filter(|size| !size.is_nil()),
        name: lookups.name(place),
        organization: named(&organizations, place.organization),
        terminal_group: named(&groups, place.group),
        balance: balance.map(amount::show),
        was: was.map(amount::show),
    };
    let mut report = StopChanges::default();
    for (place, item) in items {
        match (lookups.known.get(place), item.balance) {
            (None, Some(balance)) => report.entered.push(line(place, Some(balance), None)),
            (Some(row), Some(balance)) if row.balance != Some(balance) => {
                report.changed.push(line(place, Some(balance), row.balance));
            }
            (Some(row), _) => report.stayed.push(line(place, row.balance, None)),
            (None, None) => {}
        }
    }
    for (place, row) in lookups.known.iter().filter(|(place, _)| !items.contains_key(*place)) {
        let list = match absences.get(&(place.organization, place.group)) {
            Some(Absence::Unasked | Absence::Unconfirmed(_)) => &mut report.unconfirmed,
            Some(Absence::Gone(_)) | None => &mut report.left,
        };
        list.push(line(place, row.balance, None));
    }
    report.sort();
    report
}

/// A moment as it is stored and shown: UTC with microseconds.
fn shown(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Micros, true)
}

impl Outcome {
    /// The same where rows that the answer lacks stay all the same: whoever left is not known, so this is no sample.
    pub(super) fn without_deletion(mut self) -> Self {
        self.reading.is_sample = false;
        self.reading.gone.clear();
        self.report.unconfirmed.append(&mut self.report.left);
        self.report.sort();
        self
    }
}
