-- The min/max levels that people type into the sheet: one row a product and department with a number.
-- No foreign keys: a level may outlive its product, whose row then stands at the bottom of the sheet.

create table min_stock_level (
    product_id uuid not null,
    department_id uuid not null,
    product_name text,
    department_name text,
    min_level numeric,
    max_level numeric,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (product_id, department_id)
);
create index min_stock_level_department_id_idx on min_stock_level (department_id);
create trigger min_stock_level_touched before update on min_stock_level
    for each row execute function zerkalo_touched();
