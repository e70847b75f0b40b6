-- sql/schema/40-route.sql: who can take a lead.
--
-- Operations, not contract: people and pools change daily, so these tables are edited in place,
-- keep their validity, and every change is logged in handoff.operation_log.

create table handoff.rep (
    rep        text not null,
    name       text not null,
    crm_id     text,
    email      text,
    chat_id    text,
    manager    text,
    zone       text,
    schedule   handoff.schedule,
    calendar   text,
    capacity   int,
    active     boolean not null default true,
    takes_leads boolean not null default true,
    valid_from timestamptz not null default '-infinity',
    valid_to   timestamptz not null default 'infinity',
    primary key (rep),
    constraint rep_not_empty check (rep <> ''),
    constraint rep_capacity check (capacity >= 0),
    constraint rep_validity check (valid_from < valid_to)
);

create unique index rep_crm_id_once on handoff.rep (crm_id) where crm_id is not null;

comment on table handoff.rep is 'People who take leads.';
comment on column handoff.rep.rep is 'Key, short and stable, for example ana. Of one who was made of a CRM user: the CRM id.';
comment on column handoff.rep.name is 'Name in full.';
comment on column handoff.rep.crm_id is 'Key of the user in the CRM.';
comment on column handoff.rep.email is 'E-mail address.';
comment on column handoff.rep.chat_id is 'Key of the user in the chat tool.';
comment on column handoff.rep.manager is 'Rep key of the manager, or an address.';
comment on column handoff.rep.zone is 'Time zone, an IANA name: where he has no schedule of his own, the hours of a calendar are meant in it (handoff.rep_schedule()). NULL: the calendar''s.';
comment on column handoff.rep.schedule is 'Own working hours with their time zone, for example mon-fri 09:00-17:00 @ Europe/Berlin. NULL: those of the calendar.';
comment on column handoff.rep.calendar is 'Name of the calendar with holidays for business time. NULL: the pool''s, else the contract''s.';
comment on column handoff.rep.capacity is 'Most open handoffs that picks of ours give him. NULL: no limit.';
comment on column handoff.rep.active is 'False: gets nothing.';
comment on column handoff.rep.takes_leads is 'False: he was made of a CRM user and nobody has put him into a pool yet; no route gives him leads.';
comment on column handoff.rep.valid_from is 'From when he takes leads.';
comment on column handoff.rep.valid_to is 'Until when, not included.';

create table handoff.pool (
    pool             text not null,
    policy           text not null default 'weighted',
    per_band         boolean not null default false,
    counted_stages   text[] not null default '{}',
    respect_schedule boolean not null default true,
    calendar         text,
    lead_rep         text,
    primary key (pool),
    constraint pool_not_empty check (pool <> ''),
    constraint pool_policy check (policy in ('weighted', 'least_loaded'))
);

comment on table handoff.pool is 'Groups of reps among whom leads are shared out.';
comment on column handoff.pool.pool is 'Name, for example sdr.';
comment on column handoff.pool.policy is 'weighted (fair shares by weight) or least_loaded.';
comment on column handoff.pool.per_band is 'True: turns are counted per band, so that equal counts are equal chances.';
comment on column handoff.pool.counted_stages is 'Stages in which an open handoff counts as load. Empty: all.';
comment on column handoff.pool.respect_schedule is 'True: reps get leads only in their working hours (or shortly before).';
comment on column handoff.pool.calendar is 'Name of the calendar for business time where a rep has none. NULL: the contract''s.';
comment on column handoff.pool.lead_rep is 'Rep key of the pool''s lead, whom escalations tell.';

create table handoff.pool_member (
    pool       text not null references handoff.pool on delete cascade on update cascade,
    rep        text not null references handoff.rep on delete cascade on update cascade,
    weight     int not null default 1,
    ord        int not null default 0,
    valid_from timestamptz not null default '-infinity',
    valid_to   timestamptz not null default 'infinity',
    primary key (pool, rep, valid_from),
    constraint pool_member_weight check (weight between 1 and 1000),
    constraint pool_member_validity check (valid_from < valid_to)
);

create index pool_member_rep on handoff.pool_member (rep);

comment on table handoff.pool_member is 'Who belongs to a pool, when and with which weight.';
comment on column handoff.pool_member.pool is 'The pool.';
comment on column handoff.pool_member.rep is 'The rep.';
comment on column handoff.pool_member.weight is 'Share relative to the others, 1 to 1000.';
comment on column handoff.pool_member.ord is 'Order among equals, then by rep key.';
comment on column handoff.pool_member.valid_from is 'From when; may lie in the future.';
comment on column handoff.pool_member.valid_to is 'Until when, not included.';

-- Whose turn it is. Written under the pool's lock only; src/route/pick.c says what the numbers mean.

create table handoff.pool_turn (
    pool text not null,
    band text not null,
    v    double precision not null,
    primary key (pool, band)
);
comment on table handoff.pool_turn is 'How far the turns of a pool have come (of each band, if the pool says so).';
comment on column handoff.pool_turn.pool is 'Pool.';
comment on column handoff.pool_turn.band is 'Band; empty: all.';
comment on column handoff.pool_turn.v is 'Virtual time: picks per unit of weight so far, less whole numbers that were taken off.';

create table handoff.pool_turn_member (
    pool       text not null,
    band       text not null,
    rep        text not null,
    start      double precision not null,
    present    boolean not null,
    last_at    timestamptz,
    picks      bigint not null,
    primary key (pool, band, rep)
);
comment on table handoff.pool_turn_member is 'Where each member stands in the turns of a pool.';
comment on column handoff.pool_turn_member.pool is 'Pool.';
comment on column handoff.pool_turn_member.band is 'Band; empty: all.';
comment on column handoff.pool_turn_member.rep is 'Rep.';
comment on column handoff.pool_turn_member.start is 'Virtual time from which the next pick is his due; means nothing while he is not present.';
comment on column handoff.pool_turn_member.present is 'He was available at the last pick.';
comment on column handoff.pool_turn_member.last_at is 'When he was picked last; NULL: never.';
comment on column handoff.pool_turn_member.picks is 'How often he was picked.';
