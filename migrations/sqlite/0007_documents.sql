-- Documents that are posted to iiko, each at most once: what was planned is frozen here before anything is sent, and
-- every step is committed before the next one.

-- `key` is the documentNumber. `store_to` is a transfer's, `account_id` a write-off's. `items_json` and the columns before
-- it are the document as it is sent; `payload_sha256` is the digest of that. Text, so that no digit is lost.
--
-- planned: not sent. drafting: a draft (status NEW) may have been sent. drafted: iiko has the draft `iiko_id`, which moves
-- nothing. processing: it may have been processed. done: iiko has it as PROCESSED, with our lines. failed: it has moved
-- nothing, and is not tried again. unknown: iiko has something else than was sent, or nobody knows. abandoned: a person
-- took care of it.
create table document_outbox (
    key text primary key not null,
    kind text not null check (kind in ('transfer', 'writeoff')),
    subject text not null,
    title text not null,
    business_date text not null,
    slot_utc text,
    store_from text not null,
    store_to text,
    account_id text,
    seq integer not null,
    date_incoming text not null,
    comment text not null,
    items_json text not null,
    payload_sha256 text not null,
    state text not null check (state in
        ('planned', 'drafting', 'drafted', 'processing', 'done', 'failed', 'unknown', 'abandoned')),
    iiko_id text,
    attempts integer not null default 0,
    last_error text,
    seen_at text,
    run_id text not null,
    created_at text not null,
    updated_at text not null,
    check ((store_to is null) <> (account_id is null)),
    unique (kind, business_date, subject, seq)
) strict;
create index document_outbox_state_idx on document_outbox (state);
create index document_outbox_date_idx on document_outbox (business_date);
