-- The tool's own tables: the run log, tombstones, whose mirror this is, and the two functions that the mirror needs.

-- One row for every run of every entity, failed ones too. Insert only.
create table iiko_sync_log (
    id bigint generated always as identity primary key,
    run_id uuid not null,
    entity_type text not null,
    scope text not null default '',
    status text not null check (status in ('success', 'warning', 'error', 'skipped')),
    started_at timestamptz not null,
    finished_at timestamptz not null,
    duration_ms bigint not null,
    records_synced bigint not null default 0,
    inserted bigint not null default 0,
    updated bigint not null default 0,
    unchanged bigint not null default 0,
    deleted bigint not null default 0,
    rejected bigint not null default 0,
    delete_blocked bigint not null default 0,
    error_message text,
    triggered_by text not null default '',
    host text not null default ''
);
create index iiko_sync_log_entity_idx on iiko_sync_log (entity_type, scope, finished_at);
create index iiko_sync_log_run_idx on iiko_sync_log (run_id);

-- Deleted rows, kept 30 days. `key` is the primary key as a JSON list of texts, `row` the row as to_jsonb gives it.
create table mirror_tombstone (
    id bigint generated always as identity primary key,
    table_name text not null,
    key jsonb not null,
    "row" jsonb not null,
    run_id uuid not null,
    deleted_at timestamptz not null
);
create index mirror_tombstone_table_idx on mirror_tombstone (table_name, deleted_at);
create index mirror_tombstone_run_idx on mirror_tombstone (run_id);
create index mirror_tombstone_deleted_idx on mirror_tombstone (deleted_at);

-- Which iiko server and which FinTablo account this schema mirrors: one of each, for good.
create table source_identity (
    upstream text primary key,
    identity text not null,
    adopted_at timestamptz not null
);

-- An update that leaves row_hash as it was is a hand edit: null differs from everything, so the next run repairs it.
create function zerkalo_touched() returns trigger language plpgsql as $$
begin
    if new.row_hash is not distinct from old.row_hash then
        new.row_hash := null;
    end if;
    return new;
end
$$;

-- Raises when a statement touched another number of rows than was planned, and so rolls the whole statement back.
create function zerkalo_expect(what text, planned bigint, done bigint) returns bigint language plpgsql as $$
begin
    if planned <> done then
        raise exception '%: % rows were planned and % were there', what, planned, done using errcode = 'ZK001';
    end if;
    return done;
end
$$;

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
