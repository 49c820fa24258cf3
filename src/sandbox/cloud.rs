//! iikoCloud under `/cloud`: tokens of both kinds, organizations, terminal groups and stop-lists, after its public OpenAPI
//! descriptions, with their strictness about what a body may hold.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    Options, Shared, lock,
    server::{Access, Answer, Upstream, not_played},
    wire::{Reply, Request},
    world::{CloudForm, CloudGroup, CloudOrganization, World},
};

/// iikoCloud.
pub(super) struct Cloud;

/// The answer to a request that is refused.
fn refusal(status: u16, description: &str, code: Option<&str>) -> Reply {
    let body = json!({
        "correlationId": uuid::Uuid::now_v7(),
        "errorDescription": description,
        "error": code,
    });
    Reply::new(status, "application/json", body.to_string())
}

fn unauthorized() -> Reply {
    refusal(401, "Token is expired or invalid", None)
}

fn done(mut content: Value) -> Reply {
    content["correlationId"] = json!(uuid::Uuid::now_v7());
    Reply::new(200, "application/json; charset=utf-8", content.to_string())
}

/// The body of a request, whose members must be among `known`; `required` ones must be there.
fn body(request: &Request, known: &[&str], required: &[&str]) -> Result<Value, Reply> {
    let invalid = |text: String| refusal(400, &text, Some("Validation_Error"));
    if !request.header("content-type").unwrap_or_default().starts_with("application/json") {
        return Err(refusal(415, "Unsupported Media Type", None));
    }
    let body: Value =
        serde_json::from_slice(&request.body).map_err(|error| invalid(format!("not JSON: {error}")))?;
    let members = body.as_object().ok_or_else(|| invalid("not an object".to_owned()))?;
    if let Some(name) = members.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(invalid(format!("additional property {name}")));
    }
    match required.iter().find(|name| body[**name].is_null()) {
        Some(name) => Err(invalid(format!("{name} is required"))),
        None => Ok(body),
    }
}

/// A token, if the body holds what it is given for.
fn token(shared: &Shared, request: &Request, wanted: &[(&str, &str)]) -> Result<Answer, Reply> {
    let names: Vec<&str> = wanted.iter().map(|(name, _)| *name).collect();
    let body = body(request, &names, &names)?;
    if let Some((name, _)) = wanted.iter().find(|(name, value)| body[*name] != *value) {
        // The real one repeats what it was given.
        let given = body[*name].as_str().unwrap_or_default();
        return Err(refusal(401, &format!("Login {given} is not authorized."), None));
    }
    let token = lock(&shared.cloud_tokens).open(usize::MAX, shared.options.cloud_token_life);
    let reply = done(json!({ "token": token }));
    Ok(Answer { reply, event: None })
}

/// The organizations of a body's `organizationIds`, all of which must exist.
fn chosen<'a>(world: &'a World, body: &Value) -> Result<Vec<&'a CloudOrganization>, Reply> {
    let there = || world.cloud.organizations.iter().filter(|organization| !organization.disabled);
    let Some(ids) = body["organizationIds"].as_array() else { return Ok(there().collect()) };
    let find = |id: &Value| {
        let found = there().find(|organization| *id == organization.id);
        found.ok_or_else(|| {
            refusal(400, &format!("Organization {id} is not found"), Some("Common_OrganizationNotFound"))
        })
    };
    ids.iter().map(find).collect()
}

fn organizations(world: &World, body: &Value) -> Result<Reply, Reply> {
    let one = |organization: &&CloudOrganization| {
        json!({"responseType": "Simple", "id": organization.id, "name": organization.name,
            "code": null, "externalData": null})
    };
    let list: Vec<Value> = chosen(world, body)?.iter().map(one).collect();
    Ok(done(json!({ "organizations": list })))
}

fn terminal_groups(world: &World, body: &Value) -> Result<Reply, Reply> {
    let organizations = chosen(world, body)?;
    let list = |asleep: bool| -> Vec<Value> {
        let of = |organization: &&CloudOrganization| {
            let groups = organization.groups.iter().filter(|group| group.asleep == asleep);
            let items: Vec<Value> = groups
                .map(|group| {
                    json!({"id": group.id, "organizationId": organization.id, "name": group.name,
                        "address": "", "timeZone": "+02:00", "externalData": null, "posVersion": "9.1.7015.0"})
                })
                .collect();
            (!items.is_empty()).then(|| json!({"organizationId": organization.id, "items": items}))
        };
        organizations.iter().filter_map(of).collect()
    };
    Ok(done(json!({"terminalGroups": list(false), "terminalGroupsInSleep": list(true)})))
}

fn stop_lists(world: &World, body: &Value) -> Result<Reply, Reply> {
    let wanted = |group: &&CloudGroup| match body["terminalGroupsIds"].as_array() {
        Some(ids) => ids.iter().any(|id| *id == group.id),
        None => true,
    };
    let with_size = body["returnSize"] == true;
    let items = |group: &CloudGroup| -> Vec<Value> {
        let shown = |item: &Value| {
            let mut item = item.clone();
            if !with_size && !item["sizeId"].is_null() {
                item["sizeId"] = Value::Null;
            }
            item
        };
        group.stops.iter().map(shown).collect()
    };
    let form = world.cloud.form;
    let named = |group: &CloudGroup| -> Vec<Value> {
        let mut items = items(group);
        for item in &mut items {
            item["terminalGroupId"] = json!(group.id);
        }
        items
    };
    let of = |organization: &CloudOrganization| -> Vec<Value> {
        let groups = organization.groups.iter().filter(wanted);
        let groups = groups.filter(|group| form == CloudForm::Whole || !group.stops.is_empty());
        let below: Vec<Value> = match form {
            CloudForm::Flat => groups.flat_map(items).collect(),
            CloudForm::FlatNamed => groups.flat_map(named).collect(),
            CloudForm::ByGroup => {
                let entry = |group: &CloudGroup| json!({"organizationId": organization.id, "terminalGroupId": group.id, "items": items(group)});
                return groups.map(entry).collect();
            }
            CloudForm::Whole | CloudForm::WithoutEmpty => {
                groups.map(|group| json!({"terminalGroupId": group.id, "items": items(group)})).collect()
            }
        };
        let shown = form == CloudForm::Whole || !below.is_empty();
        shown.then(|| json!({"organizationId": organization.id, "items": below})).into_iter().collect()
    };
    let lists: Vec<Value> = chosen(world, body)?.into_iter().flat_map(of).collect();
    Ok(done(json!({ "terminalGroupStopLists": lists })))
}

fn answer(shared: &Shared, request: &Request) -> Result<Answer, Reply> {
    let options = &shared.options;
    if request.method != "POST" {
        return Err(refusal(405, "Method Not Allowed", None));
    }
    match request.path.strip_prefix("/cloud/api/").unwrap_or_default() {
        "1/access_token" => return token(shared, request, &[("apiLogin", &options.cloud_api_login)]),
        "v2/access_token" => {
            let wanted = [
                ("apiKey", options.cloud_api_key.as_str()),
                ("appId", options.cloud_app_id.as_str()),
                ("clientSecret", options.cloud_client_secret.as_str()),
            ];
            return token(shared, request, &wanted);
        }
        _ => {}
    }
    let given = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let life = options.cloud_token_life;
    if !given.is_some_and(|token| lock(&shared.cloud_tokens).is_open(token, life)) {
        return Err(unauthorized());
    }
    let world = shared.world();
    let reply = match request.path.strip_prefix("/cloud/api/1/").unwrap_or_default() {
        "organizations" => {
            let known = ["organizationIds", "returnAdditionalInfo", "includeDisabled", "returnExternalData"];
            organizations(&world, &body(request, &known, &[])?)
        }
        "terminal_groups" => {
            let known = ["organizationIds", "includeDisabled", "returnExternalData"];
            terminal_groups(&world, &body(request, &known, &["organizationIds"])?)
        }
        "stop_lists" => {
            let known = ["organizationIds", "terminalGroupsIds", "returnSize"];
            stop_lists(&world, &body(request, &known, &["organizationIds"])?)
        }
        _ => Err(refusal(501, &not_played(&format!("POST {}", request.path)), None)),
    };
    Ok(Answer { reply: reply?, event: None })
}

impl Upstream for Cloud {
    fn name(&self) -> &'static str {
        "iiko_cloud"
    }

    fn prefix(&self) -> &'static str {
        "/cloud/"
    }

    /// Our own promise: no limit is published.
    fn most_in_flight(&self, _: &Options) -> usize {
        1
    }

    fn crowded(&self) -> Option<Reply> {
        None
    }

    fn access(&self, request: &Request) -> Access {
        if request.path.ends_with("/access_token") { Access::Session } else { Access::Read }
    }

    fn answer(&self, shared: &Shared, request: &Request) -> Answer {
        answer(shared, request).unwrap_or_else(|reply| Answer { reply, event: None })
    }

    fn expire(&self, shared: &Shared) -> Option<Reply> {
        lock(&shared.cloud_tokens).forget();
        None
    }

    fn licence_full(&self) -> Reply {
        refusal(403, "There is no licence for this", None)
    }

    fn too_many(&self) -> Reply {
        refusal(429, "Too many requests", None)
    }

    fn emptied(&self, reply: &Reply) -> Bytes {
        let mut body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        for member in body.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
            if member.is_array() {
                *member = json!([]);
            }
        }
        body.to_string().into()
    }
}
