//! What is mirrored of the iiko server. Paths, parameters, fields and defaults are those of the official iikoServer
//! REST API documentation; where it is silent, of answers seen on real servers.

use super::{Column, Entity, Feed, Table};

/// The root types of `v2/entities/list`.
pub const ROOT_TYPES: &[&str] = &[
    "Account",
    "AccountingCategory",
    "AlcoholClass",
    "AllergenGroup",
    "AttendanceType",
    "Conception",
    "CookingPlaceType",
    "DiscountType",
    "MeasureUnit",
    "OrderType",
    "PaymentType",
    "ProductCategory",
    "ProductScale",
    "ProductSize",
    "ScheduleType",
    "TaxCategory",
];

/// Personal data that the mirror has no use for.
const PERSONAL: &[&str] =
    &["password", "pinCode", "login", "cardNumber", "phone", "cellPhone", "address", "snils"];
/// Secrets that are never stored, whatever the setting says.
const SECRETS: &[&str] = &["password", "pinCode"];

/// Elements of an employee that repeat (XSD of the iikoServer documentation).
const EMPLOYEE_LISTS: &[&str] =
    &["rolesIds", "roleCodes", "departmentCodes", "responsibilityDepartmentCodes"];

const ID: Column = Column::uuid("id", "id").comment("UUID в iiko");
const NAME: Column = Column::text("name", "name").indexed().comment("Название");
const CODE: Column = Column::text("code", "code").comment("Код");
const NUM: Column = Column::text("num", "num").indexed().comment("Артикул");
const DESCRIPTION: Column = Column::text("description", "description").comment("Описание");
const DELETED: Column = Column::bool("deleted", "deleted").comment("Удалено в iiko");
const PARENT_ID: Column =
    Column::uuid("parent_id", "parent").indexed().comment("Группа, в которую входит: iiko_product_group.id");
const CATEGORY: Column =
    Column::uuid("category", "category").comment("Пользовательская категория: iiko_entity.id");
const ACCOUNTING_CATEGORY: Column = Column::uuid("accounting_category", "accountingCategory")
    .comment("Бухгалтерская категория: iiko_entity.id");
const TAX_CATEGORY: Column =
    Column::uuid("tax_category", "taxCategory").comment("Налоговая категория: iiko_entity.id");
const TAXPAYER: Column = Column::text("taxpayer_id_number", "taxpayerIdNumber").comment("ИНН");

const CORPORATE_ITEM: &[Column] = &[
    ID,
    Column::uuid("parent_id", "parentId")
        .indexed()
        .comment("Подразделение, в которое входит: iiko_department.id"),
    NAME,
    CODE,
    Column::text("department_type", "type").comment("Тип: DEPARTMENT, STORE, JURPERSON и другие"),
    TAXPAYER,
    Column::always_false("deleted").comment("Всегда false: iiko не сообщает"),
];

const fn corporate(name: &'static str, path: &'static str, title: &'static str) -> Entity {
    let feed = Feed::IikoXml {
        path,
        query: &[],
        root: "corporateItemDtoes",
        record: "corporateItemDto",
        lists: &[],
    };
    Entity { table: Table::keyed_by_id(name, title, CORPORATE_ITEM), feed }
}

const fn personal(name: &'static str, title: &'static str, columns: &'static [Column]) -> Table {
    let mut table = Table::keyed_by_id(name, title, columns);
    table.dropped = PERSONAL;
    table.dropped_always = SECRETS;
    table
}

/// The directories: many small lists, told apart by their root type.
pub const DIRECTORIES: Entity = Entity {
    table: Table {
        key: &["id", "root_type"],
        scope: Some("root_type"),
        ..Table::keyed_by_id(
            "iiko_entity",
            "справочники",
            &[
                ID,
                Column::text("root_type", "rootType")
                    .indexed()
                    .comment("Справочник: MeasureUnit, PaymentType и другие"),
                NAME,
                CODE,
                DELETED,
            ],
        )
    },
    feed: Feed::IikoDirectories { path: "v2/entities/list", root_types: ROOT_TYPES },
};

/// The corporate structure: departments and legal persons.
pub const DEPARTMENT: Entity = corporate("iiko_department", "corporation/departments", "подразделения");

/// Stores: balances take their names from here.
pub const STORE: Entity = corporate("iiko_store", "corporation/stores", "склады");

const GROUP: Entity = Entity {
    table: Table::keyed_by_id(
        "iiko_group",
        "группы отделений",
        &[
            ID,
            Column::uuid("department_id", "departmentId")
                .indexed()
                .comment("Подразделение: iiko_department.id"),
            NAME,
            Column::text("group_service_mode", "groupServiceMode").comment("Режим обслуживания"),
        ],
    ),
    feed: Feed::IikoXml {
        path: "corporation/groups",
        query: &[],
        root: "groupDtoes",
        record: "groupDto",
        lists: &[],
    },
};

/// The groups of the nomenclature.
pub const PRODUCT_GROUP: Entity = Entity {
    table: Table::keyed_by_id(
        "iiko_product_group",
        "группы номенклатуры",
        &[ID, PARENT_ID, NAME, CODE, NUM, DESCRIPTION, DELETED, CATEGORY, ACCOUNTING_CATEGORY, TAX_CATEGORY],
    ),
    feed: Feed::IikoJson { path: "v2/entities/products/group/list", query: &[] },
};

/// Products (nomenclature), active ones only.
pub const PRODUCT: Entity = Entity {
    table: Table::keyed_by_id(
        "iiko_product",
        "номенклатура",
        &[
            ID,
            PARENT_ID,
            NAME,
            CODE,
            NUM,
            DESCRIPTION,
            Column::text("product_type", "type")
                .comment("Тип: GOODS товар, DISH блюдо, PREPARED заготовка и другие"),
            DELETED,
            Column::uuid("main_unit", "mainUnit").comment("Единица измерения: iiko_entity.id"),
            CATEGORY,
            ACCOUNTING_CATEGORY,
            TAX_CATEGORY,
            Column::decimal("default_sale_price", "defaultSalePrice").comment("Цена продажи"),
            Column::decimal("unit_weight", "unitWeight").comment("Вес одной единицы"),
            Column::decimal("unit_capacity", "unitCapacity").comment("Объём одной единицы"),
        ],
    ),
    feed: Feed::IikoJson { path: "v2/entities/products/list", query: &[("includeDeleted", "false")] },
};

const SUPPLIER: Entity = Entity {
    table: personal(
        "iiko_supplier",
        "поставщики",
        &[
            ID,
            NAME,
            CODE,
            DELETED,
            Column::text("card_number", "cardNumber").comment("Номер карты; только при полных личных данных"),
            TAXPAYER,
            Column::text("snils", "snils").comment("СНИЛС; только при полных личных данных"),
        ],
    ),
    // Suppliers are users: the documented root is <employees>, the same as that of /employees.
    feed: Feed::IikoXml {
        path: "suppliers",
        query: &[],
        root: "employees",
        record: "employee",
        lists: EMPLOYEE_LISTS,
    },
};

const EMPLOYEE: Entity = Entity {
    table: personal(
        "iiko_employee",
        "сотрудники",
        &[
            ID,
            Column::joined("name", &["lastName", "firstName", "middleName"], "name")
                .indexed()
                .comment("Фамилия, имя и отчество; где их нет, имя в системе"),
            CODE,
            DELETED,
            Column::text("first_name", "firstName").comment("Имя"),
            Column::text("middle_name", "middleName").comment("Отчество"),
            Column::text("last_name", "lastName").comment("Фамилия"),
            Column::uuid("role_id", "mainRoleId")
                .indexed()
                .comment("Основная должность: iiko_employee_role.id"),
        ],
    ),
    feed: Feed::IikoXml {
        path: "employees",
        query: &[("includeDeleted", "false")],
        root: "employees",
        record: "employee",
        lists: EMPLOYEE_LISTS,
    },
};

const EMPLOYEE_ROLE: Entity = Entity {
    table: Table::keyed_by_id(
        "iiko_employee_role",
        "должности",
        &[
            ID,
            NAME,
            CODE,
            DELETED,
            Column::decimal("payment_per_hour", "paymentPerHour").comment("Ставка за час"),
            Column::decimal("steady_salary", "steadySalary").comment("Оклад"),
            Column::text("schedule_type", "scheduleType").comment("Вид графика работы"),
        ],
    ),
    feed: Feed::IikoXml {
        path: "employees/roles",
        query: &[],
        root: "employeeRoles",
        record: "role",
        lists: &[],
    },
};

const STOCK_BALANCE: Entity = Entity {
    table: Table {
        key: &["store_id", "product_id"],
        tombstones: false,
        ..Table::keyed_by_id(
            "stock_balance",
            "по складам",
            &[
                Column::uuid("store_id", "store").comment("Склад: iiko_store.id"),
                Column::uuid("product_id", "product").indexed().comment("Товар: iiko_product.id"),
                Column::supplied("store_name").comment("Название склада; unknown:UUID, где оно неизвестно"),
                Column::supplied("product_name").comment("Название товара; unknown:UUID, где оно неизвестно"),
                Column::decimal("amount", "amount").comment("Количество; строк с нулём нет"),
                Column::decimal("money", "sum").comment("Стоимость остатка"),
            ],
        )
    },
    feed: Feed::IikoBalances { path: "v2/reports/balance/stores" },
};

/// Everything that `sync iiko` mirrors.
pub const IIKO: &[Entity] =
    &[DIRECTORIES, DEPARTMENT, STORE, GROUP, PRODUCT_GROUP, PRODUCT, SUPPLIER, EMPLOYEE, EMPLOYEE_ROLE];

/// What `sync stock` replaces.
pub const STOCK: &[Entity] = &[STOCK_BALANCE];
