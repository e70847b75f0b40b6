-- test/lib/fresh.sql: schema handoff as setup() makes it, whatever there was; what most pgTAP files begin with.
do $$ begin
    if to_regclass('handoff.contract') is not null then
        perform handoff.teardown(really => true);
    end if;
    perform handoff.setup();
end $$;
