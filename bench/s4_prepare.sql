-- bench/s4_prepare.sql: procedures of S4.

create function bench.lead_tables() returns setof text language sql stable
begin atomic
    select c.relname from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'lead_key'
    where c.relnamespace = 'handoff'::regnamespace and c.relkind = 'r';
end;

create procedure bench.empty() language plpgsql set lead_handoff.inline_limit = 0 as $$
declare
    tab text;
begin
    truncate bench.lead;
    for tab in select bench.lead_tables() loop
        execute format('truncate handoff.%I', tab);
    end loop;
    truncate handoff.inbox, handoff.wake;
end
$$;

-- written_x: rows of handoff.x, without index, unlogged; floor_x: empty, with the indexes of handoff.x.
create procedure bench.copy_written() language plpgsql set client_min_messages = warning as $$
declare
    tab text;
begin
    for tab in select bench.lead_tables() loop
        execute format('drop table if exists bench.written_%1$s, bench.floor_%1$s', tab);
        execute format('create unlogged table bench.written_%1$s as select * from handoff.%1$I', tab);
        execute format('create table bench.floor_%1$s (like handoff.%1$I including all)', tab);
    end loop;
end
$$;

create procedure bench.write_floor() language plpgsql as $$
declare
    tab     text;
    columns text;
begin
    for tab in select bench.lead_tables() loop
        select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into columns
        from pg_attribute a
        where a.attrelid = ('bench.floor_' || tab)::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';
        execute format('insert into bench.floor_%1$s (%2$s) select %2$s from bench.written_%1$s', tab, columns);
    end loop;
end
$$;

call bench.make_table('lead');
call bench.make_table('bare');
