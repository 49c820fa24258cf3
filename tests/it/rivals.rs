//! Who else may be there: another host on the same database, a login that was heard although nobody answered, a server
//! that knows nothing, a connection that is cut from the other side.

use super::harness::{Engine, World, on_both};
use serde_json::json;
use std::time::Duration;
use zerkalo::sandbox::{Action, Fault};

on_both!(
    another_state_directory_is_kept_out_too,
    a_login_whose_answer_is_lost_is_not_sent_again,
    a_server_that_refuses_every_root_type_is_a_refusal,
    a_token_in_the_query_serves_servers_that_insist,
    a_conflict_that_ends_on_the_stored_content_writes_nothing,
);

fn another_state_directory_is_kept_out_too(engine: Engine) {
    let mut world = World::new(engine);
    world.expect(0, &["sync", "fintablo"]);
    world.sandbox.clear_journal();
    let first = world.start_and_hold(&["sync", "fintablo"], "/deal", Duration::from_secs(4));
    world.set("ZERKALO_STATE_DIR", world.home.path().join("other-host").display().to_string());
    let second = world.expect(11, &["sync", "fintablo"]);
    let error = second.json["error"].as_str().unwrap();
    assert!(error.contains("is being used by"), "{error}");
    assert_eq!(first.finish().code, Some(0));
    world.expect(0, &["sync", "fintablo"]);
}

fn a_login_whose_answer_is_lost_is_not_sent_again(engine: Engine) {
    let world = World::new(engine);
    world.sandbox.fault(Fault::new("/auth$", Action::CloseAfterEffect));
    let outcome = world.expect(5, &["sync", "iiko"]);
    let hint = outcome.step("iiko_product", None)["hint"].as_str().unwrap();
    assert!(hint.contains("licence slot"), "{hint}");
    let logins = world.sandbox.journal().iter().filter(|entry| entry.path.ends_with("/auth")).count();
    assert_eq!(logins, 1);
    assert_eq!(world.count("iiko_product"), 0);
}

fn a_server_that_refuses_every_root_type_is_a_refusal(engine: Engine) {
    let world = World::new(engine);
    let refused = Action::Status {
        code: 400,
        content_type: "text/plain".to_owned(),
        body: "Unknown parameter".into(),
        headers: Vec::new(),
    };
    world.sandbox.fault(Fault::new("entities/list", refused).times(17));
    let outcome = world.expect(6, &["sync", "iiko", "--only", "iiko_entity"]);
    assert_eq!(outcome.step("iiko_entity", None)["status"], "error");
}

fn a_token_in_the_query_serves_servers_that_insist(engine: Engine) {
    let options = zerkalo::sandbox::Options { token_in_query_only: true, ..Default::default() };
    let mut world = World::with(engine, options);
    world.set("IIKO_TOKEN_IN", "query");
    world.expect(0, &["sync", "iiko"]);
    world.assert_polite();
}

fn a_conflict_that_ends_on_the_stored_content_writes_nothing(engine: Engine) {
    let world = World::new(engine);
    world.sandbox.edit(|world| {
        let mut twin = world.products[0].clone();
        twin["name"] = json!("the last one counts");
        world.products.push(twin);
    });
    let products = ["sync", "iiko", "--only", "iiko_product"];
    world.expect(4, &products);
    for _ in 0..2 {
        let before = world.evidence();
        assert_eq!(world.expect(4, &products).totals(), [0, 0, 0]);
        assert_eq!(world.evidence(), before);
    }
    let unhashed = world.query("select cast(count(*) as text) from iiko_product where row_hash is null");
    assert_eq!(unhashed, [[Some("0".to_owned())]]);
}
