-- bench/s2.sql: asking books of rules about each row of bench.rows, and what their users could do instead. One session,
-- :rounds rounds, all in turn; CPU time of the backend counts. D is a scan in C that deforms the 40 columns of all rows.

-- "unseen": as if the table had never been analyzed. few: asked of the sample only.
create table bench.book as
select name, book, name ~ 'unseen|infixes' as few, f.*
from (select distinct book as name, book from bench.rule union all select 'ranges unseen', 'ranges 10000') r,
    lateral bench.book_load(name, 'bench.rows', format('select criteria from bench.rule where book = %L order by ord', book),
                            name <> 'ranges unseen') f;

-- The sample, as a table, as jsonb, and the rules as an expression, as paths and as keys of a join.
create table bench.few as select * from bench.rows order by hashtext(id) limit :sample;
create unlogged table bench.doc as select to_jsonb(f) - 'note' as doc from bench.few f;
create unlogged table bench.path as select ord, path from bench.rule where book = 'route 1000' and path is not null order by ord;
create index on bench.path (ord);
create unlogged table bench.by_domain as select book, domain, min(ord) as ord from bench.rule where domain is not null group by 1, 2;
create unlogged table bench.by_zip as select book, zip, min(ord) as ord from bench.rule, unnest(zips) zip group by 1, 2;
analyze;

create function bench.execute_each(r bench.rows) returns int language plpgsql as $$
declare
    rule record;
    holds boolean;
begin
    for rule in select ord, criteria from bench.rule where book = 'route 1000' order by ord loop
        if rule.criteria is null then
            return rule.ord;
        end if;
        execute format('select (%s) from (select ($1).*) r', rule.criteria) into holds using r;
        if holds then
            return rule.ord;
        end if;
    end loop;
    return 0;
end
$$;

set plan_cache_mode = force_generic_plan;
select format('prepare case_%s(bigint) as select sum(case %s end) from (select * from bench.few limit $1) f', n,
              string_agg(format('when %s then %s', coalesce(criteria::text, 'true'), ord), ' ' order by ord))
from bench.rule, lateral (select split_part(book, ' ', 2) as n) b where book in ('route 1000', 'route 10000') group by n \gexec
select format('prepare case_score(bigint) as select sum(%s) from (select * from bench.few limit $1) f',
              string_agg(format('case when %s then 1 else 0 end', criteria), ' + ' order by ord))
from bench.rule where book = 'score 100' \gexec
execute case_1000(0);
execute case_10000(0);
execute case_score(0);

create procedure bench.scans(rounds int) language plpgsql as $$
declare
    book record;
begin
    for round in 0 .. rounds loop
        call bench.start();
        perform bench.book_scan(null, false, 'bench.rows');
        call bench.stop('s2 deform');
        for book in select name, name like 'score%' as of_all,
                        case when few then 'bench.few' else 'bench.rows' end as relid from bench.book loop
            call bench.start();
            perform bench.book_scan(book.name, book.of_all, book.relid::regclass);
            call bench.stop('s2 ' || book.name);
        end loop;
        call bench.start();
        perform bench.book_load('again', 'bench.rows', 'select criteria from bench.rule where book = ''route 10000'' order by ord', true);
        call bench.stop('s2 load');
        if round = 0 then
            delete from bench.run where label like 's2 %';
        end if;
    end loop;
end
$$;
call bench.scans(:rounds);

create procedure bench.joins(rounds int) language plpgsql as $$
begin
    for round in 1 .. rounds loop
        call bench.start();
        perform bench.book_scan(null, false, 'bench.few');
        call bench.stop('s2 deform few');
        call bench.start();
        perform sum(least(d.ord, z.ord)) from bench.rows r
            left join (select * from bench.by_domain where book = 'route 10000') d on d.domain = r.website
            left join (select * from bench.by_zip where book = 'route 10000') z on z.zip = r.postal_code;
        call bench.stop('s2 join 10000');
        call bench.start();
        perform sum(least(d.ord, z.ord)) from bench.rows r
            left join (select * from bench.by_domain where book = 'route 100000') d on d.domain = r.website
            left join (select * from bench.by_zip where book = 'route 100000') z on z.zip = r.postal_code;
        call bench.stop('s2 join 100000');
        call bench.start();
        perform sum(bench.execute_each(r)) from (select * from bench.few limit 10) r;
        call bench.stop('s2 execute');
        call bench.start();
        perform sum((select ord from bench.path p where doc @@ p.path order by ord limit 1)) from bench.doc;
        call bench.stop('s2 paths');
    end loop;
end
$$;
call bench.joins(:rounds);

call bench.start();
execute case_1000(:sample) \gset one_
call bench.stop('s2 case 1000');
call bench.start();
execute case_10000(:sample) \gset ten_
call bench.stop('s2 case 10000');
call bench.start();
execute case_score(:sample) \gset score_
call bench.stop('s2 case score');

-- The answers are the same, or no figure counts.
select bench.book_scan('route 1000', false, 'bench.few') = :one_sum and bench.book_scan('route 10000', false, 'bench.few') = :ten_sum
    and bench.book_scan('score 100', true, 'bench.few') = :score_sum as same \gset
\if :same
\else
\warn S2: answers differ from those of CASE
\endif
