-- What is done once: the slot of a scheduled job, and a message to a chat.

-- One row for every scheduled moment of a job that was begun or came too late. `running` is a slot that was begun and is
-- not done: by a run that works on it, or by one that is gone, and then the next start within the grace resumes it.
create table job_slot (
    job text not null,
    slot_utc text not null,
    business_date text not null,
    state text not null check (state in ('running', 'done', 'misfired')),
    run_id text not null,
    started_at text,
    finished_at text,
    exit_code integer,
    attempts integer not null default 0,
    primary key (job, slot_utc)
) strict;

-- One row for every message to every chat, written before it is sent: at most one message for a key and a chat.
-- `sending` is committed before the request goes out, so whoever finds it later knows that the message may have come.
create table message_delivery (
    key text not null,
    chat text not null,
    job text not null,
    kind text not null check (kind in ('text', 'photo')),
    body_sha256 text not null,
    state text not null check (state in ('planned', 'sending', 'sent', 'failed', 'unknown')),
    message_id integer,
    attempts integer not null default 0,
    last_error text,
    run_id text not null,
    created_at text not null,
    updated_at text not null,
    primary key (key, chat)
) strict;
