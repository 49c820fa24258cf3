//! Alarms of which the database can keep no record, because it is what they are about: an empty file each in the state
//! directory, whose time says when the alarm was raised.

use crate::{
    engine::hash,
    error::{Failure, Kind, Result},
    files::own,
};
use chrono::{DateTime, TimeDelta, Utc};
use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::SystemTime,
};

/// Whether an alarm was not raised within the last `again_after`; from now on it was. Fails where that cannot be written
/// down: an alarm every few minutes would be read by nobody.
pub(super) fn is_new(state: &Path, key: &str, again_after: TimeDelta, now: DateTime<Utc>) -> Result<bool> {
    let folder = state.join("alarms");
    let failed = |error: io::Error| {
        Failure::new(
            Kind::Database,
            format!("{} cannot be written, and so no alarm is raised", folder.display()),
        )
        .hint("check ZERKALO_STATE_DIR, the folder's owner and mode, and the free space")
        .source(error)
    };
    own::in_state(state, "alarms").map_err(failed)?;
    let kept = SystemTime::from(now - again_after)..=SystemTime::from(now);
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let at = entry.metadata().and_then(|data| data.modified()).map_err(failed)?;
        if !kept.contains(&at) {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    let place = folder.join(hash::short(key));
    match File::options().write(true).create_new(true).mode(0o600).open(place) {
        Ok(file) => file.set_modified(now.into()).map_err(failed).map(|()| true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_alarm_is_new_again_after_a_while() {
        let state = tempfile::tempdir().unwrap();
        let six = TimeDelta::hours(6);
        let at = |minutes: i64| DateTime::from_timestamp(minutes * 60, 0).unwrap();
        let is_new = |key: &str, minutes: i64| is_new(state.path(), key, six, at(minutes)).unwrap();
        assert!(is_new("morning run 8", 1000));
        assert!(!is_new("morning run 8", 1010));
        assert!(is_new("night run 8", 1010), "another one");
        assert!(!is_new("morning run 8", 1359));
        assert!(is_new("morning run 8", 1361), "six hours after it was raised, not after it was tried");
        assert!(!is_new("night run 8", 1365));
        // A clock that was wrong silences nothing for long.
        assert!(is_new("morning run 8", 900));
    }

    #[test]
    fn an_alarm_that_cannot_be_remembered_is_not_raised() {
        let failure =
            is_new(Path::new("/proc/zerkalo"), "morning", TimeDelta::hours(6), DateTime::UNIX_EPOCH)
                .unwrap_err();
        assert!(failure.to_string().contains("/proc/zerkalo/alarms cannot be written"), "{failure}");
    }
}
