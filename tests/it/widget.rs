//! A table that only the tests declare: a declaration and a migration in each dialect, and nothing else.

use super::harness::{Engine, World};
use zerkalo::{
    engine::{Column, Table},
    tables::{Entity, Feed},
};

/// The declaration.
pub(crate) static WIDGET: Entity = Entity {
    table: Table::keyed_by_id(
        "widget",
        &[Column::uuid("id", "id"), Column::text("name", "name"), Column::decimal("price", "price")],
    ),
    feed: Feed::IikoJson { path: "v2/entities/widgets/list", query: &[] },
};

/// The tables that only the tests declare.
pub(crate) fn declared() -> impl Iterator<Item = &'static Entity> {
    [&WIDGET].into_iter()
}

/// Brings the schema to where the declaration expects it.
pub(crate) fn migrate(world: &World) {
    world.expect(0, &["migrate"]);
    world.execute(match world.engine {
        Engine::Postgres => include_str!("migrations/postgres/0001_widget.sql"),
        Engine::Sqlite => include_str!("migrations/sqlite/0001_widget.sql"),
    });
}
