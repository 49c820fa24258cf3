-- The tool's own tables: the run log, tombstones and whose mirror this is.
-- Times are UTC with microseconds as text, uuids lower-case text.

-- One row for every run of every entity, failed ones too. Insert only.
create table iiko_sync_log (
    id integer primary key autoincrement,
    run_id text not null,
    entity_type text not null,
    scope text not null default '',
    status text not null check (status in ('success', 'warning', 'error', 'skipped')),
    started_at text not null,
    finished_at text not null,
    duration_ms integer not null,
    records_synced integer not null default 0,
    inserted integer not null default 0,
    updated integer not null default 0,
    unchanged integer not null default 0,
    deleted integer not null default 0,
    rejected integer not null default 0,
    delete_blocked integer not null default 0,
    error_message text,
    triggered_by text not null default '',
    host text not null default ''
) strict;
create index iiko_sync_log_entity_idx on iiko_sync_log (entity_type, scope, finished_at);
create index iiko_sync_log_run_idx on iiko_sync_log (run_id);

-- Deleted rows, kept 30 days. `key` is the primary key as a JSON list of texts, `row` every column as JSON text.
create table mirror_tombstone (
    id integer primary key autoincrement,
    table_name text not null,
    key text not null,
    "row" text not null,
    run_id text not null,
    deleted_at text not null
) strict;
create index mirror_tombstone_table_idx on mirror_tombstone (table_name, deleted_at);
create index mirror_tombstone_run_idx on mirror_tombstone (run_id);
create index mirror_tombstone_deleted_idx on mirror_tombstone (deleted_at);

-- Which iiko server and which FinTablo account this file mirrors: one of each, for good.
create table source_identity (
    upstream text primary key not null,
    identity text not null,
    adopted_at text not null
) strict;

-- Freshness of each table and scope: when its last good run ended and how many rows it left.
create view mirror_freshness as
select table_name, scope, last_good_run, rows
from (
    select
        entity_type as table_name,
        scope,
        finished_at as last_good_run,
        inserted + updated + unchanged + delete_blocked as rows,
        row_number() over (partition by entity_type, scope order by finished_at desc, id desc) as newest
    from iiko_sync_log
    where status in ('success', 'warning')
) runs
where newest = 1;
