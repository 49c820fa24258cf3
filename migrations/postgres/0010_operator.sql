-- What an operator decides, and deleted rows in one form.

-- Tables of which nothing is deleted until an operator releases them, whatever the answers lack.
create table mirror_hold (
    table_name text primary key,
    since timestamptz not null,
    run_id uuid not null,
    held_by text not null
);

-- A tombstone's `row` holds every column as text, as in SQLite, so that no reader turns a decimal into a float on the way.
update mirror_tombstone set "row" = (select jsonb_object_agg(key, to_jsonb(value)) from jsonb_each_text("row"));
