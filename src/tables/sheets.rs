//! What is mirrored of the spreadsheet.

use super::{Column, Entity, Feed, Table};

/// The levels that people type into the sheet: one row a product and department with a number.
pub const MIN_STOCK_LEVEL: Entity = Entity {
    table: Table {
        key: &["product_id", "department_id"],
        ..Table::keyed_by_id(
            "min_stock_level",
            "минимальные остатки",
            &[
                Column::uuid("product_id", "product").comment("Товар: iiko_product.id"),
                Column::uuid("department_id", "department")
                    .indexed()
                    .comment("Подразделение: iiko_department.id"),
                Column::supplied("product_name").comment("Название товара"),
                Column::supplied("department_name").comment("Название подразделения"),
                Column::decimal("min_level", "min").comment("Минимальный остаток"),
                Column::decimal("max_level", "max").comment("Максимальный остаток"),
            ],
        )
    },
    feed: Feed::SheetLevels,
};

/// What `sync min-stock` reads.
pub const MIN_STOCK: &[Entity] = &[MIN_STOCK_LEVEL];
