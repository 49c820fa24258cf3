//! For which slot a job is started: `--scheduled`, and until when it may begin.

use crate::{
    cli::printer::Printer,
    days,
    error::{Failure, Kind, Result},
    jobs::context::Context,
    schedule::{Latest, Schedule},
};
use chrono::{NaiveDate, NaiveTime};
use clap::Args;
use std::time::Duration;

/// How long after its slot a job may begin that says nothing else.
pub const GRACE: Duration = Duration::from_hours(1);

/// For which slot a job is started.
#[derive(Debug, Args)]
#[command(next_help_heading = "Scheduling")]
pub struct ScheduleArguments {
    /// Run for the latest slot at this time of the business's day: once, and not after its grace
    #[arg(long, value_name = "HH:MM", value_parser = time_of_day)]
    pub scheduled: Option<NaiveTime>,
    /// How long after the slot the job may still begin, such as 55m, 1h, 90s [default: 1h, for transfers 55m]
    #[arg(long, value_name = "D", requires = "scheduled", value_parser = grace)]
    pub grace: Option<Duration>,
    /// The same as a time of the business's day: the job begins up to it and not after it
    #[arg(long, value_name = "HH:MM", requires = "scheduled", conflicts_with = "grace", value_parser = time_of_day)]
    pub not_later_than: Option<NaiveTime>,
}

/// The slot of a chosen day, by hand.
#[derive(Debug, Args)]
#[command(next_help_heading = "Scheduling")]
pub struct DayArguments {
    /// Run for the slot of this day [default: the latest one]; asks when it is too late for it
    #[arg(long, value_name = "YYYY-MM-DD", requires = "scheduled", value_parser = days::day)]
    pub date: Option<NaiveDate>,
    /// Run for it however late it is, without asking
    #[arg(long, requires = "date")]
    pub late_ok: bool,
}

impl ScheduleArguments {
    /// The schedule, for a job whose grace is `default` unless told otherwise; none for a start by hand.
    pub fn schedule(&self, default: Duration) -> Option<Schedule> {
        let grace = Latest::Grace(self.grace.unwrap_or(default));
        let latest = self.not_later_than.map_or(grace, Latest::TimeOfDay);
        self.scheduled.map(|at| Schedule { at, latest, day: None })
    }
}

/// A run for the slot of a schedule. A slot of a chosen `day` must have come; one that is too late needs leave: `late_ok`,
/// or a yes on the terminal. A dry run has no part in any of it.
pub(super) fn for_slot(
    ctx: Context,
    printer: &Printer,
    schedule: Option<Schedule>,
    day: Option<NaiveDate>,
    late_ok: bool,
) -> Result<Context> {
    if let Some(day) = day {
        days::has_come("--date", day, ctx.business_date)?;
    }
    let ctx = ctx.scheduled(schedule.map(|schedule| Schedule { day, ..schedule }));
    let (Some(slot), Some(day)) = (ctx.slot.as_ref().filter(|_| !ctx.is_dry_run()), day) else {
        return Ok(ctx);
    };
    let now = ctx.started_at;
    if slot.at > now {
        let text = format!("{slot} has not come yet");
        return Err(Failure::new(Kind::Usage, text).hint("the slot of a later day cannot be run before it"));
    }
    if !slot.is_late(now) {
        return Ok(ctx);
    }
    let late = crate::humanize::duration((now - slot.at).to_std().unwrap_or_default());
    let question = format!("{slot} is {late} ago, and that is too late for it. Run it all the same?");
    if late_ok || printer.confirms(&question) {
        let late = schedule.map(|schedule| Schedule { day: Some(day), latest: Latest::Never, ..schedule });
        return Ok(ctx.scheduled(late));
    }
    Err(Failure::new(Kind::Usage, format!("{slot} is {late} ago, and that is too late for it"))
        .hint("to run it all the same, add --late-ok"))
}

fn time_of_day(text: &str) -> Result<NaiveTime, String> {
    NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| "write it as HH:MM, such as 07:00".to_owned())
}

fn grace(text: &str) -> Result<Duration, String> {
    let grace = duration(text)?;
    // The slot is never older than a day, so a longer grace would never end.
    if grace.is_zero() || grace >= Duration::from_hours(24) {
        return Err("it must be longer than nothing and shorter than a day".to_owned());
    }
    Ok(grace)
}

/// A duration as it is typed.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    crate::schedule::duration(text).ok_or_else(|| "write it as 55m, 1h, 90s or 1h30m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        let seconds = |text| duration(text).map(|value| value.as_secs());
        assert_eq!(seconds("55m"), Ok(3300));
        assert_eq!(seconds("1h"), Ok(3600));
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("1h30m5s"), Ok(5405));
        for wrong in ["", "5", "m", "1d", "1h30", "-1h", "1.5h", "1ч", "ч", "99999999999h", " 1h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(grace("0s").is_err() && grace("24h").is_err() && grace("23h59m").is_ok());
    }

    #[test]
    fn a_time_of_day_is_hours_and_minutes() {
        assert_eq!(time_of_day("07:05"), Ok(NaiveTime::from_hms_opt(7, 5, 0).unwrap()));
        for wrong in ["24:00", "7", "07:60", "07:00:30", "seven", ""] {
            assert!(time_of_day(wrong).is_err(), "{wrong}");
        }
    }
}
