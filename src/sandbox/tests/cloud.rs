//! What iikoCloud takes, and what it refuses.

use super::*;
use serde_json::json;

async fn cloud(sandbox: &Sandbox, token: &str, method: &str, body: &Value) -> Seen {
    let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
    ask(sandbox, "POST", &format!("/cloud/api/{method}"), &headers, &body.to_string()).await
}

async fn token(sandbox: &Sandbox) -> String {
    let seen = cloud(sandbox, "", "1/access_token", &json!({"apiLogin": "demo-api-login"})).await;
    seen.json()["token"].as_str().expect("a token").to_owned()
}

/// The ids of the organizations and of their terminal groups.
fn ids(sandbox: &Sandbox) -> (Vec<String>, Vec<String>) {
    let world = sandbox.world();
    let organizations = &world.cloud.organizations;
    let groups = organizations.iter().flat_map(|organization| &organization.groups);
    (
        organizations.iter().map(|organization| organization.id.clone()).collect(),
        groups.map(|group| group.id.clone()).collect(),
    )
}

#[tokio::test]
async fn a_token_of_either_kind_opens_everything_until_it_ends() {
    let sandbox = sandbox().await;
    let newer = json!({"apiKey": "demo-api-key", "appId": "15", "clientSecret": "demo-client-secret"});
    for (method, body) in
        [("1/access_token", json!({"apiLogin": "demo-api-login"})), ("v2/access_token", newer)]
    {
        let token = cloud(&sandbox, "", method, &body).await.json()["token"].clone();
        let token = token.as_str().expect("a token");
        assert_eq!(cloud(&sandbox, token, "1/organizations", &json!({})).await.status, 200);
        sandbox.fault(Fault::new("organizations", Action::ExpireToken));
        let ended = cloud(&sandbox, token, "1/organizations", &json!({})).await;
        assert_eq!(ended.status, 401);
        assert!(ended.json()["correlationId"].is_string());
    }
    for (method, body) in [
        ("1/access_token", json!({"apiLogin": "other"})),
        ("v2/access_token", json!({"apiKey": "demo-api-key", "appId": "15", "clientSecret": "other"})),
    ] {
        assert_eq!(cloud(&sandbox, "", method, &body).await.status, 401, "{method}");
    }
    assert_eq!(cloud(&sandbox, "", "v2/access_token", &json!({"apiKey": "demo-api-key"})).await.status, 400);
}

#[tokio::test]
async fn stop_lists_are_those_of_the_terminal_groups_asked_for() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    let (organizations, groups) = ids(&sandbox);
    let body =
        json!({"organizationIds": organizations, "terminalGroupsIds": groups[..1], "returnSize": true});
    let lists = cloud(&sandbox, &token, "1/stop_lists", &body).await.json();
    let lists = lists["terminalGroupStopLists"].as_array().expect("a list").clone();
    assert_eq!(lists.len(), organizations.len());
    assert_eq!(lists[0]["items"][0]["terminalGroupId"], groups[0]);
    assert!(lists[0]["items"][0]["items"].as_array().is_some_and(|items| items.len() > 1));
    assert_eq!(lists[1]["items"], json!([]));

    sandbox.edit(|world| world.cloud.organizations[0].groups[0].asleep = true);
    let body = json!({"organizationIds": organizations});
    let groups = cloud(&sandbox, &token, "1/terminal_groups", &body).await.json();
    assert_eq!(groups["terminalGroupsInSleep"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_body_is_taken_only_as_described() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    let (organizations, groups) = ids(&sandbox);
    for (method, body) in [
        ("1/stop_lists", json!({})),
        ("1/terminal_groups", json!({"organizationIds": null})),
        ("1/terminal_groups", json!({"organizationIds": [groups[0]]})),
        // The member is called terminalGroupsIds.
        ("1/stop_lists", json!({"organizationIds": organizations, "terminalGroupIds": groups})),
        ("1/organizations", json!([])),
    ] {
        let refused = cloud(&sandbox, &token, method, &body).await;
        assert_eq!(refused.status, 400, "{method} {body}");
        assert!(refused.json()["errorDescription"].is_string());
    }
    assert_eq!(get(&sandbox, "/cloud/api/1/organizations").await.status, 405);
}
