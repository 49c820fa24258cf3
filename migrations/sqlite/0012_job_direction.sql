-- A service's direction is the id of a row of ft_direction, and so a number like that.

-- A column's type cannot be changed: the table is made anew. Nothing is renamed, so that views on it stay as they are; the
-- columns in between have no type, so that no value changes on its way.
create temp table ft_job_before (id, name, cost, comment, direction_id, raw_json, row_hash, synced_at);
insert into ft_job_before
    select id, name, cost, comment, direction_id, raw_json, row_hash, synced_at from ft_job;
drop table ft_job;

create table ft_job (
    id integer not null,
    name text,
    cost any,
    comment text,
    direction_id integer,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
-- What is stored and is no number goes; without a hash the next run fills the row again from the answer.
insert into ft_job
    select id, name, cost, comment,
        case when cast(cast(direction_id as integer) as text) = cast(direction_id as text)
            then cast(direction_id as integer) end,
        raw_json,
        case when direction_id is null or cast(cast(direction_id as integer) as text) = cast(direction_id as text)
            then row_hash end,
        synced_at
    from ft_job_before;
drop table ft_job_before;

create index ft_job_name_idx on ft_job (name);
create index ft_job_direction_id_idx on ft_job (direction_id);
create trigger ft_job_touched after update on ft_job
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update ft_job set row_hash = null where id = new.id; end;
