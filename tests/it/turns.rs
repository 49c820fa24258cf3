//! How often `PostgreSQL` is asked: on a slow link every turn counts, so each number here is one that somebody decided on.

use super::{
    harness::{Engine, World},
    postgres,
    proxy::Proxy,
};

/// What a start takes: connections, and requests over all of them, logins aside.
fn asks(world: &World, proxy: &Proxy, arguments: &[&str]) -> (usize, usize) {
    proxy.rest();
    world.expect(0, arguments);
    proxy.counts()
}

#[test]
fn a_morning_without_changes_asks_the_database_so_often() {
    let Some(server) = postgres::server() else { return };
    let mut world = World::new(Engine::Postgres);
    let proxy = Proxy::before(server);
    world.expect(0, &["full-morning"]);
    world.set("DATABASE_URL", proxy.url(&world.database));
    world.set("ZERKALO_TEST_NOW", "2026-11-23T07:00:00+02:00");
    // Two lanes and the look for a pooler. Locks, index and log of each lane (iiko and stock are steps of their own, and so
    // are those of the sheet), the look for a pooler, the look for what is old.
    assert_eq!(asks(&world, &proxy, &["full-morning"]), (3, 9));
    let scheduled = ["full-morning", "--scheduled", "07:00"];
    // The job's lock, the schema, the slot, its claim, a ping, its end.
    assert_eq!(asks(&world, &proxy, &scheduled), (3, 15));
    // The same without the lanes.
    assert_eq!(asks(&world, &proxy, &scheduled), (2, 4));
}

#[test]
fn what_runs_every_few_minutes_asks_the_database_so_often() {
    let Some(server) = postgres::server() else { return };
    let mut world = World::new(Engine::Postgres);
    let proxy = Proxy::before(server);
    world.expect(0, &["full-morning"]);
    world.expect(0, &["sync", "stoplist"]);
    world.set("DATABASE_URL", proxy.url(&world.database));
    assert_eq!(asks(&world, &proxy, &["sync", "stoplist"]), (2, 8));
    assert_eq!(asks(&world, &proxy, &["sync", "stock"]), (2, 6));
    assert_eq!(asks(&world, &proxy, &["status"]), (1, 10));
}
