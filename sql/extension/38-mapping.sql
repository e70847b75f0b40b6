-- sql/extension/38-mapping.sql: which column of a synced table is which field.
--
-- What can be mapped at all, what a mapping reads, and whether it fits the table. What a table looks
-- like (39-recognize.sql) is the other half.

create function handoff.plain_name(name text) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
return replace(lower(regexp_replace(regexp_replace(name, '__c$', ''), '^(properties|property)_', '')), '_', '');
comment on function handoff.plain_name(text) is
    'A column name without what sync tools do to it: case, underscores, a custom field''s __c, HubSpot''s prefix. Columns are matched to targets by it.';

create function handoff.mapping_targets(kind text, contract text default null)
    returns table (target text, synonyms text[], type text)
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select b.name, handoff.plain_name(b.name) || coalesce(s.synonyms, '{}'), b.type
    from handoff.builtin_fields() b
    left join (values
        ('lead', 'created_at', array['createddate', 'createdat', 'createdate']),
        ('lead', 'email', array['emailaddress']),
        ('lead', 'crm_owner', array['ownerid', 'hubspotownerid']),
        ('lead', 'crm_status', array['status', 'hsleadstatus', 'leadstatus']),
        ('lead', 'account_key', array['accountid', 'convertedaccountid', 'associatedcompanyid']),
        ('lead', 'converted_opportunity', array['convertedopportunityid']),
        ('lead', 'converted_contact', array['convertedcontactid']),
        ('lead', 'merged_into', array['masterrecordid']),
        ('activity', 'lead_key', array['whoid', 'leadid', 'contactid']),
        ('activity', 'at', array['completeddatetime', 'occurredat', 'activitydate', 'createddate', 'createdat']),
        ('activity', 'kind', array['activitytype', 'type', 'tasksubtype']),
        ('activity', 'rep', array['ownerid', 'userid', 'hubspotownerid']),
        ('account', 'name', array['accountname', 'companyname']),
        ('account', 'domain', array['website', 'webdomain']),
        ('account', 'created_at', array['createddate', 'createdat', 'createdate']),
        ('account', 'owner', array['ownerid', 'hubspotownerid']),
        ('account', 'named', array['isnamed', 'namedaccount', 'isnamedaccount']),
        ('account', 'tier', array['accounttier', 'hsidealcustomerprofile']),
        ('account', 'customer', array['iscustomer']),
        ('opportunity', 'account_key', array['accountid']),
        ('opportunity', 'owner', array['ownerid']),
        ('opportunity', 'created_at', array['createddate', 'createdat', 'createdate']),
        ('opportunity', 'closed_at', array['closedate', 'closeddate']),
        ('opportunity', 'currency', array['currencyisocode', 'dealcurrencycode']),
        ('opportunity', 'amount_reporting', array['amountinhomecurrency', 'convertedamount']),
        ('link', 'lead_key', array['leadid', 'contactid']),
        ('link', 'opportunity_key', array['opportunityid']),
        ('rep', 'name', array['fullname', 'displayname']),
        ('rep', 'email', array['emailaddress']),
        ('rep', 'zone', array['timezonesidkey', 'timezone']),
        ('rep', 'active', array['isactive']),
        ('rep', 'manager', array['managerid']),
        ('rep', 'human', array['ishuman'])
    ) s (of, name, synonyms) on s.of = b.of and s.name = b.name
    where b.of = $1 and b.mapped
    union all
    select t.target, t.synonyms, t.type
    from (values
        ('version', array['systemmodstamp', 'updatedat', 'lastmodifieddate', 'version'], 'timestamptz'),
        ('deleted', array['isdeleted', 'fivetrandeleted', 'deleted', 'archived'], 'boolean'),
        ('is_current', array['fivetranactive'], 'boolean'),
        ('loaded_at', array['airbyteextractedat'], 'timestamptz')
    ) t (target, synonyms, type)
    union all
    (select distinct on (f.name) f.name, handoff.plain_name(f.name) || coalesce(s.synonyms, '{}'), f.type
    from handoff.field f
    join handoff.contract c on c.contract_id = f.contract_id
    left join (values
        ('lead', 'title', array['jobtitle']),
        ('lead', 'postal_code', array['zip', 'zipcode']),
        ('account', 'postal_code', array['billingpostalcode', 'zip', 'zipcode']),
        ('lead', 'employees', array['numberofemployees']),
        ('lead', 'do_not_call', array['donotcall']),
        ('lead', 'opted_out', array['hasoptedoutofemail', 'hsemailoptout', 'unsubscribed']),
        ('lead', 'lead_source', array['hsanalyticssource', 'source']),
        ('activity', 'outcome', array['calldisposition'])
    ) s (of, name, synonyms) on s.of = f.of and s.name = f.name
    where f.of = $1 and c.status <> 'retired' and c.name = coalesce($2, c.name)
    order by f.name, c.contract_id desc)
$$;
comment on function handoff.mapping_targets(text, text) is
    'What columns of a source of that kind can be mapped to (built-in fields; version, deleted, is_current, loaded_at; fields of the contracts), with the plain column names that are taken for each, best first, and the type.';

create function handoff.mapping_sql(rel regclass, target text, entry jsonb, type regtype) returns text
    language c stable strict
    as 'MODULE_PATHNAME', 'lh_sql_mapping_sql';
comment on function handoff.mapping_sql(regclass, text, jsonb, regtype) is
    'SQL by which the value of a mapping''s entry is read, as one of a type, over the table under the alias t. NULL: its columns are not there. Error LH021: not an entry, or an expression that is not allowed or does not fit the table.';

create function handoff.mapping_columns(target text, entry jsonb) returns text[]
    language c immutable strict
    as 'MODULE_PATHNAME', 'lh_sql_mapping_columns';
comment on function handoff.mapping_columns(text, jsonb) is
    'Columns that a mapping''s entry reads. Error LH021: not an entry.';

create function handoff.salesforce_id(id text) returns text
    language c immutable strict parallel safe
    as 'MODULE_PATHNAME', 'lh_sql_salesforce_id';
comment on function handoff.salesforce_id(text) is
    'The id of a Salesforce record with 18 characters, if it is one of 15; any other text as it is.';

create function handoff.record_key(source_name text, raw_key text) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select s.key_prefix || case s.id_format when 'salesforce' then handoff.salesforce_id($2) else $2 end
    from handoff.source s
    where s.name = $1
$$;
comment on function handoff.record_key(text, text) is
    'The key by which we know a row of a source of leads, accounts or opportunities: its prefix and the row''s key, a Salesforce id with 18 characters.';

create function handoff.present_rows(source_name text, keys text[]) returns text[]
    language c
    as 'MODULE_PATHNAME', 'lh_present_rows';
comment on function handoff.present_rows(text, text[]) is
    'Those of some keys whose rows, read as the drain reads them, are there and not marked deleted. Of a table that is locked none. Internal to doctor().';

create function handoff.check_mapping(rel regclass, kind text, mapping jsonb, contract text) returns void
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    entry  record;
    name   text;
    type   regtype;
    part   jsonb;
    needed text;
    known  text[] := array(select distinct t.target from handoff.mapping_targets(kind, contract) t order by 1);
begin
    if jsonb_typeof(mapping) <> 'object' then
        raise exception 'the mapping is not a JSON object'
            using errcode = 'LH021', hint = 'It looks like {"target": "column"}.';
    end if;
    for entry in select e.key, e.value from jsonb_each(mapping) e loop
        if entry.key <> all (known) then
            raise exception 'unknown mapping target "%"', entry.key
                using errcode = 'LH021',
                      detail = format('A source of kind %s can map %s.', kind, array_to_string(known, ', ')),
                      hint = 'Declare the field in the contract first, or drop it from the mapping.';
        end if;
        -- left unmapped on purpose, and so also when a contract is published later
        continue when jsonb_typeof(entry.value) = 'null';
        foreach name in array handoff.mapping_columns(entry.key, entry.value) loop
            if not exists (select from pg_attribute a where a.attrelid = rel and a.attnum > 0
                           and not a.attisdropped and a.attname = name) then
                raise exception 'table % has no column "%"', rel, name
                    using errcode = 'LH021', detail = format('It is mapped to "%s".', entry.key),
                          hint = 'Column names are taken exactly as they are stored, upper and lower case included.';
            end if;
        end loop;
        type := (select t.type from handoff.mapping_targets(kind, contract) t where t.target = entry.key limit 1);
        perform handoff.mapping_sql(rel, entry.key, entry.value, type);
        for part in select p from jsonb_path_query(entry.value, 'lax $.default') p where p <> 'null' loop
            begin
                execute format('select %L::%s', part #>> '{}', type);
            exception when data_exception then
                raise exception 'mapping of "%": default "%" is not of type %', entry.key, part #>> '{}', type
                    using errcode = 'LH021', hint = 'Give a value of the target''s type.';
            end;
        end loop;
    end loop;
    foreach needed in array case kind when 'activity' then array['lead_key', 'at']
                                      when 'link' then array['lead_key', 'opportunity_key'] else array[]::text[] end loop
        if mapping ->> needed is null then
            raise exception '% needs a column for "%" to be a source of kind %', rel, needed, kind
                using errcode = 'LH021', detail = format('Mapped so far: %s.', jsonb_strip_nulls(mapping)),
                      hint = format('Map it to a column: mapping => ''{"%s": "Column"}''.', needed);
        end if;
    end loop;
end
$$;
comment on function handoff.check_mapping(regclass, text, jsonb, text) is
    'Error LH021 if a mapping names a target or column that is not there, or lacks what the kind needs.';

revoke all on function handoff.plain_name(text) from public;
revoke all on function handoff.mapping_targets(text, text) from public;
revoke all on function handoff.mapping_sql(regclass, text, jsonb, regtype) from public;
revoke all on function handoff.mapping_columns(text, jsonb) from public;
revoke all on function handoff.salesforce_id(text) from public;
revoke all on function handoff.record_key(text, text) from public;
revoke all on function handoff.present_rows(text, text[]) from public;
revoke all on function handoff.check_mapping(regclass, text, jsonb, text) from public;
