-- A contract as a page of Markdown: criteria in words, text that stays text, the page of each version.
-- All in one transaction that is rolled back.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
begin;
set local client_min_messages = warning;
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
    perform handoff.setup();
end $$;

-- criteria in words, or as they are where words would not be exactly right
select handoff.criteria_words(c::handoff.criteria) from unnest(array[
    'a = 5', 'a <> ''x''', 'a < 5', 'a <= 5.50', 'a > 5', 'a >= 5', 'a > ''x''', 'a = b', 'a < b', 'a = true', 'opted_out',
    'at < now()', 'at >= now() - interval ''7 days''', 'at <= now() + interval ''1 hour''', 'day > current_date', 'day = current_date - interval ''1 day''',
    'day < date ''2026-01-02''', 'at >= timestamptz ''2026-01-02 03:04:05+01''',
    'a is distinct from ''x''', 'a is not distinct from ''x''', 'a between 1 and 2', 'a not between 1 and 2', 'a between ''a'' and ''b''',
    'a in (''x'', ''y'', ''z'')', 'a in (1)', 'a not in (1, 2)', 'a in (1, null)', 'a not in (1, null)',
    'a like ''x%''', 'a like ''%x''', 'a like ''%x%''', 'a like ''x''', 'a like ''%''', 'a like ''x_''', 'a like ''x%y''', 'a not like ''x%''', 'a not like ''%x%''', 'a not like ''x''',
    'a ilike ''%manager%''', 'a ilike ''vp %''', 'a like ''50\%%''',
    'a is null', 'a is not null', 'b is true', 'b is not true', 'b is false', 'b is not false', 'b is unknown', 'b is not unknown',
    '''x'' = any (signals)', 'signals && array[''x'', ''y'']', 'signals @> array[''x'', ''y'']',
    'a = 1 and b = 2 or c = 3', '(a = 1 or b = 2) and c = 3', 'not (a = 1 and b = 2)', 'not b', 'a = 1 and not (b = 2 or c = 3)',
    'a = ''''', 'a = '' x''', 'a = ''say "x"''', 'a = E''two\nlines''', 'a = ''<b>|`*_''', 'account.tier = ''A''', 'true'
]) c;

-- text stays text
select handoff.markdown_text(t), handoff.markdown_code(t) from unnest(array[
    'plain words', 'a|b', 'a_b*c*', '`code`', '[a](http://b)', '<b>&amp;', E'two\r\nlines\tand  more ', 'C:\dir', '~~a~~ #1 $x$', 'www.a.de http://b', 'Grüße', '', ' '
]) t;

select handoff.span_words(i), handoff.span_words(i, true) from unnest('{"1 day","2 days 03:04:05.5","-00:30:00","1 year 2 mons","00:00:00","08:00:00"}'::interval[]) i;

-- a draft of a template, whole
do $$ begin perform handoff.load_template('b2b_saas'); end $$;
select handoff.contract_markdown();

-- published, approved, changed: what the page says of that
update handoff.contract set parties = '{sales,marketing}' where contract_id = 1;
select handoff.approve(1, 'marketing', 'mia', 'as agreed | in June'), handoff.approve(1, 'sales', 'sam');
update handoff.approval set at = '2026-06-01 10:00+02';
select handoff.publish();
update handoff.contract set effective = '{["2026-06-01 12:00+02",)}', note = 'signed' where contract_id = 1;
select handoff.draft();
update handoff.contract set half_life = '7 days' where contract_id = 2;
update handoff.score_rule set points = 15 where contract_id = 2 and name = 'size_small';
delete from handoff.band where contract_id = 2 and name = 'D';
insert into handoff.target values (2, 'handed', 'enterprise', '[2026-01-01,2026-02-01)', 100.5, 'marketing'), (2, 'sales_acceptance', '', '(,)', 0.8, 'sales'),
    (2, 'sla_attainment', '', '[2026-01-01,)', 0.9, 'sales');
insert into handoff.message_template values (2, 'assigned', 'en', E'{rep_name},\nyours');
insert into handoff.collision values (2, 'account', '90 days', 'notify');
create function pg_temp.sections(page text) returns setof text language sql as $$ select l from regexp_split_to_table(page, E'\n') l where l like '#%' $$;
create function pg_temp.section(page text, title text) returns text language sql as $$
    select split_part(split_part(page, '. ' || title || E'\n\n', 2), E'\n## ', 1)
$$;
select regexp_replace(split_part(handoff.contract_markdown(1), '## 2', 1), '`[0-9a-f]{64}`', '`..`');
select pg_temp.section(handoff.contract_markdown(2), s) from unnest('{Parties and approvals,Targets,Messages,What has changed}'::text[]) s;
select pg_temp.sections(handoff.contract_markdown(2, 'marketing'));
select pg_temp.sections(handoff.contract_markdown(2, 'sales'));

-- whatever the session's settings
create temp table page as select handoff.contract_markdown(2) as page;
set local datestyle = 'SQL, DMY'; set local intervalstyle = sql_standard; set local timezone = 'Asia/Tokyo';
select handoff.contract_markdown(2) = page from page;

-- errors
do $$ begin perform handoff.contract_markdown(9); exception when others then raise warning '%: %', sqlstate, sqlerrm; end $$;
do $$ begin perform handoff.contract_markdown(1, 'lawyers'); exception when others then raise warning '%: %', sqlstate, sqlerrm; end $$;

-- whatever people call things, each line stays one line and has its cells (test/t/markdown.pl asks a reader of Markdown)
select handoff.draft(1);
update handoff.disposition set reason = E'| x | `y`\n\n# z |' where contract_id = 3;
update handoff.gate set code = E'`|`\n' || ord, criteria = E'lead_source = E''a|`b\nc''' where contract_id = 3;
update handoff.contract set note = E'two\nlines | and more' where contract_id = 3;
select pg_temp.section(handoff.contract_markdown(3), s) from unnest('{Who is held back,Answers of sales}'::text[]) s;
select substring(handoff.contract_markdown(3) from '- Note[^\n]*');
rollback;
