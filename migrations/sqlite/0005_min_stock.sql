-- The min/max levels that people type into the sheet: one row a product and department with a number.
-- No foreign keys: a level may outlive its product, whose row then stands at the bottom of the sheet.
-- Decimals are of type any in a strict table: numeric affinity would turn more than 15 digits into a float.

create table min_stock_level (
    product_id text not null,
    department_id text not null,
    product_name text,
    department_name text,
    min_level any,
    max_level any,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (product_id, department_id)
) strict;
create index min_stock_level_department_id_idx on min_stock_level (department_id);
create trigger min_stock_level_touched after update on min_stock_level
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update min_stock_level set row_hash = null
        where product_id = new.product_id and department_id = new.department_id; end;
