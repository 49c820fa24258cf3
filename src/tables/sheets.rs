//! What is mirrored of the spreadsheet.

use super::{Column, Deletion, Entity, Feed, Table};

/// The levels that people type into the sheet: one row a product and department with a number.
pub const MIN_STOCK_LEVEL: Entity = Entity {
    table: Table {
        name: "min_stock_level",
        columns: &[
            Column::uuid("product_id", "product"),
            Column::uuid("department_id", "department"),
            Column::supplied("product_name"),
            Column::supplied("department_name"),
            Column::decimal("min_level", "min"),
            Column::decimal("max_level", "max"),
        ],
        key: &["product_id", "department_id"],
        scope: None,
        deletion: Deletion::Missing,
        tombstones: true,
        dropped: &[],
        dropped_always: &[],
        noise: &[],
    },
    feed: Feed::SheetLevels,
};

/// What `sync min-stock` reads.
pub const MIN_STOCK: &[Entity] = &[MIN_STOCK_LEVEL];
