-- sql/extension/31-target.sql: what can be promised. View target_attainment measures it.

create function handoff.target_metrics()
    returns table (metric text, is_volume boolean, by_segment boolean, meaning text)
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
as $$
    values
        ('handed', true, true, 'handoffs, by the day of the handoff'),
        ('accepted', true, true, 'handoffs accepted, by the day of it'),
        ('qualified', true, true, 'accepted handoffs qualified for the next leg, by the day of it'),
        ('opportunities', true, true, 'handoffs that became an opportunity, by the day of its creation'),
        ('won', true, true, 'handoffs of which an opportunity was won, by the day of it'),
        ('completeness', false, true, 'handed over with all required fields / handed over'),
        ('assigned', false, true, 'had an owner / handed over'),
        ('acceptance', false, true, 'accepted / accepted and rejected'),
        ('contact_rate', false, true, 'two-way contact / handed over'),
        ('meeting_rate', false, true, 'meeting booked / handed over'),
        ('match_rate', false, true, 'account known / handed over'),
        ('opportunity_30', false, true, 'opportunity within 30 days / at least 30 days old'),
        ('opportunity_60', false, true, 'opportunity within 60 days / at least 60 days old'),
        ('opportunity_90', false, true, 'opportunity within 90 days / at least 90 days old'),
        ('won_30', false, true, 'won within 30 days / at least 30 days old'),
        ('won_60', false, true, 'won within 60 days / at least 60 days old'),
        ('won_90', false, true, 'won within 90 days / at least 90 days old'),
        ('coded', false, true, 'given up with a code / recycled, disqualified or returned'),
        ('sla_attainment', false, true, 'SLA clocks met / met and missed, by the day they started'),
        ('stage_consistency', false, false, 'stage entries that meet the definition / all entries, by the day of the entry'),
        ('opportunities_known', false, false, 'opportunities of which a lead is known / all, by the day of their creation')
$$;
comment on function handoff.target_metrics() is
    'Metrics that view target_attainment can measure a promise by, as they stand in handoff.target.metric: is_volume: a number, not a share; by_segment: also of one segment and of one leg ("acceptance of mql_to_sdr"). A number, and completeness, of no leg in particular are those of the first leg.';

create function handoff.check_target(version int)
    returns table (severity text, object text, message text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    with promise as (
        select format('target "%s"', concat_ws(' ', t.metric, nullif(t.segment, ''), t.period::text)) as object, t.*,
               split_part(t.metric, ' of ', 1) as kpi, nullif(split_part(t.metric, ' of ', 2), '') as leg
        from handoff.target t
        where t.contract_id = $1
    )
    select 'warning', p.object, 'is of a metric that nothing here measures',
           'SELECT metric, meaning FROM handoff.target_metrics() lists those that target_attainment knows; one leg of them is "METRIC of LEG".'
    from promise p
    where p.kpi not in (select m.metric from handoff.target_metrics() m)
    union all
    select 'warning', p.object, format('is of leg "%s", which the contract doesn''t have', p.leg), 'Name one of handoff.leg.'
    from promise p
    where p.leg not in (select l.name from handoff.leg l where l.contract_id = $1)
    union all
    select 'warning', p.object, 'promises more than all', 'A share is from 0 to 1.'
    from promise p
    join handoff.target_metrics() m on m.metric = p.kpi and not m.is_volume
    where p.value > 1
    union all
    select 'warning', p.object, 'is of a part of what is only measured as a whole', 'Promise it without a segment and without a leg.'
    from promise p
    join handoff.target_metrics() m on m.metric = p.kpi and not m.by_segment
    where p.segment <> '' or p.leg is not null
    union all
    select 'warning', p.object, 'is of a segment, and the contract derives none', 'Derive a field segment.'
    from promise p
    where p.segment <> '' and not exists (select from handoff.derived d where d.contract_id = $1 and d.field = 'segment')
$$;
comment on function handoff.check_target(int) is 'Findings about promises. Internal.';

revoke all on function handoff.target_metrics() from public;
revoke all on function handoff.check_target(int) from public;
