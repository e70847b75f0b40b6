-- sql/extension/44-account.sql: leads find their accounts.

create function handoff.company_name_key(name text) returns text
    language c immutable strict parallel safe
    as 'MODULE_PATHNAME', 'lh_sql_company_name_key';
comment on function handoff.company_name_key(text) is
    'A company''s name as it is compared: lower case, letters without accents, words separated by one space, without punctuation, "and", a leading "the" and the legal form (Inc, LLC, GmbH & Co. KG, S.A. de C.V., Ltd, B.V., K.K., OOO ..; also where it stands first, and in Chinese, Japanese and Korean). At most 200 characters. NULL: nothing is left, or what is left says that there is no company (n/a, none, self-employed, test ..). It does not depend on the database''s locale.';

create function handoff.company_name_similarity(a text, b text) returns real
    language c immutable strict parallel safe
    as 'MODULE_PATHNAME', 'lh_sql_company_name_similarity';
comment on function handoff.company_name_similarity(text, text) is
    'How much two company names have in common, 0 to 1: of the three-letter pieces of both company_name_key()s, the share that both have (what pg_trgm''s similarity() gives for them). A close name has 0.5 or more. NULL: one of them names no company.';

create function handoff.name_key_similarity(a text, b text) returns real
    language c immutable strict parallel safe
    as 'MODULE_PATHNAME', 'lh_sql_name_key_similarity';
comment on function handoff.name_key_similarity(text, text) is
    'The same of two keys that company_name_key() has made. Internal.';

create function handoff.registrable_domain(address text) returns text
    language c stable strict parallel safe
    as 'MODULE_PATHNAME', 'lh_sql_registrable_domain';
comment on function handoff.registrable_domain(text) is
    'The domain that somebody has registered, of an e-mail address ("Jane <jane@mail.acme.co.uk>"), a URL or a host name: acme.co.uk; in lower case, labels that are not ASCII in Punycode. By the public suffix list that libpsl has: the newest of its own and that of the package publicsuffix. NULL: there is none (a public suffix itself, an IP address, a name without a dot, no host name).';

create function handoff.keep_registrable() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    domain constant text := handoff.registrable_domain(new.domain);
begin
    if domain is null then
        raise exception '"%" is not a domain that a company can have', new.domain
            using errcode = '22023', hint = 'Give a domain below a public suffix, an e-mail address or a URL.';
    end if;
    new.domain := domain;
    return new;
end
$$;
comment on function handoff.keep_registrable() is
    'Trigger of handoff.account_domain: a domain is kept as its registrable domain. Error 22023: it has none.';

create function handoff.queue_accounts() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- accounts that are written meanwhile would not know of it; waits for decisions under way
    perform pg_advisory_xact_lock(19528, 1024);
    insert into handoff.inbox (source, raw_key, op, xid, at)
    select distinct a.source, a.raw_key, 'R', pg_current_xact_id(), clock_timestamp()
    from changed c
    join handoff.account a on a.account_key = c.account_key
    where exists (select from handoff.source s where s.name = a.source);
    return null;
end
$$;
comment on function handoff.queue_accounts() is
    'Trigger of handoff.account_domain: the accounts concerned are queued.';

create function handoff.queue_listed() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform pg_advisory_xact_lock(19528, 1024);
    if not exists (select from handoff.account_match_key) then
        return null;
    end if;
    if tg_op = 'TRUNCATE' then
        insert into handoff.inbox (source, raw_key, op, xid, at)
        select distinct a.source, a.raw_key, 'R', pg_current_xact_id(), clock_timestamp()
        from handoff.account_match_key k
        join handoff.account a on a.account_key = k.account_key
        where starts_with(k.key, 'listed ') and exists (select from handoff.source s where s.name = a.source);
        return null;
    end if;
    insert into handoff.inbox (source, raw_key, op, xid, at)
    select distinct a.source, a.raw_key, 'R', pg_current_xact_id(), clock_timestamp()
    from changed c
    join handoff.account_match_key k on k.key in ('domain ' || c.domain, 'listed ' || c.domain)
    join handoff.account a on a.account_key = k.account_key
    where exists (select from handoff.source s where s.name = a.source);
    return null;
end
$$;
comment on function handoff.queue_listed() is
    'Trigger of handoff.mail_domain: the accounts that have one of the domains are queued.';

create function handoff.queue_unmatched() returns bigint
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    with again as (
        insert into handoff.inbox (source, raw_key, op, xid, at)
        select l.source, l.raw_key, 'R', pg_current_xact_id(), clock_timestamp()
        from handoff.lead l
        where l.deleted_at is null and l.account_method is distinct from 'crm'
          and exists (select from handoff.source s where s.name = l.source)
        returning 1
    )
    select count(*) from again
$$;
comment on function handoff.queue_unmatched() is
    'Queues every lead whose account the CRM does not name to be decided again; how many. Internal to attach() and rematch().';

create function handoff.rematch() returns bigint
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    insert into handoff.inbox (source, raw_key, op, xid, at)
    select a.source, a.raw_key, 'R', pg_current_xact_id(), clock_timestamp()
    from handoff.account a
    where exists (select from handoff.source s where s.name = a.source);
    select handoff.queue_unmatched();
$$;
comment on function handoff.rematch() is
    'Queues all accounts, and all leads whose account the CRM does not name, to be matched anew by the ticks that follow; how many leads. Needed when the public suffix list of the system has changed; anything else that matters is noticed.';

create function handoff.match_account(
    fields          jsonb,
    out account_key text,
    out chosen      boolean,
    out method      text,
    out by          text,
    out why         text
) returns setof record
    language c stable strict
    rows 3
    as 'MODULE_PATHNAME', 'lh_match_account';
comment on function handoff.match_account(jsonb) is
    'Which account a lead with these fields (email, website, company, phone, postal_code; others are ignored) would be matched to now: the candidates of the step that decides, the chosen one first, then by preference; its method (email_domain, web_domain, name, close_name), by which domain or name, and why it is the chosen one: only, narrowed (the only one that an earlier step found too), named, owned, oldest, first (by key). No row: none. Keeps nothing. Error LH003: a value that is no text.';

revoke all on function handoff.company_name_key(text) from public;
revoke all on function handoff.company_name_similarity(text, text) from public;
revoke all on function handoff.name_key_similarity(text, text) from public;
revoke all on function handoff.registrable_domain(text) from public;
revoke all on function handoff.keep_registrable() from public;
revoke all on function handoff.queue_accounts() from public;
revoke all on function handoff.queue_listed() from public;
revoke all on function handoff.queue_unmatched() from public;
revoke all on function handoff.rematch() from public;
revoke all on function handoff.match_account(jsonb) from public;
