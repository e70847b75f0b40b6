-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION lead_handoff" to load this file. \quit

-- sql/extension/00-schema.sql: the schema, and setup(), which fills it with tables.
--
-- The extension is code. Tables and views belong to the user: setup() makes them from the files of
-- sql/schema/, so that pg_dump carries them whole and DROP EXTENSION is refused while they are there.

create schema handoff;
comment on schema handoff is 'lead_handoff: the marketing-to-sales handoff as a versioned contract. Tables and views are made by handoff.setup().';
revoke all on schema handoff from public;

create function handoff.setup()
returns int
language c volatile strict
as 'MODULE_PATHNAME', 'lh_setup';
comment on function handoff.setup() is 'Makes the tables and views of schema handoff, or mends and migrates them; safe to repeat. Returns their version. Error LH030: the tables are of another version than this extension knows.';
revoke all on function handoff.setup() from public;

create function handoff.template(name text)
returns jsonb
language c stable strict
as 'MODULE_PATHNAME', 'lh_template';
comment on function handoff.template(text) is 'A contract that comes with the extension, as JSON: under definition the document that handoff.import() takes, beside it the pools and calendars it names; handoff.load_template() uses all of it. Error 42704: no such template; the hint lists them.';
revoke all on function handoff.template(text) from public;

create function handoff.teardown(really boolean default false)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    names text;
    held  bigint;
begin
    if not really then
        select count(*) into held from pg_class
        where relnamespace = 'handoff'::regnamespace and relkind in ('r', 'p');
        raise exception 'teardown() would drop % tables with everything in them', held
            using errcode = 'LH030',
                  hint = 'If you mean it: SELECT handoff.teardown(really => true).';
    end if;
    if to_regclass('handoff.meta') is not null then
        perform handoff.unschedule_jobs();
    end if;
    if to_regclass('handoff.source') is not null then
        perform handoff.detach(name) from handoff.source;
    end if;
    select string_agg(format('handoff.%I', relname), ', ') into names
    from pg_class where relnamespace = 'handoff'::regnamespace and relkind = 'v';
    if names is not null then
        execute 'drop view ' || names;
    end if;
    select string_agg(format('handoff.%I', relname), ', ') into names
    from pg_class where relnamespace = 'handoff'::regnamespace and relkind in ('r', 'p');
    if names is not null then
        execute 'drop table ' || names;
    end if;
end
$$;
comment on function handoff.teardown(boolean) is 'Drops every table and view that setup() made, with all data, the capture triggers on synced tables and the jobs of schedule_jobs(). Errors: LH030 unless really is true, LH032 (the jobs run as another role, and the caller is no superuser).';
revoke all on function handoff.teardown(boolean) from public;
