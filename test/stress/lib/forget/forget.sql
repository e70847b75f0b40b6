\set lead random(1, 300)
select set_config('stress.lead', 'k' || :lead, false);
do $$ begin
    perform handoff.forget(current_setting('stress.lead'));
exception when sqlstate 'LH040' then
    null; -- not known yet
end $$;
