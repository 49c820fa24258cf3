//! Days that people type and files give: read strictly, so that a slip of the finger is never taken for another day.

use crate::error::{Failure, Kind, Result};
use chrono::{Datelike as _, NaiveDate, NaiveDateTime};

/// Nothing that is mirrored, told of or posted is older than this year.
const FIRST_YEAR: i32 = 2000;

/// How many days back a document may be dated without being asked for: what is older is rather a wrong month or year.
const BACK: i64 = 31;

/// A day as it is typed: `2026-11-22`.
pub fn day(text: &str) -> Result<NaiveDate, String> {
    let day = text.trim().parse().map_err(|_| "write it as 2026-11-22".to_owned())?;
    meant(text, day)
}

/// The same day, unless its year cannot be meant. `text` is how it was written: of `26.11.26` a parser makes the year 26.
pub fn meant(text: &str, day: NaiveDate) -> Result<NaiveDate, String> {
    let has_whole_year = text.split(|sign: char| !sign.is_ascii_digit()).any(|digits| digits.len() == 4);
    if !has_whole_year {
        return Err("a year has four digits, as in 2026-11-22".to_owned());
    }
    if day.year() < FIRST_YEAR {
        return Err(format!("it is before {FIRST_YEAR}"));
    }
    Ok(day)
}

/// Refuses to tell of a day that has not come yet; `what` is where it was given.
pub fn has_come(what: &str, day: NaiveDate, today: NaiveDate) -> Result<()> {
    if day <= today {
        return Ok(());
    }
    Err(Failure::new(Kind::Usage, format!("{what} {day} has not come yet: today is {today}"))
        .hint("nothing is known of a day before it has come; give today or an earlier one"))
}

/// Refuses a document that is dated ahead of `now`, or, unless that was asked for, further back than a month.
pub fn may_be_posted(file: &str, moment: NaiveDateTime, now: NaiveDateTime, back_dated: bool) -> Result<()> {
    let date = moment.date();
    if moment > now {
        let (moment, now) = (moment.format("%Y-%m-%d %H:%M"), now.format("%Y-%m-%d %H:%M"));
        return Err(Failure::new(
            Kind::Usage,
            format!("{file}: its date {moment} has not come yet: it is {now}"),
        )
        .hint("nothing was posted; put the date right, then start this again"));
    }
    if (now.date() - date).num_days() > BACK && !back_dated {
        return Err(Failure::new(
            Kind::Usage,
            format!("{file}: its date {date} is more than {BACK} days ago"),
        )
        .hint("nothing was posted; put the date right, or if it is, add --back-dated"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_a_year_that_can_be_meant() {
        assert_eq!(day(" 2026-11-22 "), Ok(NaiveDate::from_ymd_opt(2026, 11, 22).unwrap()));
        assert_eq!(day("2000-01-01"), Ok(NaiveDate::from_ymd_opt(2000, 1, 1).unwrap()));
        for (text, words) in [
            ("26-11-22", "four digits"),
            ("+12026-11-22", "four digits"),
            ("0026-11-22", "before 2000"),
            ("1999-12-31", "before 2000"),
            ("22.11.2026", "write it as"),
            ("2026-02-30", "write it as"),
            ("", "write it as"),
        ] {
            assert!(day(text).unwrap_err().contains(words), "{text}: {:?}", day(text));
        }
    }

    #[test]
    fn a_document_is_of_the_last_month() {
        let now = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap().and_hms_opt(12, 0, 0).unwrap();
        let back = |days: i64| now - chrono::TimeDelta::days(days);
        assert!(
            may_be_posted("act", now, now, false).is_ok()
                && may_be_posted("act", back(31), now, false).is_ok()
        );
        assert!(may_be_posted("act", back(32), now, false).is_err());
        assert!(may_be_posted("act", back(5000), now, true).is_ok());
        for back_dated in [false, true] {
            assert!(may_be_posted("act", now + chrono::TimeDelta::minutes(1), now, back_dated).is_err());
        }
    }
}
