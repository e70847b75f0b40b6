-- sql/schema/90-views.sql: views over everything, for people and BI tools.
--
-- A view may only get new columns, at its end; a function that a view calls is frozen.

create view handoff.source_health as
select s.name,
       s.kind,
       s.capture,
       s.attached_at,
       rel.oid is not null as table_exists,
       (select count(*) from pg_catalog.pg_trigger t
        where t.tgrelid = rel.oid and starts_with(t.tgname, 'lh_capture_')
          -- a partition of another source has that one's too
          and position(convert_to(s.name, getdatabaseencoding()) || '\x00'::bytea in t.tgargs) = 1
          and not t.tgisinternal and t.tgenabled = 'A')::int as triggers,
       s.key_indexed,
       (select count(*) from handoff.contract c
        where c.in_force and c.name = coalesce(s.contract, c.name)) = 1 as contract_in_force,
       (select count(*) from handoff.inbox i where i.source = s.name) as waiting,
       (select min(i.at) from handoff.inbox i where i.source = s.name) as waiting_since,
       (select count(*) from handoff.quarantine q where q.source = s.name) as quarantined,
       case s.kind
           when 'lead' then (select count(*) from handoff.lead l where l.source = s.name)
           when 'activity' then (select count(*) from handoff.activity a where a.source = s.name)
           when 'rep' then (select count(*) from handoff.crm_user u where u.source = s.name)
       end as known_rows,
       s.capture_reason,
       s.fault,
       s.paused_at,
       (select count(*) from handoff.absence a where a.source = s.name) as gone,
       s.deletes_held_at,
       (select count(*) from handoff.scan c where c.source = s.name and c.finished_at is null) as scans,
       case when rel.oid is not null then
           (select string_agg(c.name, ', ' order by c.n)
            from unnest(s.guard_columns) with ordinality c (name, n)
            where not exists (select from pg_catalog.pg_attribute a where a.attrelid = rel.oid and a.attname = c.name
                              and a.attnum > 0 and not a.attisdropped))
       end as missing_columns,
       (select count(*) from handoff.crm_user u where u.source = s.name and u.leaving_since is not null) as leavers,
       s.leavers_held_at,
       (select coalesce(sum(d.rows), 0) from handoff.forgotten_drop d where d.source = s.name)::bigint as forgotten
from handoff.source s
-- by the catalog: to_regclass() asks for usage of the schema
left join (pg_catalog.pg_class rel join pg_catalog.pg_namespace n on n.oid = rel.relnamespace)
    on n.nspname = s.schema_name and rel.relname = s.table_name
    and (rel.relkind in ('r', 'p') or s.capture = 'poll' and rel.relkind in ('v', 'm', 'f'));
comment on view handoff.source_health is 'How each attached table is doing: is it there, is it watched, what waits. One row a source.';
comment on column handoff.source_health.name is 'handoff.source.name.';
comment on column handoff.source_health.kind is 'lead, activity ..';
comment on column handoff.source_health.capture is 'How changes are noticed: statement or row triggers, or poll.';
comment on column handoff.source_health.attached_at is 'When it was attached.';
comment on column handoff.source_health.table_exists is 'A table of that name is there.';
comment on column handoff.source_health.triggers is 'Capture triggers that are enabled always: 4 for statement capture, 2 for row capture, 0 for poll; those of partitions and children not counted.';
comment on column handoff.source_health.key_indexed is 'An index begins with its key.';
comment on column handoff.source_health.contract_in_force is 'One contract is in force that decides its leads; otherwise its rows wait.';
comment on column handoff.source_health.waiting is 'Rows in the inbox.';
comment on column handoff.source_health.waiting_since is 'Capture time of the oldest of them; NULL: none.';
comment on column handoff.source_health.quarantined is 'Rows in quarantine.';
comment on column handoff.source_health.known_rows is 'Leads, activities or users that came from it.';
comment on column handoff.source_health.capture_reason is 'Why capture is that way.';
comment on column handoff.source_health.fault is 'What keeps its changes from being noticed, as the last tick left it; NULL: nothing.';
comment on column handoff.source_health.paused_at is 'Since when its rows wait by pause(source); NULL: they don''t.';
comment on column handoff.source_health.gone is 'Rows that were found gone and do not count as deleted yet.';
comment on column handoff.source_health.deletes_held_at is 'Since when their deletion is held, too many being gone at once; NULL: it is not.';
comment on column handoff.source_health.scans is 'Backfills, reconciles and polls asked for and not finished.';
comment on column handoff.source_health.missing_columns is 'Mapped columns that the table has not, separated by commas: they read null. NULL: none, or there is no table.';
comment on column handoff.source_health.leavers is 'Reps who are to become inactive since their users have gone.';
comment on column handoff.source_health.leavers_held_at is 'Since when they stay active, too many having gone at once; NULL: they become inactive with the next tick.';
comment on column handoff.source_health.forgotten is 'Rows that were left out because they are of somebody who was forgotten; one that is delivered again counts again.';

create view handoff.backfill as
select c.source,
       c.requested_at,
       c.started_at,
       c.stepped_at,
       c.finished_at,
       case when c.finished_at is not null then 100
            when c.blocks > 0 then least(99, round(100.0 * c.blocks_read / c.blocks)) end::int as percent,
       c.seen,
       c.queued,
       c.error
from handoff.scan c
where c.purpose = 'backfill';
comment on view handoff.backfill is 'How far the rows that a big table had when it was attached are queued. One row an attach; of the finished ones of a source the newest.';
comment on column handoff.backfill.source is 'handoff.source.name.';
comment on column handoff.backfill.requested_at is 'When it was attached (clock time).';
comment on column handoff.backfill.started_at is 'When reading began (clock time); NULL: not yet.';
comment on column handoff.backfill.stepped_at is 'When it last went on (clock time); NULL: not yet.';
comment on column handoff.backfill.finished_at is 'When it was through (clock time); NULL: it is not.';
comment on column handoff.backfill.percent is 'Share of the table''s blocks that is read, in percent; NULL: it is not read by blocks.';
comment on column handoff.backfill.seen is 'Rows read.';
comment on column handoff.backfill.queued is 'Rows queued.';
comment on column handoff.backfill.error is 'What the last step failed with, to be tried again; NULL: it did not.';

create view handoff.reconcile_progress as
select c.source,
       c.purpose,
       c.reason,
       c.phase,
       c.requested_at,
       c.started_at,
       c.stepped_at,
       c.finished_at,
       case when c.finished_at is not null then 100
            when c.phase = 'table' and c.blocks > 0 then least(99, round(100.0 * c.blocks_read / c.blocks)) end::int as percent,
       c.seen,
       c.queued,
       c.gone,
       c.error
from handoff.scan c
where c.purpose <> 'backfill';
comment on view handoff.reconcile_progress is 'How far tables are compared with what is known of them. One row a reconcile or poll; of the finished ones of a source the newest.';
comment on column handoff.reconcile_progress.source is 'handoff.source.name.';
comment on column handoff.reconcile_progress.purpose is 'reconcile, or poll: only what has a newer version.';
comment on column handoff.reconcile_progress.reason is 'Who asked for it: reconcile(), poll_interval, or what was wrong with the source.';
comment on column handoff.reconcile_progress.phase is 'table: its rows are compared with what is known. known: what is known is looked up in it.';
comment on column handoff.reconcile_progress.requested_at is 'When it was asked for (clock time).';
comment on column handoff.reconcile_progress.started_at is 'When it began (clock time); NULL: not yet.';
comment on column handoff.reconcile_progress.stepped_at is 'When it last went on (clock time); NULL: not yet.';
comment on column handoff.reconcile_progress.finished_at is 'When it was through (clock time); NULL: it is not.';
comment on column handoff.reconcile_progress.percent is 'Share of the table''s blocks that is read, in percent; NULL: in the other phase, or not read by blocks.';
comment on column handoff.reconcile_progress.seen is 'Rows read.';
comment on column handoff.reconcile_progress.queued is 'Rows queued: not known, or different, or gone.';
comment on column handoff.reconcile_progress.gone is 'Known rows that are gone, among those.';
comment on column handoff.reconcile_progress.error is 'What the last step failed with, to be tried again; NULL: it did not.';

create view handoff.journey as
with there as (
    select v.name as contract, l.stage, count(*) as leads
    from handoff.lead l
    join handoff.contract v on v.contract_id = l.contract_id
    where l.deleted_at is null
    group by 1, 2
), stay as (
    select v.name as contract,
           h.stage,
           count(*) as entered,
           count(h.left_at) as left_it,
           ceil((handoff.kaplan_meier(greatest(date_part('epoch', coalesce(h.left_at, d.deleted_at, t.now) - h.entered_at), 0),
                                      h.left_at is not null, '{0.5}'))[1])::numeric as median_stay_seconds
    from handoff.stage_history h
    join handoff.contract v on v.contract_id = h.contract_id
    left join handoff.lead d on d.lead_key = h.lead_key and d.deleted_at is not null and h.left_at is null
    cross join lateral (select (select handoff.view_time()) as now) t
    where not h.undone
    group by 1, 2
)
select c.name as contract,
       s.position,
       s.name as stage,
       s.owner,
       (select string_agg(format('%s -> %s%s', t.event, t.to_stage, coalesce(' (leg ' || t.leg || ')', '')), ', ' order by t.ord)
        from handoff.transition t
        where t.contract_id = s.contract_id and t.from_stage = s.name) as ways_out,
       coalesce(there.leads, 0) as leads,
       coalesce(stay.entered, 0) as entered,
       coalesce(stay.left_it, 0) as left_it,
       stay.median_stay_seconds
from handoff.contract c
join handoff.stage s on s.contract_id = c.contract_id
left join there on there.contract = c.name and there.stage = s.name
left join stay on stay.contract = c.name and stay.stage = s.name
where c.in_force;
comment on view handoff.journey is 'The map of each contract in force: one row a stage, with who owns it, where it leads, who is there.';
comment on column handoff.journey.contract is 'Name of the contract.';
comment on column handoff.journey.position is 'Place of the stage in the journey.';
comment on column handoff.journey.stage is 'Stage.';
comment on column handoff.journey.owner is 'Who owns leads there: marketing, sales, none.';
comment on column handoff.journey.ways_out is 'Transitions out of it: event -> stage, with the leg that is passed.';
comment on column handoff.journey.leads is 'Leads in it now.';
comment on column handoff.journey.entered is 'Stays begun in it, ever, under any version of this contract, but for those that a disposition since taken back had led to.';
comment on column handoff.journey.left_it is 'Stays that have ended.';
comment on column handoff.journey.median_stay_seconds is 'Median stay in seconds, as in time_in_stage: a Kaplan-Meier estimate, in which a stay that has not ended is longer than until handoff.view_time(), of a deleted lead until it was deleted. NULL: fewer than half are known to have ended.';

create view handoff.account_intent as
select g.account_key,
       g.half_life,
       g.leads,
       g.warm_leads,
       g.intent,
       round(handoff.points(g.intent, t.now, g.half_life)::numeric, 6)::double precision as points,
       g.hottest_lead,
       round(handoff.points(g.hottest_intent, t.now, g.half_life)::numeric, 6)::double precision as hottest_points,
       g.last_trigger_at
from (
    select l.account_key,
           l.half_life,
           count(*) as leads,
           count(*) filter (where l.intent operator(handoff.>) '0') as warm_leads,
           handoff.sum(l.intent) as intent,
           (array_agg(l.lead_key order by l.intent desc, l.lead_key collate "C"))[1] as hottest_lead,
           handoff.max(l.intent) as hottest_intent,
           max(l.trigger_at) as last_trigger_at
    from handoff.lead l
    where l.account_key is not null and l.deleted_at is null
    group by l.account_key, l.half_life
) g
cross join lateral (select (select handoff.view_time()) as now) t;
comment on view handoff.account_intent is 'Intent of an account: the sum of its people''s. One row an account and half-life (heats of different half-lives can''t be added; an account has two rows while a contract with another half-life takes over). Deleted leads and leads without an account are left out. handoff.hot_accounts() ranks accounts, over all half-lives.';
comment on column handoff.account_intent.account_key is 'Account that the CRM names.';
comment on column handoff.account_intent.half_life is 'Half-life of the points; NULL: they stand still.';
comment on column handoff.account_intent.leads is 'Leads of the account with that half-life.';
comment on column handoff.account_intent.warm_leads is 'Those among them whose intent is above 0.';
comment on column handoff.account_intent.intent is 'Sum of lead.intent over them, the contract''s limits of intent not applied; handoff.points(intent, at, half_life) gives points at another moment.';
comment on column handoff.account_intent.points is 'What that is worth at handoff.view_time(), in points rounded to a millionth.';
comment on column handoff.account_intent.hottest_lead is 'lead_key of the one with the most intent; among equals the first in order of key.';
comment on column handoff.account_intent.hottest_points is 'Its intent at handoff.view_time(), in points rounded to a millionth.';
comment on column handoff.account_intent.last_trigger_at is 'Time of the newest input of any of them.';

create view handoff.account_match as
select l.lead_key,
       l.account_key,
       l.account_method,
       l.account_match ->> 'by' as matched_by,
       l.account_match ->> 'why' as why,
       (l.account_match ->> 'found')::bigint as found,
       (select string_agg(c.value, ', ' order by c.ord)
        from jsonb_array_elements_text(l.account_match -> 'candidates') with ordinality c (value, ord)) as candidates
from handoff.lead l
where l.account_key is not null and l.deleted_at is null;
comment on view handoff.account_match is 'Which account each lead belongs to, and how that is known: one row a lead that has one. Ambiguous are those with found > 1.';
comment on column handoff.account_match.lead_key is 'Key of the lead.';
comment on column handoff.account_match.account_key is 'Its account.';
comment on column handoff.account_match.account_method is 'crm: the CRM names it; email_domain, web_domain, name, close_name: it was found by that.';
comment on column handoff.account_match.matched_by is 'The domain or company name key that it was found by; NULL: the CRM names it.';
comment on column handoff.account_match.why is 'Why this one of those found: only, narrowed (the only one that an earlier step found too), named, owned, oldest, first (by key).';
comment on column handoff.account_match.found is 'How many accounts that step found.';
comment on column handoff.account_match.candidates is 'The first 10 of them, the chosen one first, then by preference.';

create view handoff.account_ambiguity as
select split_part(k.key, ' ', 1) collate "default" as kind,
       substr(k.key, strpos(k.key, ' ') + 1) collate "default" as value,
       k.accounts,
       k.account_keys,
       (select count(*) from handoff.lead l where l.match_keys @> array[k.key] and l.deleted_at is null) as leads
from (
    select m.key, count(*) as accounts, string_agg(m.account_key, ', ' order by m.account_key collate "C") as account_keys
    from handoff.account_match_key m
    where starts_with(m.key, 'domain ') or starts_with(m.key, 'name ')
    group by m.key
    having count(*) > 1
) k;
comment on view handoff.account_ambiguity is 'Domains and company names that several accounts have: the work list of whoever cleans up. A lead found by one is given to a named account first, then to one that has an owner, then to the oldest.';
comment on column handoff.account_ambiguity.kind is 'domain or name.';
comment on column handoff.account_ambiguity.value is 'The registrable domain, or the company name key.';
comment on column handoff.account_ambiguity.accounts is 'How many accounts have it.';
comment on column handoff.account_ambiguity.account_keys is 'Which, in order of key.';
comment on column handoff.account_ambiguity.leads is 'How many leads whose account the CRM does not name have it too.';

create view handoff.fairness as
with place as (
    select t.pool, t.band, m.rep, m.weight, t.present, t.start, t.picks,
           pt.v, coalesce(d.turns, 0) as turns
    from handoff.pool_member m
    join handoff.pool_turn_member t on t.pool = m.pool and t.rep = m.rep
    join handoff.pool_turn pt on pt.pool = t.pool and pt.band = t.band
    left join lateral (select sum(d.turns) as turns from handoff.pool_turn_due d
                       where d.pool = t.pool and d.band = t.band and d.rep = t.rep) d on true
    where m.valid_from <= handoff.view_time() and handoff.view_time() < m.valid_to
), recent as (
    select a.pool, a.rep, case when p.per_band then coalesce(h.band, '') else '' end as band,
           count(*) as picks, count(*) filter (where a.turn_returned) as returned
    from handoff.assignment a
    join handoff.pool p on p.pool = a.pool
    join handoff.handoff h on h.lead_key = a.lead_key and h.handoff_no = a.handoff_no
    where a.at > handoff.view_time() - interval '30 days' and a.at <= handoff.view_time()
    group by 1, 2, 3
)
select p.pool,
       p.band,
       p.rep,
       p.weight,
       p.weight::numeric / sum(p.weight) over turns as expected_share,
       p.picks,
       coalesce(r.picks, 0) as picks_30_days,
       coalesce(r.returned, 0) as returned_30_days,
       (coalesce(r.picks, 0) - coalesce(r.returned, 0))::numeric
           / nullif(sum(coalesce(r.picks, 0) - coalesce(r.returned, 0)) over turns, 0) as actual_share_30_days,
       case when p.present then (p.weight * (p.v - p.start) + p.turns)::numeric end as owed
from place p
left join recent r on r.pool = p.pool and r.band = p.band and r.rep = p.rep
window turns as (partition by p.pool, p.band);
comment on view handoff.fairness is 'How fairly pools share out, one row a member and (in pools that count turns per band) band of which turns were taken: his share by weight, and what he got. Over days on which somebody was away shares differ for good reason; owed is what the turns themselves say.';
comment on column handoff.fairness.pool is 'Pool.';
comment on column handoff.fairness.band is 'Band; empty: all.';
comment on column handoff.fairness.rep is 'Member at view_time().';
comment on column handoff.fairness.weight is 'His weight.';
comment on column handoff.fairness.expected_share is 'Weight divided by the weights of all such members, 0 to 1.';
comment on column handoff.fairness.picks is 'How often he was picked, ever.';
comment on column handoff.fairness.picks_30_days is 'How often in the last 30 days before view_time().';
comment on column handoff.fairness.returned_30_days is 'How many of these were no turns: given back.';
comment on column handoff.fairness.actual_share_30_days is 'His share of the picks of the last 30 days, without those given back, 0 to 1; NULL: there were none.';
comment on column handoff.fairness.owed is 'Leads that he is behind (negative: ahead) of his share among those present, less than 1 either way while nobody comes or goes, and turns not settled yet. NULL: he was not available at the last pick, and begins anew.';
