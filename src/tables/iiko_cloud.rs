//! What is mirrored of iikoCloud. Fields are those of the public iikoCloud API (`/api/1/stop_lists`).

use super::{Column, Deletion, Entity, Feed, Table};

/// The stop-list: products that a terminal group cannot sell, or can sell only so many of.
///
/// The record is the item of the answer with the ids of the terminal group and organization around it; the nil uuid
/// stands for a size or a terminal group that iikoCloud does not name. Left rows are in `stoplist_history`, so there are
/// no tombstones.
pub const ACTIVE_STOPLIST: Entity = Entity {
    table: Table {
        name: "active_stoplist",
        columns: &[
            Column::uuid("product_id", "productId"),
            Column::uuid("terminal_group_id", "terminalGroupId"),
            Column::uuid("size_id", "sizeId"),
            Column::uuid("organization_id", "organizationId"),
            Column::supplied("name"),
            Column::decimal("balance", "balance"),
            Column::text("sku", "sku"),
            Column::text("date_add", "dateAdd"),
            Column::supplied("unconfirmed_since"),
        ],
        key: &["product_id", "terminal_group_id", "size_id", "organization_id"],
        scope: None,
        deletion: Deletion::Unguarded,
        tombstones: false,
        dropped: &[],
        dropped_always: &[],
        noise: &[],
    },
    feed: Feed::StopLists,
};

/// What `sync stoplist` reads.
pub const STOPLIST: &[Entity] = &[ACTIVE_STOPLIST];
