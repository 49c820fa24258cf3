-- Stock balances, replaced as a whole by every run: rows with an amount other than zero.
-- No foreign keys: a balance may name a store or a product that the directories no longer have.

create table stock_balance (
    store_id uuid not null,
    product_id uuid not null,
    store_name text,
    product_name text,
    amount numeric,
    money numeric,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (store_id, product_id)
);
create index stock_balance_product_id_idx on stock_balance (product_id);
create trigger stock_balance_touched before update on stock_balance
    for each row execute function zerkalo_touched();
