-- How late a job may begin is said by each of its starts.

-- The grace in seconds that the last start for this slot was given, so that `zerkalo status` judges the job's next slots by
-- it; none for slots of older versions, and where a person gave leave for this slot alone.
alter table job_slot add column grace_s bigint;
