-- A service's direction is the id of a row of ft_direction, and so a number like that.

-- What is stored and is no number goes; without a hash the next run fills the row again from the answer.
update ft_job set direction_id = null, row_hash = null
    where direction_id::text !~ '^(0|-?[1-9][0-9]{0,17})$';
alter table ft_job alter column direction_id type bigint using direction_id::text::bigint;
