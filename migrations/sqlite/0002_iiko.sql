-- The mirror of the iiko server. Columns follow src/tables/iiko.rs; a test compares the two.
-- Text columns have no length limit, decimals are exact, a field that is missing upstream is null.
-- Decimals are of type any in a strict table: numeric affinity would turn more than 15 digits into a float.

create table iiko_entity (
    id text not null,
    root_type text not null,
    name text,
    code text,
    deleted integer,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id, root_type)
) strict;
create index iiko_entity_root_type_idx on iiko_entity (root_type);
create index iiko_entity_name_idx on iiko_entity (name);
create trigger iiko_entity_touched after update on iiko_entity
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update iiko_entity set row_hash = null where id = new.id and root_type = new.root_type; end;

create table iiko_supplier (
    id text not null,
    name text,
    code text,
    deleted integer,
    card_number text,
    taxpayer_id_number text,
    snils text,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index iiko_supplier_name_idx on iiko_supplier (name);
create trigger iiko_supplier_touched after update on iiko_supplier
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update iiko_supplier set row_hash = null where id = new.id; end;

create table iiko_department (
    id text not null,
    parent_id text,
    name text,
    code text,
    department_type text,
    taxpayer_id_number text,
    deleted integer,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index iiko_department_parent_id_idx on iiko_department (parent_id);
create index iiko_department_name_idx on iiko_department (name);
create trigger iiko_department_touched after update on iiko_department
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update iiko_department set row_hash = null where id = new.id; end;

create table iiko_store (
    id text not null,
    parent_id text,
    name text,
    code text,
    department_type text,
    taxpayer_id_number text,
    deleted integer,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index iiko_store_parent_id_idx on iiko_store (parent_id);
create index iiko_store_name_idx on iiko_store (name);
create trigger iiko_store_touched after update on iiko_store
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update iiko_store set row_hash = null where id = new.id; end;

create table iiko_group (
    id text not null,
    department_id text,
    name text,
    group_service_mode text,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index iiko_group_department_id_idx on iiko_group (department_id);
create index iiko_group_name_idx on iiko_group (name);
create trigger iiko_group_touched after update on iiko_group
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update iiko_group set row_hash = null where id = new.id; end;

create table iiko_product_group (
    id text not null,
    parent_id text,
    name text,
    code text,
    num text,
    description text,
    deleted integer,
    category text,
    accounting_category text,
    tax_category text,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index iiko_product_group_parent_id_idx on iiko_product_group (parent_id);
create index iiko_product_group_name_idx on iiko_product_group (name);
create index iiko_product_group_num_idx on iiko_product_group (num);
create trigger iiko_product_group_touched after update on iiko_product_group
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update iiko_product_group set row_hash = null where id = new.id; end;

create table iiko_product (
    id text not null,
    parent_id text,
    name text,
    code text,
    num text,
    description text,
    product_type text,
    deleted integer,
    main_unit text,
    category text,
    accounting_category text,
    tax_category text,
    default_sale_price any,
    unit_weight any,
    unit_capacity any,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index iiko_product_parent_id_idx on iiko_product (parent_id);
create index iiko_product_name_idx on iiko_product (name);
create index iiko_product_num_idx on iiko_product (num);
create trigger iiko_product_touched after update on iiko_product
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update iiko_product set row_hash = null where id = new.id; end;

create table iiko_employee (
    id text not null,
    name text,
    code text,
    deleted integer,
    first_name text,
    middle_name text,
    last_name text,
    role_id text,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index iiko_employee_name_idx on iiko_employee (name);
create index iiko_employee_role_id_idx on iiko_employee (role_id);
create trigger iiko_employee_touched after update on iiko_employee
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update iiko_employee set row_hash = null where id = new.id; end;

create table iiko_employee_role (
    id text not null,
    name text,
    code text,
    deleted integer,
    payment_per_hour any,
    steady_salary any,
    schedule_type text,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index iiko_employee_role_name_idx on iiko_employee_role (name);
create trigger iiko_employee_role_touched after update on iiko_employee_role
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update iiko_employee_role set row_hash = null where id = new.id; end;
