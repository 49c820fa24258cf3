-- The mirror of FinTablo. Columns follow src/tables/fintablo.rs; a test compares the two.
-- Dates and months stay text, as the upstream writes them.

create table ft_category (
    id bigint not null,
    name text,
    parent_id bigint,
    "group" text,
    type text,
    pnl_type text,
    description text,
    is_built_in boolean,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index ft_category_name_idx on ft_category (name);
create index ft_category_parent_id_idx on ft_category (parent_id);
create trigger ft_category_touched before update on ft_category
    for each row execute function zerkalo_touched();

create table ft_moneybag (
    id bigint not null,
    name text,
    type text,
    number text,
    currency text,
    balance numeric,
    surplus numeric,
    surplus_timestamp bigint,
    group_id bigint,
    archived boolean,
    hide_in_total boolean,
    without_nds boolean,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index ft_moneybag_name_idx on ft_moneybag (name);
create index ft_moneybag_group_id_idx on ft_moneybag (group_id);
create trigger ft_moneybag_touched before update on ft_moneybag
    for each row execute function zerkalo_touched();

create table ft_partner (
    id bigint not null,
    name text,
    inn text,
    group_id bigint,
    comment text,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index ft_partner_name_idx on ft_partner (name);
create index ft_partner_group_id_idx on ft_partner (group_id);
create trigger ft_partner_touched before update on ft_partner
    for each row execute function zerkalo_touched();

create table ft_direction (
    id bigint not null,
    name text,
    parent_id bigint,
    description text,
    archived boolean,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index ft_direction_name_idx on ft_direction (name);
create index ft_direction_parent_id_idx on ft_direction (parent_id);
create trigger ft_direction_touched before update on ft_direction
    for each row execute function zerkalo_touched();

create table ft_moneybag_group (
    id bigint not null,
    name text,
    is_built_in boolean,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index ft_moneybag_group_name_idx on ft_moneybag_group (name);
create trigger ft_moneybag_group_touched before update on ft_moneybag_group
    for each row execute function zerkalo_touched();

create table ft_goods (
    id bigint not null,
    name text,
    cost numeric,
    comment text,
    quantity numeric,
    start_quantity numeric,
    avg_cost numeric,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index ft_goods_name_idx on ft_goods (name);
create trigger ft_goods_touched before update on ft_goods
    for each row execute function zerkalo_touched();

create table ft_obtaining (
    id bigint not null,
    goods_id bigint,
    partner_id bigint,
    amount numeric,
    cost numeric,
    quantity numeric,
    currency text,
    comment text,
    date text,
    nds numeric,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index ft_obtaining_goods_id_idx on ft_obtaining (goods_id);
create index ft_obtaining_partner_id_idx on ft_obtaining (partner_id);
create trigger ft_obtaining_touched before update on ft_obtaining
    for each row execute function zerkalo_touched();

create table ft_job (
    id bigint not null,
    name text,
    cost numeric,
    comment text,
    direction_id text,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index ft_job_name_idx on ft_job (name);
create index ft_job_direction_id_idx on ft_job (direction_id);
create trigger ft_job_touched before update on ft_job
    for each row execute function zerkalo_touched();

create table ft_deal (
    id bigint not null,
    name text,
    direction_id bigint,
    amount numeric,
    currency text,
    custom_cost_price numeric,
    status_id bigint,
    partner_id bigint,
    responsible_id bigint,
    comment text,
    start_date text,
    end_date text,
    act_date text,
    nds numeric,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index ft_deal_name_idx on ft_deal (name);
create index ft_deal_direction_id_idx on ft_deal (direction_id);
create index ft_deal_status_id_idx on ft_deal (status_id);
create index ft_deal_partner_id_idx on ft_deal (partner_id);
create index ft_deal_responsible_id_idx on ft_deal (responsible_id);
create trigger ft_deal_touched before update on ft_deal
    for each row execute function zerkalo_touched();

create table ft_obligation_status (
    id bigint not null,
    name text,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index ft_obligation_status_name_idx on ft_obligation_status (name);
create trigger ft_obligation_status_touched before update on ft_obligation_status
    for each row execute function zerkalo_touched();

create table ft_obligation (
    id bigint not null,
    name text,
    category_id bigint,
    direction_id bigint,
    deal_id bigint,
    amount numeric,
    currency text,
    status_id bigint,
    partner_id bigint,
    comment text,
    act_date text,
    nds numeric,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index ft_obligation_name_idx on ft_obligation (name);
create index ft_obligation_category_id_idx on ft_obligation (category_id);
create index ft_obligation_direction_id_idx on ft_obligation (direction_id);
create index ft_obligation_deal_id_idx on ft_obligation (deal_id);
create index ft_obligation_status_id_idx on ft_obligation (status_id);
create index ft_obligation_partner_id_idx on ft_obligation (partner_id);
create trigger ft_obligation_touched before update on ft_obligation
    for each row execute function zerkalo_touched();

create table ft_pnl_category (
    id bigint not null,
    name text,
    type text,
    pnl_type text,
    category_id bigint,
    comment text,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index ft_pnl_category_name_idx on ft_pnl_category (name);
create index ft_pnl_category_category_id_idx on ft_pnl_category (category_id);
create trigger ft_pnl_category_touched before update on ft_pnl_category
    for each row execute function zerkalo_touched();

create table ft_employee (
    id bigint not null,
    name text,
    date text,
    currency text,
    regularfix numeric,
    regularfee numeric,
    regulartax numeric,
    inn text,
    hired text,
    fired text,
    comment text,
    raw_json jsonb not null,
    row_hash bytea,
    synced_at timestamptz not null,
    primary key (id)
);
create index ft_employee_name_idx on ft_employee (name);
create trigger ft_employee_touched before update on ft_employee
    for each row execute function zerkalo_touched();
