-- The mirror of the iiko server. Columns follow src/tables/iiko.rs; a test compares the two.
-- Text columns have no length limit, decimals are exact, a field that is missing upstream is null.

create table iiko_entity (
    id uuid not null,
    root_type text not null,
    name text,
    code text,
    deleted boolean,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id, root_type)
);
create index iiko_entity_root_type_idx on iiko_entity (root_type);
create index iiko_entity_name_idx on iiko_entity (name);
create trigger iiko_entity_touched before update on iiko_entity
    for each row execute function zerkalo_touched();

create table iiko_supplier (
    id uuid not null,
    name text,
    code text,
    deleted boolean,
    card_number text,
    taxpayer_id_number text,
    snils text,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index iiko_supplier_name_idx on iiko_supplier (name);
create trigger iiko_supplier_touched before update on iiko_supplier
    for each row execute function zerkalo_touched();

create table iiko_department (
    id uuid not null,
    parent_id uuid,
    name text,
    code text,
    department_type text,
    taxpayer_id_number text,
    deleted boolean,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index iiko_department_parent_id_idx on iiko_department (parent_id);
create index iiko_department_name_idx on iiko_department (name);
create trigger iiko_department_touched before update on iiko_department
    for each row execute function zerkalo_touched();

create table iiko_store (
    id uuid not null,
    parent_id uuid,
    name text,
    code text,
    department_type text,
    taxpayer_id_number text,
    deleted boolean,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index iiko_store_parent_id_idx on iiko_store (parent_id);
create index iiko_store_name_idx on iiko_store (name);
create trigger iiko_store_touched before update on iiko_store
    for each row execute function zerkalo_touched();

create table iiko_group (
    id uuid not null,
    department_id uuid,
    name text,
    group_service_mode text,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index iiko_group_department_id_idx on iiko_group (department_id);
create index iiko_group_name_idx on iiko_group (name);
create trigger iiko_group_touched before update on iiko_group
    for each row execute function zerkalo_touched();

create table iiko_product_group (
    id uuid not null,
    parent_id uuid,
    name text,
    code text,
    num text,
    description text,
    deleted boolean,
    category uuid,
    accounting_category uuid,
    tax_category uuid,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index iiko_product_group_parent_id_idx on iiko_product_group (parent_id);
create index iiko_product_group_name_idx on iiko_product_group (name);
create index iiko_product_group_num_idx on iiko_product_group (num);
create trigger iiko_product_group_touched before update on iiko_product_group
    for each row execute function zerkalo_touched();

create table iiko_product (
    id uuid not null,
    parent_id uuid,
    name text,
    code text,
    num text,
    description text,
    product_type text,
    deleted boolean,
    main_unit uuid,
    category uuid,
    accounting_category uuid,
    tax_category uuid,
    default_sale_price numeric,
    unit_weight numeric,
    unit_capacity numeric,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index iiko_product_parent_id_idx on iiko_product (parent_id);
create index iiko_product_name_idx on iiko_product (name);
create index iiko_product_num_idx on iiko_product (num);
create trigger iiko_product_touched before update on iiko_product
    for each row execute function zerkalo_touched();

create table iiko_employee (
    id uuid not null,
    name text,
    code text,
    deleted boolean,
    first_name text,
    middle_name text,
    last_name text,
    role_id uuid,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index iiko_employee_name_idx on iiko_employee (name);
create index iiko_employee_role_id_idx on iiko_employee (role_id);
create trigger iiko_employee_touched before update on iiko_employee
    for each row execute function zerkalo_touched();

create table iiko_employee_role (
    id uuid not null,
    name text,
    code text,
    deleted boolean,
    payment_per_hour numeric,
    steady_salary numeric,
    schedule_type text,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index iiko_employee_role_name_idx on iiko_employee_role (name);
create trigger iiko_employee_role_touched before update on iiko_employee_role
    for each row execute function zerkalo_touched();
