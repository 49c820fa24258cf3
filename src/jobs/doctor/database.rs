//! The mirror's database.

use super::{Patient, Said, host::room};
use crate::{
    error::{Failure, Kind, Result},
    jobs::run,
    model::upstream::Upstream,
    store::{
        database::{Examined, nearest_folder},
        filesystem::megabytes,
        migrate::Found,
    },
};

/// Connects, and looks at the schema, the rights, whose mirror it is, and the room on its disk.
pub(super) async fn look(patient: &Patient) -> Result<Vec<Said>> {
    let database = &patient.ctx.database;
    let examined = database.examine().await?;
    examined.check()?;
    let mut said = vec![schema(patient, &examined)];
    if !examined.missing_rights.is_empty() {
        said.push(
            Failure::new(
                Kind::Usage,
                format!("the role lacks rights: {}", examined.missing_rights.join(", ")),
            )
            .hint(format!("grant them, or let the role own the schema: {}", examined.grants.join("; ")))
            .into(),
        );
    }
    said.extend(identities(patient, &examined).await);
    if let Some(file) = database.file() {
        let mut free = room(&nearest_folder(file))?;
        free.text = format!("its disk has {}", free.text);
        said.push(free);
    }
    Ok(said)
}

/// Where the schema stands.
fn schema(patient: &Patient, examined: &Examined) -> Said {
    let place = patient.ctx.database.describe();
    let known = examined.dialect.known();
    let server = examined.server.as_deref().unwrap_or_default();
    match examined.found {
        Found::Version(version) if version < known => Said::warning(
            format!(
                "{place}: {server}, schema version {version}, and this zerkalo needs {known}; the next run migrates it"
            ),
            "a --dry-run needs it at once: run `zerkalo migrate`",
        ),
        Found::Version(version) => {
            Said::ok(format!("{place}: {server}, {}, schema version {version}", megabytes(examined.size)))
        }
        _ if examined.server.is_none() => Said::ok(format!("{place}: not there yet, the first run makes it")),
        _ => Said::ok(format!("{place}: {server}, no tables yet, the first run makes them")),
    }
}

/// Whether it is the mirror of what the settings name.
async fn identities(patient: &Patient, examined: &Examined) -> Vec<Said> {
    let mut said = Vec::new();
    let mut same = Vec::new();
    for upstream in Upstream::ALL {
        let Some(stored) = examined.identity.get(upstream.name()) else { continue };
        // What is not set is told by its own check.
        let Ok(named) = run::identity(&patient.ctx, upstream) else { continue };
        if *stored == named {
            same.push(stored.as_str());
            continue;
        }
        let failure = run::mismatch(&patient.ctx, upstream, stored, &named).await;
        said.push(if failure.kind == Kind::Safety {
            failure.into()
        } else {
            Said::skipped(format!(
                "it mirrors {stored}; whether that is what the settings name cannot be told: see below"
            ))
        });
    }
    if !same.is_empty() {
        said.push(Said::ok(format!("it mirrors {}", same.join(", "))));
    }
    said
}
