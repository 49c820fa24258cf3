-- A table that only the tests declare: what a new mirrored table needs beside its declaration.

create table widget (
    id uuid not null,
    name text,
    price numeric,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index widget_name_idx on widget (name);
create trigger widget_touched before update on widget
    for each row execute function zerkalo_touched();
