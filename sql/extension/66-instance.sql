-- sql/extension/66-instance.sql: which database it is that acts.
--
-- A copy restored from a dump has clocks that are due and messages that wait. It does nothing with them
-- until somebody says that it is the live one: src/flow/instance.c.

create function handoff.system_identifier() returns bigint
    language c stable strict parallel safe
    as 'MODULE_PATHNAME', 'lh_system_identifier';
comment on function handoff.system_identifier() is
    'System identifier of this server, as pg_control_system() has it: initdb draws it, a physical copy has that of its origin.';

create function handoff.acts_here(caller text) returns boolean
    language c stable strict
    as 'MODULE_PATHNAME', 'lh_acts_here_sql';
comment on function handoff.acts_here(text) is
    'May something be decided, escalated or delivered here without a human asking for it? False, with a notice that names the caller, while lead_handoff.enabled is off. Errors: LH031 (this is a copy), LH030 (run setup()). Internal.';

create function handoff.adopt_instance() returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    old jsonb;
begin
    select to_jsonb(h) into old from (select m.system_identifier, m.database_name from handoff.meta m for update) h;
    if old = jsonb_build_object('system_identifier', handoff.system_identifier(), 'database_name', current_database()) then
        return;
    end if;
    update handoff.meta set system_identifier = handoff.system_identifier(), database_name = current_database();
    perform handoff.log_operation('instance', current_database(), old,
                                  jsonb_build_object('system_identifier', handoff.system_identifier(), 'database_name', current_database()));
end
$$;
comment on function handoff.adopt_instance() is
    'Makes this database the one that acts: after a restore, a renaming or an upgrade with a new system identifier. What has become due since the copy was made happens with the next tick(), and messages that the origin may have sent by now can be leased: see that the origin is at rest. Logged. Safe to repeat.';

revoke all on function handoff.system_identifier() from public;
revoke all on function handoff.acts_here(text) from public;
revoke all on function handoff.adopt_instance() from public;
