//! What this host has to have: settings, secrets, the right time, a place for locks and spools.

use super::{Patient, Said};
use crate::{
    config::{self, Origin, SETTINGS},
    error::{Failure, Kind, Result},
    files::{named, own},
    jobs::documents::machine::clock_is_right,
    model::diagnosis::State,
    store::{
        database::nearest_folder,
        filesystem::{self, Room, megabytes},
    },
};
use chrono::{Offset as _, TimeZone as _};
use std::{
    collections::BTreeSet,
    io::{ErrorKind, Write as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

/// What is written to see whether anything can be: more than what a full disk may still have left for small files.
const TRIAL: usize = 64 << 10;

/// Which files the settings come from.
pub(super) fn settings(patient: &Patient) -> Vec<Said> {
    let loaded = &patient.loaded;
    let files = &loaded.files;
    let shown: Vec<String> = files.iter().map(|path| shown_file(path)).collect();
    let text = if shown.is_empty() {
        "no settings file; all is from the environment".to_owned()
    } else {
        shown.join(", ")
    };
    let warning = |text: &String| Said::warning(text, "`zerkalo config check` shows every setting");
    let (settings, unseen) = loaded.only_units.sentences();
    let only_units = |told: String| {
        Said::warning(
            format!("only the units have {told}, so they may work on something else than this command"),
            "put it into /etc/zerkalo/environment, which both read",
        )
    };
    let mut said = vec![Said::ok(text)];
    said.extend(loaded.warnings.iter().map(warning));
    said.extend(settings.into_iter().map(only_units));
    said.extend(unseen.into_iter().map(|told| Said::skipped(format!("what only the units have: {told}"))));
    said
}

/// What can run with these settings, and what the others lack.
pub(super) fn jobs(patient: &Patient) -> Vec<Said> {
    let loaded = &patient.loaded;
    let (able, lacking): (Vec<_>, Vec<_>) =
        loaded.config.jobs().into_iter().partition(|needs| needs.lacks.is_empty());
    let first = match (loaded.config.idle(), &loaded.file) {
        (Some(idle), Some(file)) => idle.hint(format!("set what they lack in {}", file.display())).into(),
        (Some(idle), None) => idle
            .hint("`zerkalo config init` writes a settings file to fill in, with every setting explained")
            .into(),
        (None, _) => {
            let able: Vec<&str> = able.iter().map(|needs| needs.job).collect();
            Said::ok(format!("can run: {}", able.join(", ")))
        }
    };
    let lacking =
        lacking.iter().map(|needs| Said::unset(format!("{} lacks {}", needs.job, needs.lacks.join(", "))));
    std::iter::once(first).chain(lacking).collect()
}

fn shown_file(path: &Path) -> String {
    match path.metadata() {
        Ok(data) => format!("{} (mode {:04o}, user {})", path.display(), data.mode() & 0o7777, data.uid()),
        Err(error) => format!("{} ({error})", path.display()),
    }
}

/// Where each secret comes from.
pub(super) fn secrets(patient: &Patient) -> Vec<Said> {
    let loaded = &patient.loaded;
    let is_secret = |key: &str| SETTINGS.iter().any(|setting| setting.key == key && setting.secret);
    let held = |row: &config::Row| row.value == "set (hidden)" || row.value.contains(config::HIDDEN);
    let mut shown = BTreeSet::new();
    for row in config::rows(loaded).iter().filter(|row| is_secret(row.key) && held(row)) {
        let place = match loaded.origins.get(row.key) {
            Some(Origin::Credential(path) | Origin::SecretFile(path)) => path.display().to_string(),
            _ => row.source.clone(),
        };
        shown.insert(format!("{} from {place}", row.environment));
    }
    if shown.is_empty() {
        return vec![Said::unset("no secret is set")];
    }
    vec![Said::ok(shown.into_iter().collect::<Vec<_>>().join(", "))]
}

/// The business's time zone, and how this host's differs: a crontab counts in the host's.
pub(super) fn time_zone(patient: &Patient) -> Vec<Said> {
    let clock = &patient.ctx.clock;
    let now = clock.now();
    let business = clock.zone().offset_from_utc_datetime(&now.naive_utc()).fix();
    let host = chrono::Local.offset_from_utc_datetime(&now.naive_utc()).fix();
    let told = format!(
        "{}, {} there (tz database {})",
        clock.zone().name(),
        clock.business_now().format("%Y-%m-%d %H:%M"),
        chrono_tz::IANA_TZDB_VERSION
    );
    let difference = if host == business {
        "this host's clock shows the same".to_owned()
    } else {
        format!("this host is at {host}, and the hours of a crontab are the host's")
    };
    let mut said = vec![Said::ok(format!("{told}; {difference}"))];
    said.extend(clock.warning().map(|text| Said::warning(text, "it is for tests only: unset it")));
    said
}

/// The directory of locks, spools and the session's token.
pub(super) fn state_directory(patient: &Patient) -> Result<Vec<Said>> {
    let path = &patient.ctx.config.state_dir;
    let absent = !path.is_dir();
    let folder = if absent { nearest_folder(path) } else { path.clone() };
    filesystem::check_local(&folder)?;
    if !absent {
        own::state(path).map_err(|error| {
            Failure::new(Kind::Usage, format!("{} cannot be used", path.display()))
                .hint("its owner is to be the user whose runs these are, and its mode 0700; or set ZERKALO_STATE_DIR")
                .source(error)
        })?;
    }
    try_writing(
        &folder,
        "check its owner and mode (cron's user and the operator share it), or set ZERKALO_STATE_DIR",
    )?;
    let mut said = vec![room(&folder)?];
    said[0].text = format!(
        "{}{}, {}",
        path.display(),
        if absent { " (the first run makes it)" } else { "" },
        said[0].text
    );
    Ok(said)
}

/// Writes a file without a name, which is gone at once. `remedy` says what to do where that is not allowed.
fn try_writing(folder: &Path, remedy: &str) -> Result<()> {
    let written = tempfile::tempfile_in(folder)
        .and_then(|mut file| file.write_all(&vec![0; TRIAL]).and_then(|()| file.sync_all()));
    written.map_err(|error| {
        if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            return Failure::new(Kind::Database, format!("the disk of {} is full", folder.display()))
                .hint("free some space")
                .source(error);
        }
        Failure::new(Kind::Usage, format!("{} cannot be written to", folder.display()))
            .hint(remedy)
            .source(error)
    })
}

/// How much room is left on a folder's disk.
pub(super) fn room(folder: &Path) -> Result<Said> {
    let room = Room::at(folder)?;
    if let Some(full) = room.full() {
        return Err(full);
    }
    let text = format!("{} free", megabytes(room.free));
    Ok(if room.is_little() { Said::warning(text, "free some space soon") } else { Said::ok(text) })
}

/// This host's clock against those of the servers that have answered.
pub(super) fn clock(patient: &Patient) -> Result<Vec<Said>> {
    let ctx = &patient.ctx;
    let now = ctx.clock.now();
    let servers = [
        ("iiko", ctx.iiko().ok().and_then(|client| client.clock_ahead(now))),
        ("FinTablo", ctx.fintablo().ok().and_then(|client| client.clock_ahead(now))),
        ("Telegram", ctx.telegram().ok().and_then(|client| client.clock_ahead(now))),
    ];
    let Some((server, ahead)) = servers.into_iter().find_map(|(name, ahead)| Some((name, ahead?))) else {
        return Ok(vec![Said::skipped("no server has told the time")]);
    };
    Ok(vec![match clock_is_right(ahead, server)? {
        Some(text) => Said::warning(text, "set this host's clock right (timedatectl)"),
        None => Said::ok(format!("agrees with the {server} server's")),
    }])
}

/// The heartbeat is not tried: a ping would tell of a run that there was not.
pub(super) fn heartbeat(patient: &Patient) -> Vec<Said> {
    let config = &patient.ctx.config.monitoring;
    vec![match (&config.heartbeat_url, config.heartbeat_for_each_job()) {
        (None, _) => Said::unset("HEARTBEAT_URL: nobody notices a job that never runs"),
        (Some(_), true) => Said::ok("set, one check for each job; not tried, because a ping tells of a run"),
        (Some(_), false) => Said::ok("set, one check for all jobs; not tried, because a ping tells of a run"),
    }]
}

/// The file of metrics: a run puts a new one in its place. A run goes well without it, so nothing here is a problem.
pub(super) fn metrics_file(patient: &Patient) -> Vec<Said> {
    let Some(path) = &patient.ctx.config.monitoring.metrics_file else {
        return vec![Said::unset("ZERKALO_METRICS_FILE: no figures for Prometheus")];
    };
    let shown = path.display();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        let text = format!("there is no folder {}, and no run makes it", folder.display());
        return vec![Said::warning(text, "make it, or set ZERKALO_METRICS_FILE")];
    }
    let there = match named::opened(path) {
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            return vec![Said::warning(
                format!("{shown} cannot be used: {error}"),
                "set ZERKALO_METRICS_FILE to a file",
            )];
        }
        Ok(_) => "",
        Err(error) if error.kind() == ErrorKind::NotFound => " (the first run makes it)",
        Err(error) => {
            let text = format!("{shown} cannot be read ({error}), and each run keeps the others' figures");
            return vec![Said::warning(text, "check its owner and mode")];
        }
    };
    vec![match try_writing(folder, "check its owner and mode, or set ZERKALO_METRICS_FILE") {
        Ok(()) => Said::ok(format!("{shown}{there}")),
        Err(failure) => Said { state: State::Warning, ..failure.into() },
    }]
}
