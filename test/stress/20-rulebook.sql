-- test/stress/20-rulebook.sql: books of rules that collide, the index against each rule in PostgreSQL, and
-- how long the answers last. The generator is that of test/sql/rulebook.sql, up to its first question.
\set generator `sed '/^set timezone/,$d' test/sql/rulebook.sql`
:generator
select setseed(:seed);
create table answer (kind text, pairs bigint, matched bigint, differing bigint);

create procedure ask_books(rounds int) language plpgsql as
$$
begin
    for round in 1 .. rounds loop
        perform set_config('timezone', one_of('UTC', 'America/New_York', 'Asia/Kolkata', 'Pacific/Apia', 'America/St_Johns'), true);
        insert into answer select 'one comparison', * from run(books => 30, rules => 150, depth => 1);
        insert into answer select 'a few', * from run(books => 30, rules => 120, depth => 2);
        insert into answer select 'deep', * from run(books => 30, rules => 60, depth => 4);
        insert into answer select 'long', * from run_long(1500);
        call fill(rows => 24, nulls => 0.9);
        insert into answer select 'hardly a value', * from compare(book(120, 2));
        insert into answer select 'lasting', * from run_until(books => 20, rules => 40, depth => 3);
        commit;
    end loop;
end
$$;
call ask_books(greatest(1, (30 * :scale)::int));

set search_path = rulebook, public;
select verdict(sum(differing) = 0 and sum(matched) > 0,
    format('rulebooks, %s: %s pairs of a book and a row, %s rules matched, %s differ', kind, sum(pairs), sum(matched), sum(differing)))
from answer where kind <> 'lasting' group by kind;
select verdict(sum(differing) = 0 and sum(matched) > 0, format('rulebooks: %s questions about how long answers last, %s of them for a while, %s differ', sum(pairs), sum(matched), sum(differing)))
from answer where kind = 'lasting';
