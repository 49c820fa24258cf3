-- What `zerkalo status` and the report of the stop-list need to speak of what was not done: how late a job may begin, and what
-- the organizations of iikoCloud are called.

-- The grace in seconds that the last start for this slot was given, so that `zerkalo status` judges the job's next slots by
-- it; none for slots of older versions, and where a person gave leave for this slot alone.
alter table job_slot add column grace_s integer;

-- The organizations' names as the last reading had them: the report names those that nobody read.
create table stoplist_organization (
    organization_id text primary key not null,
    name text not null
) strict;
