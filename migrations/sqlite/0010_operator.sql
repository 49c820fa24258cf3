-- What an operator decides. Deleted rows have one form on both databases: nothing is to be changed in those of SQLite.

-- Tables of which nothing is deleted until an operator releases them, whatever the answers lack.
create table mirror_hold (
    table_name text primary key not null,
    since text not null,
    run_id text not null,
    held_by text not null
) strict;
