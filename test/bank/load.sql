-- test/bank/load.sql: the bank's calls, written as a sync tool writes them.
--
-- bank.raw is the file. bank.fresh is each of its rows as the sync delivers it first. bank.client and
-- bank.attempt are the synced tables that get attached. bank.load() writes them batch by batch, in the
-- file's order, with all that syncs do to rows: repeats, rewrites that change nothing, corrections
-- long after, older rows after newer ones, deletion and return, DELETE + INSERT, activities before
-- their lead and long after it.
--
-- What a row truly was, and from when on, is kept in bank.version: the expectation is computed from it
-- (expect.sql). A rewrite that changes nothing is no version, nor is an old row that comes late.
--
-- Who suffers what goes by id % 6: 0 its attempts are corrected, 1 it is deleted, 2 and 4 it is
-- corrected, 3 an older row comes late, 5 it gets attempts that were another's.

create schema bank;

create table bank.raw (
    row_no         bigint generated always as identity primary key,
    age            int,
    job            text,
    marital        text,
    education      text,
    "default"      text,
    housing        text,
    loan           text,
    contact        text,
    month          text,
    day_of_week    text,
    duration       int,
    campaign       int,
    pdays          int,
    previous       int,
    poutcome       text,
    emp_var_rate   numeric,
    cons_price_idx numeric,
    cons_conf_idx  numeric,
    euribor3m      numeric,
    nr_employed    numeric,
    y              text
);

create table bank.client (
    id             bigint primary key,
    age            smallint,
    job            text,
    marital        varchar(20),
    education      text,
    "default"      text,
    housing        text,
    loan           text,
    products       text[],
    contact_type   text,
    month          char(3),
    day            text,
    contact_day    date,
    campaign       int,
    pdays          int,
    called_before  boolean,
    previous       smallint,
    poutcome       text,
    emp_var_rate   numeric(4, 1),
    cons_price_idx numeric,
    cons_conf_idx  float8,
    euribor3m      text,
    nr_employed    numeric,
    created_at     timestamptz,
    updated_at     timestamptz
);

create table bank.attempt (
    id         text primary key,
    client_id  bigint,
    at         timestamptz,
    kind       text,
    channel    text,
    attempt_no int
);
create index on bank.attempt (client_id);

create table bank.version (
    like bank.client,
    at         timestamptz not null,
    contract   int not null,
    gone       boolean not null,
    primary key (id, at)
);

-- Each moment at which tick() is called; lo to hi are the rows that are new in the batch before it.
create table bank.batch (
    batch_no int primary key,
    lo       bigint,
    hi       bigint,
    at       timestamptz unique,
    claimed  bigint,
    decided  bigint,
    due      bigint,
    seconds  numeric
);

create table bank.fresh (like bank.client including indexes);

-- The file names months and no years, but it is in order of time: a year begins where a month goes back.
create procedure bank.prepare()
    language plpgsql
as $$
declare
    sizes constant int[] := array[1, 7, 500, 5000];
    next_row bigint := 1;
    n int := 0;
    moment timestamptz := '-infinity';
    size int;
    last_row bigint;
begin
    insert into bank.fresh
    select row_no, age, job, marital, education, "default", housing, loan,
           array_remove(array[case housing when 'yes' then 'housing' end, case loan when 'yes' then 'loan' end], null),
           contact, month, day_of_week, contact_day, campaign, nullif(pdays, 999), pdays <> 999, previous,
           nullif(poutcome, 'nonexistent'), emp_var_rate, cons_price_idx, cons_conf_idx, euribor3m::text, nr_employed,
           contact_day::timestamp at time zone 'UTC' + row_no * interval '1 second', null
    from (
        select r.*, make_date(2008 + sum(new_year) over (order by row_no)::int, month_no, 1) as contact_day
        from (
            select r.*, (month_no < lag(month_no, 1, month_no) over (order by row_no))::int as new_year
            from (
                select r.*, array_position(array['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep',
                                                 'oct', 'nov', 'dec'], month) as month_no
                from bank.raw r
            ) r
        ) r
    ) r;

    -- 2008 has two thirds of the rows; after it, smaller batches
    select max(row_no) into last_row from bank.raw;
    while next_row <= last_row loop
        size := sizes[n % case when next_row < 27000 then 4 else 3 end + 1];
        n := n + 1;
        select greatest(max(created_at + campaign * interval '1 minute'), moment + interval '1 second') into moment
        from bank.fresh where id between next_row and next_row + size - 1;
        insert into bank.batch (batch_no, lo, hi, at)
        values (n, next_row, least(next_row + size - 1, last_row), moment);
        next_row := next_row + size;
    end loop;
    -- and one more, for what comes late
    insert into bank.batch (batch_no, lo, hi, at) values (n + 1, last_row + 1, last_row, moment + interval '5 minutes');
end
$$;

-- The new rows of a batch, by one of the ways in which syncs write.
create procedure bank.write_new(b bank.batch)
    language plpgsql
as $$
declare
    file constant text := current_setting('data_directory') || '/bank_page';
begin
    update bank.fresh set updated_at = b.at where id between b.lo and b.hi;
    case b.batch_no % 4
        when 0 then
            execute format('copy (select * from bank.fresh where id between %s and %s order by id) to %L', b.lo, b.hi, file);
            execute format('copy bank.client from %L', file);
        when 1 then
            insert into bank.client select * from bank.fresh where id between b.lo and b.hi;
        when 2 then
            -- an overlapping page: the last rows of the batch before come again
            insert into bank.client
            select * from bank.fresh where id between b.lo and b.hi
            union all
            select * from bank.client where id between b.lo - 50 and b.lo - 1
            on conflict (id) do update
            set (age, job, marital, education, "default", housing, loan, products, contact_type, month, day, contact_day,
                 campaign, pdays, called_before, previous, poutcome, emp_var_rate, cons_price_idx, cons_conf_idx, euribor3m,
                 nr_employed, created_at, updated_at)
              = (excluded.age, excluded.job, excluded.marital, excluded.education, excluded."default", excluded.housing,
                 excluded.loan, excluded.products, excluded.contact_type, excluded.month, excluded.day, excluded.contact_day,
                 excluded.campaign, excluded.pdays, excluded.called_before, excluded.previous, excluded.poutcome,
                 excluded.emp_var_rate, excluded.cons_price_idx, excluded.cons_conf_idx, excluded.euribor3m,
                 excluded.nr_employed, excluded.created_at, excluded.updated_at);
        else
            -- DELETE + INSERT of the page, whether its rows were there or not
            create temporary table page on commit drop as
                select * from bank.fresh where id between b.lo and b.hi
                union all
                select * from bank.client where id between b.lo - 20 and b.lo - 1;
            delete from bank.client where id in (select id from page);
            insert into bank.client select * from page;
            drop table page;
    end case;
    insert into bank.version
    select f.*, b.at, c.contract, false from bank.fresh f, bank.contract c where f.id between b.lo and b.hi;
end
$$;

create table bank.contract (contract int);
insert into bank.contract values (1);

-- Clients who were handed over under the first contract, when the second came: they stay with it.
create table bank.kept (id bigint primary key);

-- Attempts come with their client; of two in a hundred one batch early or late.
create procedure bank.write_attempts(b bank.batch)
    language sql
as $$
    insert into bank.attempt
    select f.id || '-' || i, f.id, f.created_at + i * interval '1 minute', 'call', f.contact_type, i
    from bank.fresh f
    join bank.batch own on f.id between own.lo and own.hi
    cross join generate_series(1, f.campaign) i
    where own.batch_no = b.batch_no + case f.id % 50 when 7 then 1 when 8 then -1 else 0 end
$$;

-- Rows that were there before: everything but news.
create procedure bank.write_again(b bank.batch)
    language plpgsql
as $$
begin
    -- nothing has changed
    update bank.client set age = age, job = job, products = products, updated_at = updated_at
    where id < b.lo and id % 331 = b.batch_no % 331;
    -- nothing has changed but the time of the row
    update bank.client set updated_at = b.at
    where id < b.lo and id % 1013 = b.batch_no % 1013;
    -- after it comes a row from before it, which the table takes and we must not
    update bank.client set updated_at = updated_at - interval '1 second', job = 'unknown', age = 99
    where id < b.lo and id % 1013 = (b.batch_no - 1) % 1013 and id % 6 = 3;
end
$$;

-- The client was somebody else: half by UPDATE, half by DELETE + INSERT.
create procedure bank.correct_clients(b bank.batch)
    language plpgsql
as $$
begin
    create temporary table corrected on commit drop as
        select c.*
        from bank.client c
        where c.id < b.lo and c.id % 499 = b.batch_no % 499 and c.id % 6 in (2, 4);
    update corrected c
    set age = o.age, job = o.job, marital = o.marital, education = o.education, housing = o.housing, loan = o.loan,
        products = o.products, poutcome = o.poutcome, pdays = o.pdays, called_before = o.called_before, previous = o.previous,
        "default" = case when c.id % 7 = 0 then 'yes' else o."default" end, updated_at = b.at
    from bank.fresh o
    where o.id = c.id * 7919 % 41188 + 1;
    if b.batch_no % 2 = 0 then
        update bank.client c
        set age = n.age, job = n.job, marital = n.marital, education = n.education, housing = n.housing, loan = n.loan,
            products = n.products, poutcome = n.poutcome, pdays = n.pdays, called_before = n.called_before,
            previous = n.previous, "default" = n."default", updated_at = n.updated_at
        from corrected n where n.id = c.id;
    else
        delete from bank.client where id in (select id from corrected);
        insert into bank.client select * from corrected;
    end if;
    insert into bank.version
    select n.*, b.at, case when n.id in (select id from bank.kept) then 1 else c.contract end, false
    from corrected n, bank.contract c;
    drop table corrected;
end
$$;

-- Deleted rows; every other one is back three batches later, as it was at first.
create procedure bank.delete_clients(b bank.batch)
    language sql
as $$
    with deleted as (
        delete from bank.client c
        where c.id < b.lo and c.id % 401 = b.batch_no % 401 and c.id % 6 = 1 and c.id % 50 <> 8
        returning c.*
    )
    insert into bank.version
    select d.*, b.at, case when d.id in (select id from bank.kept) then 1 else c.contract end, true
    from deleted d, bank.contract c;

    update bank.fresh f set updated_at = b.at
    from bank.version v join bank.batch earlier on earlier.at = v.at
    where v.id = f.id and v.gone and earlier.batch_no = b.batch_no - 3 and f.id % 12 = 1;
    with restored as (
        insert into bank.client
        select f.* from bank.fresh f where f.id < b.lo and f.updated_at = b.at
        returning *
    )
    insert into bank.version
    select r.*, b.at, case when r.id in (select id from bank.kept) then 1 else c.contract end, false
    from restored r, bank.contract c;
$$;

create procedure bank.correct_attempts(b bank.batch)
    language sql
as $$
    -- never made
    delete from bank.attempt a
    where a.client_id < b.lo and a.client_id % 211 = b.batch_no % 211 and a.client_id % 6 = 0
      and a.attempt_no = (select max(m.attempt_no) from bank.attempt m where m.client_id = a.client_id);
    -- made to somebody else
    update bank.attempt a set client_id = a.client_id + 5
    where a.client_id + 5 < b.lo and a.client_id % 223 = b.batch_no % 223 and a.client_id % 6 = 0 and a.attempt_no = 1;
    -- made half a minute earlier, by another channel
    update bank.attempt a
    set at = a.at - interval '30 seconds', channel = case a.channel when 'cellular' then 'telephone' else 'cellular' end
    where a.client_id < b.lo and a.client_id % 227 = b.batch_no % 227 and a.client_id % 6 = 0;
    -- nothing has changed
    update bank.attempt a set at = at, kind = kind, channel = channel
    where a.client_id < b.lo and a.client_id % 229 = b.batch_no % 229;
$$;

-- Time passes to a moment of bank.batch, and all that waits is decided.
create procedure bank.tick(moment timestamptz)
    language plpgsql
as $$
declare
    started constant timestamptz := clock_timestamp();
    t record;
begin
    loop
        t := handoff.tick(moment, 5000);
        update bank.batch set claimed = coalesce(claimed, 0) + t.claimed, decided = coalesce(decided, 0) + t.decided,
               due = coalesce(due, 0) + t.due, seconds = extract(epoch from clock_timestamp() - started)
        where at = moment;
        commit;
        exit when not exists (select from handoff.inbox);
        if t.claimed = 0 or t.waiting > 0 then
            raise exception 'the inbox does not get empty: %', t;
        end if;
    end loop;
end
$$;

-- Batches first to last: each is one transaction, and a tick after it at the time of its newest row.
create procedure bank.load(first int, last int)
    language plpgsql
as $$
declare
    b bank.batch;
begin
    for b in select * from bank.batch where batch_no between first and last order by batch_no loop
        call bank.write_new(b);
        call bank.write_attempts(b);
        call bank.write_again(b);
        call bank.correct_clients(b);
        call bank.delete_clients(b);
        call bank.correct_attempts(b);
        commit;
        call bank.tick(b.at);
    end loop;
end
$$;

-- A batch without news, and everything that could change by it.
create procedure bank.repeat()
    language plpgsql
as $$
declare
    moment timestamptz := (select max(at) from bank.batch where seconds is not null);
    last_row bigint := (select max(id) from bank.client);
begin
    insert into bank.client
    select * from bank.client where id > last_row - 3000
    on conflict (id) do update set job = excluded.job, updated_at = excluded.updated_at;
    create temporary table page on commit drop as select * from bank.client where id % 20 = 0;
    delete from bank.client where id in (select id from page);
    insert into bank.client select * from page;
    drop table page;
    update bank.client set age = age where id % 7 = 3;
    update bank.attempt set at = at where client_id % 9 = 4;
    update bank.attempt set id = id || '!' where client_id % 900 = 0;
    update bank.attempt set id = replace(id, '!', '') where id like '%!';
    commit;
    call bank.tick(moment);
end
$$;

create function bank.fingerprint() returns text
    language sql
as $$
    select concat_ws(' ',
        (select md5(string_agg(concat(lead_key, xmin, ctid), ' ' order by lead_key)) from handoff.lead),
        (select md5(string_agg(concat(lead_key, activity_key, xmin), ' ' order by lead_key, activity_key)) from handoff.activity),
        (select count(*) from handoff.event),
        (select count(*) from handoff.stage_history),
        (select md5(string_agg(concat(lead_key, kind, due_at), ' ' order by lead_key, kind)) from handoff.clock where kind <> 'review'))
$$;

-- A new version of the contract: every client that is there is decided anew at that moment, but for
-- those whom sales has.
create procedure bank.adopt(version int)
    language plpgsql
as $$
declare
    moment constant timestamptz := (select max(at) + interval '1 millisecond' from bank.batch where seconds is not null);
begin
    call bank.spell();
    insert into bank.batch (batch_no, at) select least(min(batch_no), 0) - 1, moment from bank.batch;
    update bank.contract set contract = version;
    create temporary table renewed on commit drop as
        select distinct on (id) * from bank.version order by id, at desc;
    insert into bank.kept
    select p.id from bank.path p where p.handed_at is not null and p.expired_at is null;
    delete from renewed where gone or id in (select id from bank.kept);
    update renewed set at = moment, contract = version;
    insert into bank.version select * from renewed;
    commit;
    call bank.tick(moment);
end
$$;

-- Those who were kept and have expired since are decided by the contract in force from then on.
create procedure bank.release()
    language plpgsql
as $$
begin
    create temporary table released on commit drop as
        select p.id, p.expired_at, c.contract from bank.path p join bank.kept k using (id), bank.contract c
        where p.expired_at is not null;
    create temporary table renewed on commit drop as
        select distinct on (v.id) v.* from bank.version v join released r using (id)
        where v.at <= r.expired_at order by v.id, v.at desc;
    update renewed n set at = r.expired_at from released r where r.id = n.id;
    insert into bank.version select * from renewed on conflict do nothing;
    update bank.version v set contract = r.contract from released r where v.id = r.id and v.at >= r.expired_at;
    delete from bank.kept k using released r where r.id = k.id;
    drop table released, renewed;
end
$$;

-- Nothing comes in, but time passes.
create procedure bank.wait(span interval)
    language plpgsql
as $$
declare
    moment constant timestamptz := (select max(at) + span from bank.batch where seconds is not null);
begin
    insert into bank.batch (batch_no, at) select least(min(batch_no), 0) - 1, moment from bank.batch;
    commit;
    call bank.tick(moment);
end
$$;
