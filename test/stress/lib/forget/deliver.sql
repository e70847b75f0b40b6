do $$
declare
    message record;
begin
    for message in select * from handoff.lease('mail', 5) loop
        perform handoff.ack('mail', message.id, message.token);
    end loop;
end $$;
