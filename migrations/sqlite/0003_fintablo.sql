-- The mirror of FinTablo. Columns follow src/tables/fintablo.rs; a test compares the two.
-- Dates and months stay text, as the upstream writes them.
-- Decimals are of type any in a strict table: numeric affinity would turn more than 15 digits into a float.

create table ft_category (
    id integer not null,
    name text,
    parent_id integer,
    "group" text,
    type text,
    pnl_type text,
    description text,
    is_built_in integer,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index ft_category_name_idx on ft_category (name);
create index ft_category_parent_id_idx on ft_category (parent_id);
create trigger ft_category_touched after update on ft_category
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update ft_category set row_hash = null where id = new.id; end;

create table ft_moneybag (
    id integer not null,
    name text,
    type text,
    number text,
    currency text,
    balance any,
    surplus any,
    surplus_timestamp integer,
    group_id integer,
    archived integer,
    hide_in_total integer,
    without_nds integer,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index ft_moneybag_name_idx on ft_moneybag (name);
create index ft_moneybag_group_id_idx on ft_moneybag (group_id);
create trigger ft_moneybag_touched after update on ft_moneybag
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update ft_moneybag set row_hash = null where id = new.id; end;

create table ft_partner (
    id integer not null,
    name text,
    inn text,
    group_id integer,
    comment text,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index ft_partner_name_idx on ft_partner (name);
create index ft_partner_group_id_idx on ft_partner (group_id);
create trigger ft_partner_touched after update on ft_partner
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update ft_partner set row_hash = null where id = new.id; end;

create table ft_direction (
    id integer not null,
    name text,
    parent_id integer,
    description text,
    archived integer,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index ft_direction_name_idx on ft_direction (name);
create index ft_direction_parent_id_idx on ft_direction (parent_id);
create trigger ft_direction_touched after update on ft_direction
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update ft_direction set row_hash = null where id = new.id; end;

create table ft_moneybag_group (
    id integer not null,
    name text,
    is_built_in integer,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index ft_moneybag_group_name_idx on ft_moneybag_group (name);
create trigger ft_moneybag_group_touched after update on ft_moneybag_group
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update ft_moneybag_group set row_hash = null where id = new.id; end;

create table ft_goods (
    id integer not null,
    name text,
    cost any,
    comment text,
    quantity any,
    start_quantity any,
    avg_cost any,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index ft_goods_name_idx on ft_goods (name);
create trigger ft_goods_touched after update on ft_goods
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update ft_goods set row_hash = null where id = new.id; end;

create table ft_obtaining (
    id integer not null,
    goods_id integer,
    partner_id integer,
    amount any,
    cost any,
    quantity any,
    currency text,
    comment text,
    date text,
    nds any,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index ft_obtaining_goods_id_idx on ft_obtaining (goods_id);
create index ft_obtaining_partner_id_idx on ft_obtaining (partner_id);
create trigger ft_obtaining_touched after update on ft_obtaining
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update ft_obtaining set row_hash = null where id = new.id; end;

create table ft_job (
    id integer not null,
    name text,
    cost any,
    comment text,
    direction_id text,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index ft_job_name_idx on ft_job (name);
create index ft_job_direction_id_idx on ft_job (direction_id);
create trigger ft_job_touched after update on ft_job
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update ft_job set row_hash = null where id = new.id; end;

create table ft_deal (
    id integer not null,
    name text,
    direction_id integer,
    amount any,
    currency text,
    custom_cost_price any,
    status_id integer,
    partner_id integer,
    responsible_id integer,
    comment text,
    start_date text,
    end_date text,
    act_date text,
    nds any,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index ft_deal_name_idx on ft_deal (name);
create index ft_deal_direction_id_idx on ft_deal (direction_id);
create index ft_deal_status_id_idx on ft_deal (status_id);
create index ft_deal_partner_id_idx on ft_deal (partner_id);
create index ft_deal_responsible_id_idx on ft_deal (responsible_id);
create trigger ft_deal_touched after update on ft_deal
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update ft_deal set row_hash = null where id = new.id; end;

create table ft_obligation_status (
    id integer not null,
    name text,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index ft_obligation_status_name_idx on ft_obligation_status (name);
create trigger ft_obligation_status_touched after update on ft_obligation_status
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update ft_obligation_status set row_hash = null where id = new.id; end;

create table ft_obligation (
    id integer not null,
    name text,
    category_id integer,
    direction_id integer,
    deal_id integer,
    amount any,
    currency text,
    status_id integer,
    partner_id integer,
    comment text,
    act_date text,
    nds any,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index ft_obligation_name_idx on ft_obligation (name);
create index ft_obligation_category_id_idx on ft_obligation (category_id);
create index ft_obligation_direction_id_idx on ft_obligation (direction_id);
create index ft_obligation_deal_id_idx on ft_obligation (deal_id);
create index ft_obligation_status_id_idx on ft_obligation (status_id);
create index ft_obligation_partner_id_idx on ft_obligation (partner_id);
create trigger ft_obligation_touched after update on ft_obligation
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update ft_obligation set row_hash = null where id = new.id; end;

create table ft_pnl_category (
    id integer not null,
    name text,
    type text,
    pnl_type text,
    category_id integer,
    comment text,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index ft_pnl_category_name_idx on ft_pnl_category (name);
create index ft_pnl_category_category_id_idx on ft_pnl_category (category_id);
create trigger ft_pnl_category_touched after update on ft_pnl_category
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update ft_pnl_category set row_hash = null where id = new.id; end;

create table ft_employee (
    id integer not null,
    name text,
    date text,
    currency text,
    regularfix any,
    regularfee any,
    regulartax any,
    inn text,
    hired text,
    fired text,
    comment text,
    raw_json text not null,
    row_hash blob,
    synced_at text not null,
    primary key (id)
) strict;
create index ft_employee_name_idx on ft_employee (name);
create trigger ft_employee_touched after update on ft_employee
    when new.row_hash is old.row_hash and new.row_hash is not null
    begin update ft_employee set row_hash = null where id = new.id; end;
