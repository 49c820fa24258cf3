-- The stop-list of iikoCloud as it was last seen, what was in it when, and when it was looked at.
-- No foreign keys: a product may be stopped that the nomenclature no longer has.

-- One row for every product and size in the stop-list of a terminal group. `size_id` is the nil uuid where iikoCloud names
-- no size, `terminal_group_id` where it names no terminal group. `date_add` is iikoCloud's own text, in UTC.
-- `unconfirmed_since` is null unless the row's terminal group or organization was absent from the last complete answer:
-- then it is the first such sample, UTC.
create table active_stoplist (
    product_id uuid not null,
    terminal_group_id uuid not null,
    size_id uuid not null,
    organization_id uuid not null,
    name text,
    balance numeric,
    sku text,
    date_add text,
    unconfirmed_since text,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (product_id, terminal_group_id, size_id, organization_id)
);
create index active_stoplist_name_idx on active_stoplist (name);
create trigger active_stoplist_touched before update on active_stoplist
    for each row execute function zerkalo_touched();

-- One row for every unbroken stretch of one balance: a product that enters opens one, one that leaves closes it, and a
-- balance that changes closes it and opens the next at the same moment. Times are those of the samples, not `date_add`.
create table stoplist_history (
    id bigint generated always as identity primary key,
    organization_id uuid not null,
    terminal_group_id uuid not null,
    product_id uuid not null,
    size_id uuid not null,
    name text not null,
    balance numeric not null,
    started_at timestamptz not null,
    ended_at timestamptz check (ended_at >= started_at)
);
create unique index stoplist_history_open_idx on stoplist_history (product_id, terminal_group_id, size_id, organization_id)
    where ended_at is null;
create index stoplist_history_ended_at_idx on stoplist_history (ended_at);

-- One row for every good answer: what lies between two of them far apart is not known.
create table stoplist_sample (
    organization_id uuid not null,
    taken_at timestamptz not null,
    primary key (organization_id, taken_at)
);
create index stoplist_sample_taken_at_idx on stoplist_sample (taken_at);
