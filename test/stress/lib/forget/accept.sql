do $$ begin
    perform handoff.accept(lead_key) from (select a.lead_key from public.acceptable a order by random() limit 1) a;
exception when sqlstate 'LH040' or sqlstate 'LH041' then
    null; -- somebody was faster, or has it forgotten
end $$;
