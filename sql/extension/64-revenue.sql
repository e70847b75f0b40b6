-- sql/extension/64-revenue.sql: currencies, and what their amounts are worth.

create function handoff.exchange_rate_changed() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'INSERT' then
        insert into handoff.operation_log (object, name, new)
        select 'exchange_rate', n.currency || '/' || n.valid_from, to_jsonb(n) from new_row n;
    elsif tg_op = 'DELETE' then
        insert into handoff.operation_log (object, name, old)
        select 'exchange_rate', o.currency || '/' || o.valid_from, to_jsonb(o) from old_row o;
    elsif tg_op = 'TRUNCATE' then
        insert into handoff.operation_log (object, name, old)
        select 'exchange_rate', o.currency || '/' || o.valid_from, to_jsonb(o) from handoff.exchange_rate o;
    else
        insert into handoff.operation_log (object, name, old, new)
        select 'exchange_rate', coalesce(n.currency, o.currency) || '/' || coalesce(n.valid_from, o.valid_from), to_jsonb(o), to_jsonb(n)
        from old_row o
        full join new_row n on n.currency = o.currency and n.valid_from = o.valid_from
        where to_jsonb(o) is distinct from to_jsonb(n);
    end if;
    return null;
end
$$;
comment on function handoff.exchange_rate_changed() is 'Notes changes of exchange rates in the operation log. Trigger function.';

create function handoff.currency_name(currency text) returns text
    language plpgsql immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if currency !~ '^\s*[[:alpha:]]{3}\s*$' then
        raise exception 'a currency has a code of three letters, not "%"', currency
            using errcode = '22023', hint = 'Use its code in ISO 4217, for example EUR.';
    end if;
    return upper(btrim(currency));
end
$$;
comment on function handoff.currency_name(text) is 'A currency as it is kept: in upper case. Error 22023: not a code of three letters. Internal.';

create function handoff.set_reporting_currency(currency text, assumed text default null, drop_rates boolean default false) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    old handoff.meta;
begin
    currency := handoff.currency_name(currency);
    assumed := handoff.currency_name(assumed);
    select m.* into old from handoff.meta m for update;
    if old.reporting_currency is distinct from currency and exists (select from handoff.exchange_rate) then
        if not coalesce(drop_rates, false) then
            raise exception 'the exchange rates there are say what other currencies are worth in "%"', coalesce(old.reporting_currency, 'none')
                using errcode = '55000', hint = 'Say drop_rates => true to do without them, and load others.';
        end if;
        delete from handoff.exchange_rate;
    end if;
    if (old.reporting_currency, old.assumed_currency) is distinct from (currency, assumed) then
        update handoff.meta set reporting_currency = currency, assumed_currency = assumed;
        perform handoff.log_operation('meta', 'reporting_currency', jsonb_build_array(old.reporting_currency, old.assumed_currency),
                                      jsonb_build_array(currency, assumed));
    end if;
end
$$;
comment on function handoff.set_reporting_currency(text, text, boolean) is
    'Sets the currency that amounts of opportunities are summed up in (NULL: none), and the one that amounts naming none are taken to be of (NULL: it is not known). Exchange rates are rates to the reporting currency: another one needs drop_rates. Logged. Errors: 22023 (not a code of three letters), 55000 (there are rates).';

create function handoff.set_exchange_rate(currency text, rate numeric, valid_from date default current_date) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    reporting text;
begin
    currency := handoff.currency_name(currency);
    if currency is null or valid_from is null or not isfinite(valid_from) or not coalesce(rate > 0 and rate < 'Infinity', false) then
        raise exception 'a rate needs a currency, a date and a number above 0' using errcode = '22023';
    end if;
    select m.reporting_currency into reporting from handoff.meta m for share;
    if reporting is null or reporting = currency then
        raise exception '%', case when reporting is null then 'there is no reporting currency to give a rate to'
                                  else format('"%s" is the reporting currency itself', currency) end
            using errcode = '55000', hint = 'Set it with handoff.set_reporting_currency().';
    end if;
    insert into handoff.exchange_rate as x (currency, valid_from, rate)
    values (set_exchange_rate.currency, set_exchange_rate.valid_from, set_exchange_rate.rate)
    on conflict on constraint exchange_rate_pkey do update set rate = excluded.rate where x.rate <> excluded.rate;
end
$$;
comment on function handoff.set_exchange_rate(text, numeric, date) is
    'Says what one unit of a currency is worth in the reporting currency from a date on (default: today), until its next rate. Logged. Errors: 22023 (no currency, rate or date), 55000 (no reporting currency, or it is this one).';

create function handoff.remove_exchange_rate(currency text, valid_from date) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
begin
    delete from handoff.exchange_rate x
    where x.currency = handoff.currency_name(remove_exchange_rate.currency) and x.valid_from = remove_exchange_rate.valid_from;
    if not found then
        raise exception 'there is no rate of "%" from % on', currency, valid_from
            using errcode = '42704', hint = 'handoff.exchange_rate lists those there are.';
    end if;
end
$$;
comment on function handoff.remove_exchange_rate(text, date) is
    'Takes a rate away: the one before it holds on. Logged. Error 42704: there is none.';

create function handoff.set_opportunity_link(lead_key text, opportunity_key text, linked boolean, p_now timestamptz) returns text
    language c volatile
    as 'MODULE_PATHNAME', 'lh_link_opportunity';
comment on function handoff.set_opportunity_link(text, text, boolean, timestamptz) is
    'What link_opportunity() and unlink_opportunity() are words for. Errors: LH040, 42704, LH012, 42501.';

create function handoff.link_opportunity(lead_key text, opportunity_key text, p_now timestamptz default clock_timestamp()) returns text
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.set_opportunity_link($1, $2, true, $3)
$$;
comment on function handoff.link_opportunity(text, text, timestamptz) is
    'Says that a lead stands behind an opportunity where no row of the CRM does (link_kind manual); the opportunity may come later. Decides the lead, returns its stage. Nothing happens if it has been said already. Error LH040: no such lead.';

create function handoff.unlink_opportunity(lead_key text, opportunity_key text, p_now timestamptz default clock_timestamp()) returns text
    language sql volatile
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.set_opportunity_link($1, $2, false, $3)
$$;
comment on function handoff.unlink_opportunity(text, text, timestamptz) is
    'Takes back what link_opportunity() said: the lead''s handoffs lose what the opportunity gave them, unless a row of the CRM links it too. Returns the lead''s stage. Errors: LH040 (no such lead), 42704 (nobody has linked it by hand).';

create function handoff.revenue_faults() returns table (invariant int, severity text, what text, hint text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    -- milestones of handoffs are what their opportunities say (a sample), as far as nothing waits
    with picked as (
        select l.lead_key
        from handoff.lead l
        join handoff.source s on s.name = l.source
        where l.deleted_at is null
          and not exists (select from handoff.inbox)
          and not exists (select from handoff.quarantine q where (q.source, q.raw_key) = (l.source, l.raw_key))
          -- it has just got another account, and is decided again in a second
          and not exists (select from handoff.clock c
                          where c.lead_key = l.lead_key and c.kind = 'review' and c.due_at <= l.decided_at + interval '1 second')
          and exists (select from handoff.handoff h where h.lead_key = l.lead_key)
          and (exists (select from handoff.opportunity_link k where k.lead_key = l.lead_key)
               or exists (select from handoff.handoff h where h.lead_key = l.lead_key and h.opportunity_at is not null))
        limit 1000
    ), told as (
        select f.lead_key, f.handoff_no, min(o.created_at) as opportunity_at, min(o.closed_at) filter (where o.won) as won_at,
               case when not bool_or(o.won or o.is_open) then max(o.closed_at) end as lost_at
        from handoff.fact_opportunity_handoff f
        join handoff.fact_opportunity o on o.opportunity_key = f.opportunity_key
        where f.lead_key in (select lead_key from picked)
        group by f.lead_key, f.handoff_no
    )
    select 19, 'error', format('lead "%s", handoff %s: its opportunities say %s, it says %s', h.lead_key, h.handoff_no,
                               coalesce(nullif(concat_ws(', ', 'made ' || t.opportunity_at, 'won ' || t.won_at, 'lost ' || t.lost_at), ''), 'nothing'),
                               coalesce(nullif(concat_ws(', ', 'made ' || h.opportunity_at, 'won ' || h.won_at, 'lost ' || h.lost_at), ''), 'nothing')),
           'Somebody wrote to the tables of schema handoff by hand.'
    from handoff.handoff h
    left join told t on t.lead_key = h.lead_key and t.handoff_no = h.handoff_no
    where h.lead_key in (select lead_key from picked)
      and (h.opportunity_at, h.won_at, h.lost_at) is distinct from (t.opportunity_at, t.won_at, t.lost_at)
    union all
    select 0, 'warning', format('%s amounts in "%s" have no rate to the reporting currency', count(*), upper(btrim(a.currency))),
           'Say what it is worth with handoff.set_exchange_rate().'
    from handoff.opportunity_amount a
    where a.reporting_amount is null and a.amount is not null and a.currency is not null and a.reporting_currency is not null
    group by upper(btrim(a.currency))
    union all
    select 0, 'warning', format('%s amounts name no currency', count(*)),
           'handoff.set_reporting_currency(.., assumed => ..) says which one they are of.'
    from handoff.opportunity_amount a
    where a.reporting_amount is null and a.amount is not null and a.currency is null and a.reporting_currency is not null
    having count(*) > 0
$$;
comment on function handoff.revenue_faults() is 'What doctor() has to say of opportunities and their amounts. Internal.';

revoke all on function handoff.exchange_rate_changed() from public;
revoke all on function handoff.currency_name(text) from public;
revoke all on function handoff.set_reporting_currency(text, text, boolean) from public;
revoke all on function handoff.set_exchange_rate(text, numeric, date) from public;
revoke all on function handoff.remove_exchange_rate(text, date) from public;
revoke all on function handoff.revenue_faults() from public;
revoke all on function handoff.set_opportunity_link(text, text, boolean, timestamptz) from public;
revoke all on function handoff.link_opportunity(text, text, timestamptz) from public;
revoke all on function handoff.unlink_opportunity(text, text, timestamptz) from public;
