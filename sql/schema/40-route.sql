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
    delegate      text,
    max_per_day   int,
    max_per_week  int,
    max_per_month int,
    role_name     text,
    primary key (rep),
    constraint rep_not_empty check (rep <> ''),
    constraint rep_capacity check (capacity >= 0),
    constraint rep_limits check (max_per_day >= 0 and max_per_week >= 0 and max_per_month >= 0),
    constraint rep_validity check (valid_from < valid_to)
);

create unique index rep_crm_id_once on handoff.rep (crm_id) where crm_id is not null;
create unique index rep_role_name_once on handoff.rep (role_name) where role_name is not null;

comment on table handoff.rep is 'People who take leads.';
comment on column handoff.rep.rep is 'Key, short and stable, for example ana. Of one who was made of a CRM user: the CRM id.';
comment on column handoff.rep.name is 'Name in full.';
comment on column handoff.rep.crm_id is 'Key of the user in the CRM.';
comment on column handoff.rep.email is 'E-mail address.';
comment on column handoff.rep.chat_id is 'Key of the user in the chat tool.';
comment on column handoff.rep.manager is 'Rep key of the manager, or an address.';
comment on column handoff.rep.zone is 'Time zone, an IANA name: where he has no schedule of his own, the hours of a calendar are meant in it (handoff.rep_schedule()). NULL: the calendar''s.';
comment on column handoff.rep.schedule is 'Own working hours with their time zone, for example mon-fri 09:00-17:00 @ Europe/Berlin. NULL: those of the calendar.';
comment on column handoff.rep.calendar is 'Name of his calendar for business time. Where he has a schedule of his own its holidays hold (NULL: he has none), else its hours and holidays (NULL: those of the pool''s, else the contract''s).';
comment on column handoff.rep.capacity is 'Most open handoffs that picks of ours give him. NULL: no limit.';
comment on column handoff.rep.active is 'False: gets nothing.';
comment on column handoff.rep.takes_leads is 'False: he was made of a CRM user and nobody has put him into a pool yet; no route gives him leads.';
comment on column handoff.rep.valid_from is 'From when he takes leads.';
comment on column handoff.rep.valid_to is 'Until when, not included.';
comment on column handoff.rep.delegate is 'Rep who stands in for him, and who gets what he has worked on when he leaves. NULL: his manager.';
comment on column handoff.rep.max_per_day is 'Most leads that pools give him a day of the reporting zone, those whose turn he gave back not counted. NULL: no limit.';
comment on column handoff.rep.max_per_week is 'The same a week, from Monday.';
comment on column handoff.rep.max_per_month is 'The same a month.';
comment on column handoff.rep.role_name is 'Database role that stands for him, under row security and in the work API: handoff.set_rep_role(). NULL: none.';

create table handoff.pool (
    pool             text not null,
    policy           text not null default 'weighted',
    per_band         boolean not null default false,
    counted_stages   text[] not null default '{}',
    respect_schedule boolean not null default true,
    calendar         text,
    lead_rep         text,
    counts_direct    boolean not null default false,
    max_returned     int not null default 10,
    primary key (pool),
    constraint pool_not_empty check (pool <> ''),
    constraint pool_policy check (policy in ('weighted', 'least_loaded')),
    constraint pool_max_returned check (max_returned >= 0)
);

comment on table handoff.pool is 'Groups of reps among whom leads are shared out.';
comment on column handoff.pool.pool is 'Name, for example sdr.';
comment on column handoff.pool.policy is 'weighted (fair shares by weight) or least_loaded.';
comment on column handoff.pool.per_band is 'True: turns are counted per band, so that equal counts are equal chances.';
comment on column handoff.pool.counted_stages is 'Stages in which an open handoff counts as load. Empty: all.';
comment on column handoff.pool.respect_schedule is 'True: reps get leads only in their working hours (or shortly before).';
comment on column handoff.pool.calendar is 'Name of the calendar for business time where a rep has none. NULL: the contract''s.';
comment on column handoff.pool.lead_rep is 'Rep key of the pool''s lead, whom escalations tell.';
comment on column handoff.pool.counts_direct is 'True: leads that a member gets past the pool (account owner, CRM, by hand, booked) count as turns he has had.';
comment on column handoff.pool.max_returned is 'Most turns that a member gets back in a month of the reporting zone, for leads that were not his to work.';

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

create table handoff.rep_away (
    rep       text not null references handoff.rep on delete cascade on update cascade,
    away_from timestamptz not null,
    away_to   timestamptz not null,
    delegate  text references handoff.rep on delete set null on update cascade,
    reassign  boolean not null default false,
    note      text,
    primary key (rep, away_from),
    constraint rep_away_span check (away_from < away_to),
    constraint rep_away_delegate check (delegate <> rep)
);

comment on table handoff.rep_away is 'When reps are away: holidays, illness, parental leave.';
comment on column handoff.rep_away.rep is 'The rep.';
comment on column handoff.rep_away.away_from is 'From when.';
comment on column handoff.rep_away.away_to is 'Until when, not included.';
comment on column handoff.rep_away.delegate is 'Rep who stands in for him, where a route says delegate, and who gets what he has worked on, with reassign. NULL: rep.delegate.';
comment on column handoff.rep_away.reassign is 'True: the leads he has go to others when it begins: untouched ones by their routes, worked ones to the delegate, else to his manager.';
comment on column handoff.rep_away.note is 'Free text.';

create table handoff.account_team (
    account_key text not null,
    role        text not null,
    rep         text not null references handoff.rep on delete cascade on update cascade,
    valid_from  timestamptz not null default '-infinity',
    valid_to    timestamptz not null default 'infinity',
    primary key (account_key, role, valid_from, rep),
    constraint account_team_role_not_empty check (role <> ''),
    constraint account_team_validity check (valid_from < valid_to)
);

create index account_team_rep on handoff.account_team (rep);
create index account_team_valid_from on handoff.account_team (valid_from) where valid_from > '-infinity';

comment on table handoff.account_team is 'Who looks after an account besides its owner. Edited or loaded in place, future-dated rows allowed.';
comment on column handoff.account_team.account_key is 'Account, as handoff.account names it.';
comment on column handoff.account_team.role is 'Role in the team, for example sdr; what a route to account_team targets.';
comment on column handoff.account_team.rep is 'The rep. Of several in a role, who came last counts.';
comment on column handoff.account_team.valid_from is 'From when; may lie in the future.';
comment on column handoff.account_team.valid_to is 'Until when, not included.';

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

create table handoff.pool_turn_due (
    id    uuid not null default gen_random_uuid(),
    pool  text not null,
    band  text not null,
    rep   text not null,
    turns int not null,
    primary key (id)
);
create index pool_turn_due_member on handoff.pool_turn_due (pool, band, rep);
comment on table handoff.pool_turn_due is 'Turns that a member has given back, or has had past the pool, since his place was last written; his next pick takes them in.';
comment on column handoff.pool_turn_due.id is 'Key.';
comment on column handoff.pool_turn_due.pool is 'Pool.';
comment on column handoff.pool_turn_due.band is 'Band; empty: all.';
comment on column handoff.pool_turn_due.rep is 'Rep.';
comment on column handoff.pool_turn_due.turns is '1: given back; -1: had.';
