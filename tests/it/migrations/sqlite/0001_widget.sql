-- A table that only the tests declare: what a new mirrored table needs beside its declaration.

create table widget (
    id text not null,
    name text,
    price any,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index widget_name_idx on widget (name);
create trigger widget_touched after update on widget
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update widget set row_hash = null where id = new.id; end;
