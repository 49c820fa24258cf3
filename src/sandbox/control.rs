//! The control interface for scripts, under `/_sandbox`.

use serde::Deserialize;
use serde_json::json;

use super::{
    Shared,
    faults::Fault,
    google,
    wire::{Reply, Request},
};

/// One fault or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Faults {
    One(Fault),
    Many(Vec<Fault>),
}

/// Answers what belongs to no upstream.
pub(super) fn answer(shared: &Shared, request: &Request) -> Reply {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/_sandbox/journal") => json(&json!(shared.journal.entries())),
        ("DELETE", "/_sandbox/journal") => {
            shared.journal.clear();
            done()
        }
        ("POST", "/_sandbox/faults") => match serde_json::from_slice(&request.body) {
            Ok(faults) => {
                let faults = match faults {
                    Faults::One(fault) => vec![fault],
                    Faults::Many(faults) => faults,
                };
                shared.faults().extend(faults);
                done()
            }
            Err(error) => Reply::text(400, format!("not a fault: {error}")),
        },
        ("DELETE", "/_sandbox/faults") => {
            shared.faults().clear();
            done()
        }
        ("GET", "/_sandbox/documents") => json(&json!(shared.world().documents())),
        ("GET", "/_sandbox/ledger") => json(&json!(shared.world().ledger())),
        ("GET", "/_sandbox/state") => json(&state(shared)),
        ("GET", "/_sandbox/sheets") => json(&google::dump(&shared.world().google)),
        _ => Reply::text(
            404,
            "nothing here: iiko is at /resto, FinTablo at /v1, Google at /google, Telegram at /telegram, iikoCloud at \
             /cloud, the controls at /_sandbox",
        ),
    }
}

fn done() -> Reply {
    Reply::new(204, "", "")
}

fn json(value: &serde_json::Value) -> Reply {
    Reply::new(200, "application/json", value.to_string())
}

/// Sessions, violations and how much of everything there is.
fn state(shared: &Shared) -> serde_json::Value {
    let entries = shared.journal.entries();
    let violations: Vec<_> = entries.iter().filter_map(|entry| entry.violation.as_ref()).collect();
    let waiting = shared.faults().waiting();
    let (open, most) = {
        let mut sessions = shared.sessions();
        (sessions.count(shared.options.session_ttl), sessions.most())
    };
    let world = shared.world();
    let fintablo: serde_json::Map<_, _> =
        world.fintablo.iter().map(|(name, items)| (name.clone(), json!(items.len()))).collect();
    json!({
        "open_sessions": open,
        "most_sessions_at_once": most,
        "requests": entries.len(),
        "writes": entries.iter().filter(|entry| entry.write).count(),
        "violations": violations,
        "faults_waiting": waiting,
        "records": {
            "entities": world.entities.len(),
            "products": world.products.len(),
            "product_groups": world.product_groups.len(),
            "departments": world.departments.len(),
            "stores": world.stores.len(),
            "groups": world.groups.len(),
            "terminals": world.terminals.len(),
            "suppliers": world.suppliers.len(),
            "employees": world.employees.len(),
            "roles": world.roles.len(),
            "balances": world.balances.len(),
            "documents": world.documents().len(),
            "moves": world.ledger().len(),
            "fintablo": fintablo,
            "google": google::counts(&world.google),
            "telegram_messages": world.telegram.last_message,
        },
    })
}
