//! A table that only the tests declare: a declaration, made while the tests run as one that comes from settings is, and
//! nothing else. Its statements are printed.

use super::harness::{Engine, World};
use std::sync::LazyLock;
use zerkalo::{
    engine::{Column, Kind, Table},
    store::{ddl, migrate::Dialect},
    tables::{Entity, Feed},
};

/// The declaration.
pub(crate) static WIDGET: LazyLock<Entity> = LazyLock::new(|| {
    let column = |(name, kind): (&str, Kind)| {
        Column::new(name.to_owned().leak(), kind, name.to_owned().leak()).comment("Столбец изделия")
    };
    let columns = [("id", Kind::Uuid), ("name", Kind::Text), ("price", Kind::Decimal)].map(column);
    let [id, name, price] = columns;
    let columns = vec![id, name.indexed(), price].leak();
    Entity {
        table: Table::keyed_by_id("widget".to_owned().leak(), "изделия'".to_owned().leak(), columns),
        feed: Feed::IikoJson { path: "v2/entities/widgets/list".to_owned().leak(), query: &[] },
    }
});

/// The tables that only the tests declare.
pub(crate) fn declared() -> impl Iterator<Item = &'static Entity> {
    [&*WIDGET].into_iter()
}

/// Brings the schema to where the declaration expects it.
pub(crate) fn migrate(world: &World) {
    world.expect(0, &["migrate"]);
    world.execute(&ddl::create(&WIDGET.table, dialect(world.engine)));
}

/// What a database speaks.
pub(crate) fn dialect(engine: Engine) -> Dialect {
    match engine {
        Engine::Postgres => Dialect::Postgres,
        Engine::Sqlite => Dialect::Sqlite,
    }
}
