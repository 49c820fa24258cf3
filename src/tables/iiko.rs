//! What is mirrored of the iiko server. Paths, parameters, fields and defaults are those of the official iikoServer
//! REST API documentation; where it is silent, of answers seen on real servers.

use super::{Column, Deletion, Entity, Feed, Table};

/// The 16 root types of `v2/entities/list`.
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

const ID: Column = Column::uuid("id", "id");
const NAME: Column = Column::text("name", "name");
const CODE: Column = Column::text("code", "code");
const DELETED: Column = Column::bool("deleted", "deleted");
const PARENT_ID: Column = Column::uuid("parent_id", "parent");

const CORPORATE_ITEM: &[Column] = &[
    ID,
    Column::uuid("parent_id", "parentId"),
    NAME,
    CODE,
    Column::text("department_type", "type"),
    Column::text("taxpayer_id_number", "taxpayerIdNumber"),
    Column::always_false("deleted"),
];

const fn corporate(name: &'static str, path: &'static str) -> Entity {
    let feed = Feed::IikoXml {
        path,
        query: &[],
        root: "corporateItemDtoes",
        record: "corporateItemDto",
        lists: &[],
    };
    Entity { table: Table::keyed_by_id(name, CORPORATE_ITEM), feed }
}

const fn personal(name: &'static str, columns: &'static [Column]) -> Table {
    let mut table = Table::keyed_by_id(name, columns);
    table.dropped = PERSONAL;
    table.dropped_always = SECRETS;
    table
}

const ENTITY: Entity = Entity {
    table: Table {
        key: &["id", "root_type"],
        scope: Some("root_type"),
        ..Table::keyed_by_id("iiko_entity", &[ID, Column::text("root_type", "rootType"), NAME, CODE, DELETED])
    },
    feed: Feed::IikoDirectories { path: "v2/entities/list", root_types: ROOT_TYPES },
};

/// The corporate structure: departments and legal persons.
pub const DEPARTMENT: Entity = corporate("iiko_department", "corporation/departments");

/// Stores: balances take their names from here.
pub const STORE: Entity = corporate("iiko_store", "corporation/stores");

const GROUP: Entity = Entity {
    table: Table::keyed_by_id(
        "iiko_group",
        &[
            ID,
            Column::uuid("department_id", "departmentId"),
            NAME,
            Column::text("group_service_mode", "groupServiceMode"),
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
        &[
            ID,
            PARENT_ID,
            NAME,
            CODE,
            Column::text("num", "num"),
            Column::text("description", "description"),
            DELETED,
            Column::uuid("category", "category"),
            Column::uuid("accounting_category", "accountingCategory"),
            Column::uuid("tax_category", "taxCategory"),
        ],
    ),
    feed: Feed::IikoJson { path: "v2/entities/products/group/list", query: &[] },
};

/// Products (nomenclature), active ones only.
pub const PRODUCT: Entity = Entity {
    table: Table::keyed_by_id(
        "iiko_product",
        &[
            ID,
            PARENT_ID,
            NAME,
            CODE,
            Column::text("num", "num"),
            Column::text("description", "description"),
            Column::text("product_type", "type"),
            DELETED,
            Column::uuid("main_unit", "mainUnit"),
            Column::uuid("category", "category"),
            Column::uuid("accounting_category", "accountingCategory"),
            Column::uuid("tax_category", "taxCategory"),
            Column::decimal("default_sale_price", "defaultSalePrice"),
            Column::decimal("unit_weight", "unitWeight"),
            Column::decimal("unit_capacity", "unitCapacity"),
        ],
    ),
    feed: Feed::IikoJson { path: "v2/entities/products/list", query: &[("includeDeleted", "false")] },
};

const SUPPLIER: Entity = Entity {
    table: personal(
        "iiko_supplier",
        &[
            ID,
            NAME,
            CODE,
            DELETED,
            Column::text("card_number", "cardNumber"),
            Column::text("taxpayer_id_number", "taxpayerIdNumber"),
            Column::text("snils", "snils"),
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
        &[
            ID,
            Column::joined("name", &["lastName", "firstName", "middleName"], "name"),
            CODE,
            DELETED,
            Column::text("first_name", "firstName"),
            Column::text("middle_name", "middleName"),
            Column::text("last_name", "lastName"),
            Column::uuid("role_id", "mainRoleId"),
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
        &[
            ID,
            NAME,
            CODE,
            DELETED,
            Column::decimal("payment_per_hour", "paymentPerHour"),
            Column::decimal("steady_salary", "steadySalary"),
            Column::text("schedule_type", "scheduleType"),
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
        name: "stock_balance",
        columns: &[
            Column::uuid("store_id", "store"),
            Column::uuid("product_id", "product"),
            Column::supplied("store_name"),
            Column::supplied("product_name"),
            Column::decimal("amount", "amount"),
            Column::decimal("money", "sum"),
        ],
        key: &["store_id", "product_id"],
        scope: None,
        deletion: Deletion::Missing,
        tombstones: false,
        dropped: &[],
        dropped_always: &[],
        noise: &[],
    },
    feed: Feed::IikoBalances { path: "v2/reports/balance/stores" },
};

/// Everything that `sync iiko` mirrors.
pub const IIKO: &[Entity] =
    &[ENTITY, DEPARTMENT, STORE, GROUP, PRODUCT_GROUP, PRODUCT, SUPPLIER, EMPLOYEE, EMPLOYEE_ROLE];

/// What `sync stock` replaces.
pub const STOCK: &[Entity] = &[STOCK_BALANCE];
