//! What is mirrored of iikoCloud. Fields are those of the public iikoCloud API (`/api/1/stop_lists`).

use super::{Column, Deletion, Entity, Feed, Table};

/// The stop-list: products that a terminal group cannot sell, or can sell only so many of.
///
/// The record is the item of the answer with the ids of the terminal group and organization around it; the nil uuid
/// stands for a size or a terminal group that iikoCloud does not name. Left rows are in `stoplist_history`, so there are
/// no tombstones.
pub const ACTIVE_STOPLIST: Entity = Entity {
    table: Table {
        key: &["product_id", "terminal_group_id", "size_id", "organization_id"],
        deletion: Deletion::Unguarded,
        tombstones: false,
        ..Table::keyed_by_id(
            "active_stoplist",
            "стоп-лист",
            &[
                Column::uuid("product_id", "productId").comment("Товар: iiko_product.id"),
                Column::uuid("terminal_group_id", "terminalGroupId")
                    .comment("Группа терминалов; нули, где iikoCloud её не называет"),
                Column::uuid("size_id", "sizeId").comment("Размер; нули, где iikoCloud его не называет"),
                Column::uuid("organization_id", "organizationId")
                    .comment("Организация: stoplist_organization.organization_id"),
                Column::supplied("name").indexed().comment("Название товара"),
                Column::decimal("balance", "balance").comment("Сколько ещё можно продать; 0, если нельзя"),
                Column::text("sku", "sku").comment("Артикул"),
                Column::text("date_add", "dateAdd")
                    .comment("Когда поставлен в стоп, UTC, как пишет iikoCloud"),
                Column::supplied("unconfirmed_since")
                    .comment("С какого опроса строка не подтверждена, UTC; пусто, если подтверждена"),
            ],
        )
    },
    feed: Feed::StopLists,
};

/// What `sync stoplist` reads.
pub const STOPLIST: &[Entity] = &[ACTIVE_STOPLIST];
