//! A day of the stop-list, and its report.

use super::{stage::Stage, time};
use crate::{
    cli::printer::{Colour, Printer, Verbosity},
    jobs::{self, Options, lanes, stoplist_report},
    registry::{STOPLIST_REPORT, SYNC_STOPLIST},
    sandbox::World,
};
use chrono::{NaiveTime, TimeDelta};
use std::ops::ControlFlow;

/// Plays the stop-lists of the day, read every 20 minutes, and makes their report.
pub(super) async fn play(stage: &mut Stage<'_>) -> ControlFlow<()> {
    stage.say(
        "\nA day of the stop-list, read every 20 minutes, and its report at 22:00 as the\nreaders get it:\n",
    );
    let quiet = Printer::new(Verbosity { quiet: true, verbose: 0 }, false, Colour::Never);
    let mut now = stage.at(time(7, 50));
    let end = stage.at(time(22, 0));
    while now < end {
        // Nobody reads for an hour in the afternoon, and the report says so.
        if now < stage.at(time(15, 0)) || now > stage.at(time(16, 0)) {
            let shown = stage.time_at(now);
            stage.sandbox.edit(|world| show(world, shown));
            let ctx = stage.run_at(SYNC_STOPLIST.name, now, &quiet);
            let report = lanes::run(&ctx, vec![vec![jobs::stoplist()]], &Options::default()).await;
            if report.exit_code() != 0 {
                stage.show(|printer| printer.report(&report));
            }
            stage.keep(Some(&report), report.to_json())?;
        }
        now += TimeDelta::minutes(20);
    }
    let ctx = stage.run_at(STOPLIST_REPORT.name, end, stage.printer);
    let report = stoplist_report::run(&ctx, &stoplist_report::Options::default()).await;
    stage.show(|printer| printer.stoplist(&report));
    stage.keep(report.run.as_ref(), report.to_json())
}

/// A dish is in the stop-list of a terminal group, from when and until when.
type Stop = (usize, usize, (u32, u32), (u32, u32));

/// The stop-lists of the day.
const STOPS: [Stop; 7] = [
    (0, 0, (7, 0), (12, 30)),
    (0, 1, (11, 0), (14, 10)),
    (1, 2, (17, 20), (21, 30)),
    (2, 0, (13, 0), (18, 0)),
    (3, 3, (9, 0), (9, 40)),
    (3, 3, (19, 0), (20, 0)),
    (4, 1, (0, 0), (23, 59)),
];

/// Gives every terminal group the stop-list that it has at a time of the day.
fn show(world: &mut World, now: NaiveTime) {
    let dishes =
        world.products.iter().filter(|product| product["type"] == "DISH" && product["deleted"] != true);
    let dishes: Vec<String> = dishes.filter_map(|dish| Some(dish["id"].as_str()?.to_owned())).collect();
    let groups = world.cloud.organizations.iter_mut().flat_map(|organization| &mut organization.groups);
    for (place, group) in groups.enumerate() {
        group.stops.clear();
        let here = STOPS.iter().filter(|(_, at, from, to)| {
            *at == place && time(from.0, from.1) <= now && now < time(to.0, to.1)
        });
        for dish in here.filter_map(|(dish, ..)| dishes.get(dish * 7)) {
            group.stop(dish, 0);
        }
    }
}
