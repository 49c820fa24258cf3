//! What is mirrored of `FinTablo`: thirteen lists of its official OpenAPI description (v1).
//!
//! Its declared types do not always match its own examples (`inn` and ids come as numbers and as strings, flags as
//! 0/1), so every kind accepts both spellings. `job.directionId` is declared as a string with a name as example, described
//! as an id and answered as a number: it is one. Dates (`dd.mm.yyyy`) and months (`mm.yyyy`) stay text.

use super::{Column, Entity, Feed, Table};

const ID: Column = Column::int("id", "id");
const NAME: Column = Column::text("name", "name");
const COMMENT: Column = Column::text("comment", "comment");
const CURRENCY: Column = Column::text("currency", "currency");

const fn list(name: &'static str, path: &'static str, columns: &'static [Column]) -> Entity {
    Entity { table: Table::keyed_by_id(name, columns), feed: Feed::FinTablo { path, paged: false } }
}

const CATEGORY: Entity = list(
    "ft_category",
    "category",
    &[
        ID,
        NAME,
        Column::int("parent_id", "parentId"),
        Column::text("group", "group"),
        Column::text("type", "type"),
        Column::text("pnl_type", "pnlType"),
        Column::text("description", "description"),
        Column::bool("is_built_in", "isBuiltIn"),
    ],
);

const MONEYBAG: Entity = list(
    "ft_moneybag",
    "moneybag",
    &[
        ID,
        NAME,
        Column::text("type", "type"),
        Column::text("number", "number"),
        CURRENCY,
        Column::decimal("balance", "balance"),
        Column::decimal("surplus", "surplus"),
        Column::int("surplus_timestamp", "surplusTimestamp"),
        Column::int("group_id", "groupId"),
        Column::bool("archived", "archived"),
        Column::bool("hide_in_total", "hideInTotal"),
        Column::bool("without_nds", "withoutNds"),
    ],
);

const PARTNER: Entity = list(
    "ft_partner",
    "partner",
    &[ID, NAME, Column::text("inn", "inn"), Column::int("group_id", "groupId"), COMMENT],
);

const DIRECTION: Entity = list(
    "ft_direction",
    "direction",
    &[
        ID,
        NAME,
        Column::int("parent_id", "parentId"),
        Column::text("description", "description"),
        Column::bool("archived", "archived"),
    ],
);

const MONEYBAG_GROUP: Entity =
    list("ft_moneybag_group", "moneybag-group", &[ID, NAME, Column::bool("is_built_in", "isBuiltIn")]);

const GOODS: Entity = list(
    "ft_goods",
    "goods",
    &[
        ID,
        NAME,
        Column::decimal("cost", "cost"),
        COMMENT,
        Column::decimal("quantity", "quantity"),
        Column::decimal("start_quantity", "startQuantity"),
        Column::decimal("avg_cost", "avgCost"),
    ],
);

const OBTAINING: Entity = list(
    "ft_obtaining",
    "obtaining",
    &[
        ID,
        Column::int("goods_id", "goodsId"),
        Column::int("partner_id", "partnerId"),
        Column::decimal("amount", "amount"),
        Column::decimal("cost", "cost"),
        Column::decimal("quantity", "quantity"),
        CURRENCY,
        COMMENT,
        Column::text("date", "date"),
        Column::decimal("nds", "nds"),
    ],
);

const JOB: Entity = list(
    "ft_job",
    "job",
    &[ID, NAME, Column::decimal("cost", "cost"), COMMENT, Column::int("direction_id", "directionId")],
);

/// The official description says 500 deals a page; the other lists have no paging.
const DEAL: Entity = Entity {
    feed: Feed::FinTablo { path: "deal", paged: true },
    ..list(
        "ft_deal",
        "deal",
        &[
            ID,
            NAME,
            Column::int("direction_id", "directionId"),
            Column::decimal("amount", "amount"),
            CURRENCY,
            Column::decimal("custom_cost_price", "customCostPrice"),
            Column::int("status_id", "statusId"),
            Column::int("partner_id", "partnerId"),
            Column::int("responsible_id", "responsibleId"),
            COMMENT,
            Column::text("start_date", "startDate"),
            Column::text("end_date", "endDate"),
            Column::text("act_date", "actDate"),
            Column::decimal("nds", "nds"),
        ],
    )
};

const OBLIGATION_STATUS: Entity = list("ft_obligation_status", "obligation-status", &[ID, NAME]);

const OBLIGATION: Entity = list(
    "ft_obligation",
    "obligation",
    &[
        ID,
        NAME,
        Column::int("category_id", "categoryId"),
        Column::int("direction_id", "directionId"),
        Column::int("deal_id", "dealId"),
        Column::decimal("amount", "amount"),
        CURRENCY,
        Column::int("status_id", "statusId"),
        Column::int("partner_id", "partnerId"),
        COMMENT,
        Column::text("act_date", "actDate"),
        Column::decimal("nds", "nds"),
    ],
);

const PNL_CATEGORY: Entity = list(
    "ft_pnl_category",
    "pnl-category",
    &[
        ID,
        NAME,
        Column::text("type", "type"),
        Column::text("pnl_type", "pnlType"),
        Column::int("category_id", "categoryId"),
        COMMENT,
    ],
);

const EMPLOYEE: Entity = list(
    "ft_employee",
    "employees",
    &[
        ID,
        NAME,
        Column::text("date", "date"),
        CURRENCY,
        Column::decimal("regularfix", "regularfix"),
        Column::decimal("regularfee", "regularfee"),
        Column::decimal("regulartax", "regulartax"),
        Column::text("inn", "inn"),
        Column::text("hired", "hired"),
        Column::text("fired", "fired"),
        COMMENT,
    ],
);

/// Everything that `sync fintablo` mirrors.
pub const FINTABLO: &[Entity] = &[
    CATEGORY,
    MONEYBAG,
    PARTNER,
    DIRECTION,
    MONEYBAG_GROUP,
    GOODS,
    OBTAINING,
    JOB,
    DEAL,
    OBLIGATION_STATUS,
    OBLIGATION,
    PNL_CATEGORY,
    EMPLOYEE,
];
