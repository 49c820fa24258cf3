-- Stock balances, replaced as a whole by every run: rows with an amount other than zero.
-- No foreign keys: a balance may name a store or a product that the directories no longer have.
-- Decimals are of type any in a strict table: numeric affinity would turn more than 15 digits into a float.

create table stock_balance (
    store_id text not null,
    product_id text not null,
    store_name text,
    product_name text,
    amount any,
    money any,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (store_id, product_id)
) strict;
create index stock_balance_product_id_idx on stock_balance (product_id);
create trigger stock_balance_touched after update on stock_balance
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update stock_balance set row_hash = null where store_id = new.store_id and product_id = new.product_id; end;
