//! What is mirrored of `FinTablo`: the lists of its official OpenAPI description (v1).
//!
//! Its declared types do not always match its own examples (`inn` and ids come as numbers and as strings, flags as
//! 0/1), so every kind accepts both spellings. `job.directionId` is declared as a string with a name as example, described
//! as an id and answered as a number: it is one. Dates (`dd.mm.yyyy`) and months (`mm.yyyy`) stay text. The comments of
//! the columns are the description's own words, made short.

use super::{Column, Entity, Feed, Table};

const ID: Column = Column::int("id", "id").comment("Номер в FinTablo");
const NAME: Column = Column::text("name", "name").indexed().comment("Название");
const COMMENT: Column = Column::text("comment", "comment").comment("Комментарий");
const DESCRIPTION: Column = Column::text("description", "description").comment("Описание");
const CURRENCY: Column = Column::text("currency", "currency").comment("Валюта, код из трёх букв");
const NDS: Column = Column::decimal("nds", "nds").comment("Сумма НДС");
const INN: Column = Column::text("inn", "inn").comment("ИНН, текстом: бывают нули в начале");
const ARCHIVED: Column = Column::bool("archived", "archived").comment("В архиве");
const BUILT_IN: Column = Column::bool("is_built_in", "isBuiltIn").comment("Встроена в FinTablo");
const DIRECTION_ID: Column =
    Column::int("direction_id", "directionId").indexed().comment("Направление: ft_direction.id");
const PARTNER_ID: Column =
    Column::int("partner_id", "partnerId").indexed().comment("Контрагент: ft_partner.id");
const ACT_DATE: Column = Column::text("act_date", "actDate").comment("Дата акта, дд.мм.гггг");

const fn list(
    name: &'static str,
    path: &'static str,
    title: &'static str,
    columns: &'static [Column],
) -> Entity {
    Entity { table: Table::keyed_by_id(name, title, columns), feed: Feed::FinTablo { path, paged: false } }
}

const CATEGORY: Entity = list(
    "ft_category",
    "category",
    "статьи",
    &[
        ID,
        NAME,
        Column::int("parent_id", "parentId").indexed().comment("Статья, в которую входит: ft_category.id"),
        Column::text("group", "group")
            .comment("Группа: income поступление, outcome списание, transfer перевод"),
        Column::text("type", "type").comment("Вид деятельности: operating, financial, investment"),
        Column::text("pnl_type", "pnlType").comment("Тип дохода или расхода для ОПиУ"),
        DESCRIPTION,
        BUILT_IN,
    ],
);

const MONEYBAG: Entity = list(
    "ft_moneybag",
    "moneybag",
    "счета",
    &[
        ID,
        NAME,
        Column::text("type", "type").comment(
            "Вид: nal наличные, bank расчётный счёт, card карта, electron электронный, acquiring эквайринг",
        ),
        Column::text("number", "number").comment("Номер банковского счёта"),
        CURRENCY,
        Column::decimal("balance", "balance").comment("Текущий остаток"),
        Column::decimal("surplus", "surplus").comment("Зафиксированный остаток"),
        Column::int("surplus_timestamp", "surplusTimestamp")
            .comment("Когда остаток зафиксирован, секунды с 1970 года"),
        Column::int("group_id", "groupId").indexed().comment("Группа счетов: ft_moneybag_group.id"),
        ARCHIVED,
        Column::bool("hide_in_total", "hideInTotal").comment("Не входит в общий остаток"),
        Column::bool("without_nds", "withoutNds").comment("НДС в операциях не учитывается"),
    ],
);

const PARTNER: Entity = list(
    "ft_partner",
    "partner",
    "контрагенты",
    &[
        ID,
        NAME,
        INN,
        Column::int("group_id", "groupId").indexed().comment("Номер группы контрагентов"),
        COMMENT,
    ],
);

const DIRECTION: Entity = list(
    "ft_direction",
    "direction",
    "направления",
    &[
        ID,
        NAME,
        Column::int("parent_id", "parentId")
            .indexed()
            .comment("Направление, в которое входит: ft_direction.id"),
        DESCRIPTION,
        ARCHIVED,
    ],
);

const MONEYBAG_GROUP: Entity =
    list("ft_moneybag_group", "moneybag-group", "группы счетов", &[ID, NAME, BUILT_IN]);

const GOODS: Entity = list(
    "ft_goods",
    "goods",
    "товары",
    &[
        ID,
        NAME,
        Column::decimal("cost", "cost").comment("Стоимость"),
        COMMENT,
        Column::decimal("quantity", "quantity").comment("Остаток"),
        Column::decimal("start_quantity", "startQuantity").comment("Начальный остаток"),
        Column::decimal("avg_cost", "avgCost").comment("Средняя цена закупки начального остатка"),
    ],
);

const OBTAINING: Entity = list(
    "ft_obtaining",
    "obtaining",
    "закупки",
    &[
        ID,
        Column::int("goods_id", "goodsId").indexed().comment("Товар: ft_goods.id"),
        PARTNER_ID.comment("Поставщик: ft_partner.id"),
        Column::decimal("amount", "amount").comment("Стоимость закупки"),
        Column::decimal("cost", "cost").comment("Цена товара"),
        Column::decimal("quantity", "quantity").comment("Количество товара"),
        CURRENCY,
        COMMENT,
        Column::text("date", "date").comment("Дата закупки, дд.мм.гггг"),
        NDS,
    ],
);

const JOB: Entity = list(
    "ft_job",
    "job",
    "услуги",
    &[ID, NAME, Column::decimal("cost", "cost").comment("Стоимость"), COMMENT, DIRECTION_ID],
);

/// The official description says 500 deals a page; the other lists have no paging.
const DEAL: Entity = Entity {
    feed: Feed::FinTablo { path: "deal", paged: true },
    ..list(
        "ft_deal",
        "deal",
        "сделки",
        &[
            ID,
            NAME,
            DIRECTION_ID,
            Column::decimal("amount", "amount").comment("Выручка без НДС"),
            CURRENCY,
            Column::decimal("custom_cost_price", "customCostPrice").comment("Себестоимость"),
            Column::int("status_id", "statusId").indexed().comment("Номер статуса сделки"),
            PARTNER_ID,
            Column::int("responsible_id", "responsibleId").indexed().comment("Номер ответственного"),
            COMMENT,
            Column::text("start_date", "startDate").comment("Дата начала, дд.мм.гггг"),
            Column::text("end_date", "endDate").comment("Дата окончания, дд.мм.гггг"),
            ACT_DATE,
            NDS,
        ],
    )
};

const OBLIGATION_STATUS: Entity =
    list("ft_obligation_status", "obligation-status", "статусы обязательств", &[ID, NAME]);

const OBLIGATION: Entity = list(
    "ft_obligation",
    "obligation",
    "обязательства",
    &[
        ID,
        NAME,
        Column::int("category_id", "categoryId").indexed().comment("Статья: ft_category.id"),
        DIRECTION_ID,
        Column::int("deal_id", "dealId").indexed().comment("Сделка: ft_deal.id"),
        Column::decimal("amount", "amount").comment("Сумма без НДС"),
        CURRENCY,
        Column::int("status_id", "statusId").indexed().comment("Статус: ft_obligation_status.id"),
        PARTNER_ID,
        COMMENT,
        ACT_DATE,
        NDS,
    ],
);

const PNL_CATEGORY: Entity = list(
    "ft_pnl_category",
    "pnl-category",
    "статьи ОПиУ",
    &[
        ID,
        NAME,
        Column::text("type", "type")
            .comment("Тип: income доход, costprice себестоимость, outcome расход, refund возврат"),
        Column::text("pnl_type", "pnlType").comment("Категория статьи в ОПиУ"),
        Column::int("category_id", "categoryId").indexed().comment("Связанная статья: ft_category.id"),
        COMMENT,
    ],
);

const EMPLOYEE: Entity = list(
    "ft_employee",
    "employees",
    "сотрудники",
    &[
        ID,
        NAME.comment("Имя сотрудника"),
        Column::text("date", "date").comment("Когда менялось регулярное начисление, мм.гггг"),
        CURRENCY,
        Column::decimal("regularfix", "regularfix").comment("Фиксированная часть зарплаты"),
        Column::decimal("regularfee", "regularfee").comment("Страховые взносы"),
        Column::decimal("regulartax", "regulartax").comment("НДФЛ"),
        INN,
        Column::text("hired", "hired").comment("Дата найма, дд.мм.гггг"),
        Column::text("fired", "fired").comment("Дата увольнения, дд.мм.гггг"),
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
