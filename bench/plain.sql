-- bench/plain.sql: the rows of a lead that we decided as plain statements, one prepared INSERT a row, for pgbench.
--
-- They are copied from that lead but for key and times; :g is the row's number, and where a rep is kept stands
-- what new_rep says, if it says something. Ours are those of the attached table bench.single.

\pset tuples_only on
\pset format unaligned

-- A value as SQL text; a key becomes that of the row, a time that of the clock.
create function bench.constant(name text, value jsonb, type text) returns text language sql stable
return case
    when name in ('lead_key', 'raw_key') then $$'00Q5g00000' || lpad(to_hex(:g::bigint), 8, '0')$$
    when value is null or value = 'null' then 'null::' || type
    when type = 'timestamp with time zone' then 'clock_timestamp()'
    when type = 'uuid' then 'gen_random_uuid()'
    when type like '%[]' then format('%L::%s', translate(value::text, '[]', '{}'), type)
    when type = 'jsonb' then format('%L::jsonb', value)
    else format('%L::%s', value #>> '{}', type)
end;

-- Tables of ours that hold rows of a lead.
create function bench.lead_tables() returns setof text language sql stable
begin atomic
    select c.relname from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'lead_key'
    where c.relnamespace = 'handoff'::regnamespace and c.relkind = 'r';
end;

-- One INSERT for each row that those have of a lead.
create function bench.plain_inserts(lead_key text, new_rep text default null) returns setof text language plpgsql stable as $$
declare
    tab text;
    doc jsonb;
begin
    for tab in select bench.lead_tables() loop
        for doc in execute format('select to_jsonb(t) from handoff.%I t where lead_key = $1', tab) using lead_key loop
            return next format('insert into bench.plain_%s values (%s);', tab,
                (select string_agg(case when a.attgenerated <> '' then 'default'
                                  when a.attname = 'rep' and new_rep is not null then new_rep
                                  else bench.constant(a.attname, doc -> a.attname, format_type(a.atttypid, a.atttypmod)) end, ', ' order by a.attnum)
                 from pg_attribute a where a.attrelid = ('handoff.' || tab)::regclass and a.attnum > 0 and not a.attisdropped));
        end loop;
    end loop;
end
$$;

create function bench.insert_row(tab text) returns text language sql stable
return format('insert into bench.%s values (%s);', tab, bench.expressions(':g::bigint'));

-- The next key of a pgbench client.
create function bench.next_key() returns text language sql immutable
return E'\\set i :i + 1\n\\set g :client_id * 10000000 + :i';

call bench.make_table('bare');
call bench.make_table('plain');
select format('create table bench.plain_%s (like handoff.%1$s including all)', t) from bench.lead_tables() t \gexec

-- Empty all of them, ours too.
create procedure bench.empty() language plpgsql set lead_handoff.inline_limit = 0 as $$
declare
    tab text;
begin
    truncate bench.bare, bench.single, bench.plain;
    truncate handoff.inbox, handoff.wake;
    for tab in select bench.lead_tables() loop
        execute format('truncate handoff.%I, bench.plain_%s', tab, tab);
    end loop;
end
$$;
