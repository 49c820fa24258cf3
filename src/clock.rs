//! The one clock: nothing else here asks what time it is.
//!
//! Business dates are the restaurant's, not the host's, so the clock carries the configured time zone; tests and the
//! acceptance stories hand in a clock of their own.

use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDateTime, SubsecRound as _, Utc};
use chrono_tz::Tz;

use crate::error::{Failure, Kind, Result};

/// The environment name that starts the process at another moment; for the acceptance stories.
const TEST_NOW: &str = "ZERKALO_TEST_NOW";

/// Tells the time, in UTC and in the business's time zone.
#[derive(Clone, Debug)]
pub struct Clock {
    zone: Tz,
    hands: Hands,
}

#[derive(Clone, Debug)]
enum Hands {
    System,
    Still(DateTime<Utc>),
    Moving { from: DateTime<Utc>, since: Instant },
}

impl Clock {
    /// The host's clock, with business time in `zone`.
    pub const fn system(zone: Tz) -> Self {
        Self { zone, hands: Hands::System }
    }

    /// A clock that stands still at `moment`, so that a test can compare times exactly.
    pub const fn fixed(zone: Tz, moment: DateTime<Utc>) -> Self {
        Self { zone, hands: Hands::Still(moment) }
    }

    /// A clock that shows `moment` now and runs on from there, whatever happens to the host's clock.
    pub fn starting_at(zone: Tz, moment: DateTime<Utc>) -> Self {
        Self { zone, hands: Hands::Moving { from: moment, since: Instant::now() } }
    }

    /// The host's clock, or one that starts at `ZERKALO_TEST_NOW` (RFC 3339) when that is set.
    ///
    /// Fails with [`Kind::Usage`] when it is set to anything else: a test must not silently run on real time.
    pub fn from_environment(zone: Tz) -> Result<Self> {
        Self::from_text(zone, std::env::var(TEST_NOW).ok().as_deref())
    }

    fn from_text(zone: Tz, text: Option<&str>) -> Result<Self> {
        match text.filter(|text| !text.is_empty()) {
            None => Ok(Self::system(zone)),
            Some(text) => match DateTime::parse_from_rfc3339(text) {
                Ok(moment) => Ok(Self::starting_at(zone, moment.to_utc())),
                Err(error) => Err(Failure::new(Kind::Usage, format!("{TEST_NOW} is not an RFC 3339 time"))
                    .hint("write it as `2026-11-22T03:00:00Z`, or unset it")
                    .source(error)),
            },
        }
    }

    /// The moment in UTC, in whole microseconds: what both databases can hold, so that it reads back equal.
    #[expect(clippy::disallowed_methods, reason = "this is the one clock that the ban points to")]
    pub fn now(&self) -> DateTime<Utc> {
        let now = match self.hands {
            Hands::System => Utc::now(),
            Hands::Still(moment) => moment,
            Hands::Moving { from, since } => from + since.elapsed().min(Duration::from_hours(24 * 365)),
        };
        now.trunc_subsecs(6)
    }

    /// That this clock does not show the host's time, for the operator: whoever left [`TEST_NOW`] set in a crontab would have
    /// every slot judged by it.
    pub fn warning(&self) -> Option<String> {
        let Hands::Moving { .. } = self.hands else { return None };
        let now = self.business_now().format("%Y-%m-%d %H:%M:%S");
        Some(format!("{TEST_NOW} is set, and so it is taken to be {now} ({})", self.zone.name()))
    }

    /// The wall clock of the business: the same moment, as a restaurant's manager reads it.
    pub fn business_now(&self) -> NaiveDateTime {
        self.now().with_timezone(&self.zone).naive_local()
    }

    /// The business's time zone.
    pub const fn zone(&self) -> Tz {
        self.zone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn business_time_is_the_zones() {
        let clock = Clock::fixed(Tz::Europe__Kaliningrad, moment("2026-11-22T22:30:00.123456789Z"));
        assert_eq!(clock.now(), moment("2026-11-22T22:30:00.123456Z"));
        assert_eq!(clock.business_now().to_string(), "2026-11-23 00:30:00.123456");
        assert_eq!(clock.now(), clock.now());
    }

    #[test]
    fn a_test_clock_starts_where_it_is_told_and_runs_on() {
        let clock = Clock::from_text(Tz::UTC, Some("2026-11-22T03:00:00+03:00")).unwrap();
        let first = clock.now();
        let warning = clock.warning().unwrap();
        assert!(warning.starts_with("ZERKALO_TEST_NOW is set, and so it is taken to be 2026-11-22 00:00:0"));
        assert_eq!(Clock::from_text(Tz::UTC, None).unwrap().warning(), None);
        assert!(first >= moment("2026-11-22T00:00:00Z") && first < moment("2026-11-22T00:01:00Z"));
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock.now() > first);
    }

    #[test]
    fn a_wrong_test_clock_is_refused() {
        let failure = Clock::from_text(Tz::UTC, Some("yesterday")).unwrap_err();
        assert_eq!(failure.kind, Kind::Usage);
        assert!(Clock::from_text(Tz::UTC, Some("")).is_ok() && Clock::from_text(Tz::UTC, None).is_ok());
    }
}
