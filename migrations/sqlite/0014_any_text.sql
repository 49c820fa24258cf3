-- Names and numbers of any length: indexes of SQLite hold them as they are; PostgreSQL's are made anew.

select 1;
