-- sql/schema/81-access.sql: reps and managers see their own leads and no others.
--
-- Row security is on for a lead's own tables that they may read; grant_access() makes the policies, each for
-- the roles of one level. The owner of the tables, as whom everything is written, is not limited by it; nor are
-- views that run with the owner's rights, so those for reps run with the caller's (security_invoker), and can't be
-- made of fact_handoff and fact_clock, which the views of KPIs are made of: these two are the same once more.

select handoff.enable_row_security();

create view handoff.known_row as
select l.source, l.raw_key
from handoff.lead l;
comment on view handoff.known_row is 'Rows of sources that are leads: for doctor(), which compares sources with it and must not run anybody''s policies.';
comment on column handoff.known_row.source is 'Source.';
comment on column handoff.known_row.raw_key is 'Key of the row there.';

do $views$
declare
    of_all   text;
    of_mine  text;
    comments text;
begin
    for of_all, of_mine in values ('fact_handoff', 'my_handoff'), ('fact_clock', 'my_clock') loop
        execute format('create view handoff.%I with (security_invoker = true) as %s', of_mine,
                       replace(pg_get_viewdef(format('handoff.%I', of_all)::regclass), 'handoff.fact_handoff', 'handoff.my_handoff'));
        select string_agg(format('comment on column handoff.%I.%I is %L;', of_mine, a.attname, col_description(a.attrelid, a.attnum)), ' ')
        into comments
        from pg_attribute a
        where a.attrelid = format('handoff.%I', of_all)::regclass and a.attnum > 0 and not a.attisdropped;
        execute comments;
        execute format('comment on view handoff.%I is %L', of_mine, format('As handoff.%s, of leads that the caller may see.', of_all));
    end loop;
end
$views$;
