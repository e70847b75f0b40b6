-- sql/extension/38-mapping.sql: which column of a synced table is which field.
--
-- What a table's names suggest, what can be mapped at all, and whether a mapping fits the table.

create function handoff.plain_name(name text) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
return replace(lower(regexp_replace(regexp_replace(name, '__c$', ''), '^(properties|property)_', '')), '_', '');
comment on function handoff.plain_name(text) is
    'A column name without what sync tools do to it: case, underscores, a custom field''s __c, HubSpot''s prefix. Columns are matched to targets by it.';

create function handoff.mapping_targets(kind text, contract text default null)
    returns table (target text, synonyms text[])
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select b.name, handoff.plain_name(b.name) || coalesce(s.synonyms, '{}')
    from handoff.builtin_fields() b
    left join (values
        ('lead', 'created_at', array['createddate', 'createdat', 'createdate']),
        ('lead', 'email', array['emailaddress']),
        ('lead', 'crm_owner', array['ownerid', 'hubspotownerid']),
        ('lead', 'crm_status', array['status', 'hsleadstatus', 'leadstatus']),
        ('lead', 'account_key', array['accountid', 'convertedaccountid', 'associatedcompanyid']),
        ('lead', 'converted_opportunity', array['convertedopportunityid']),
        ('lead', 'converted_contact', array['convertedcontactid']),
        ('activity', 'lead_key', array['whoid', 'leadid', 'contactid']),
        ('activity', 'at', array['completeddatetime', 'occurredat', 'activitydate', 'createddate', 'createdat']),
        ('activity', 'kind', array['activitytype', 'type', 'tasksubtype']),
        ('activity', 'rep', array['ownerid', 'userid', 'hubspotownerid']),
        ('account', 'name', array['accountname', 'companyname']),
        ('account', 'domain', array['website', 'webdomain']),
        ('account', 'owner', array['ownerid', 'hubspotownerid']),
        ('account', 'named', array['isnamed', 'namedaccount', 'isnamedaccount']),
        ('account', 'tier', array['accounttier', 'hsidealcustomerprofile']),
        ('account', 'customer', array['iscustomer']),
        ('opportunity', 'account_key', array['accountid']),
        ('opportunity', 'owner', array['ownerid']),
        ('opportunity', 'created_at', array['createddate', 'createdat', 'createdate']),
        ('opportunity', 'closed_at', array['closedate', 'closeddate']),
        ('opportunity', 'currency', array['currencyisocode']),
        ('link', 'lead_key', array['leadid', 'contactid']),
        ('link', 'opportunity_key', array['opportunityid'])
    ) s (of, name, synonyms) on s.of = b.of and s.name = b.name
    where b.of = $1 and b.mapped
    union all
    select t.target, t.synonyms
    from (values
        ('version', array['systemmodstamp', 'updatedat', 'lastmodifieddate', 'version']),
        ('deleted', array['isdeleted', 'fivetrandeleted', 'deleted', 'archived'])
    ) t (target, synonyms)
    union all
    select distinct f.name, handoff.plain_name(f.name) || coalesce(s.synonyms, '{}')
    from handoff.field f
    join handoff.contract c on c.contract_id = f.contract_id
    left join (values
        ('lead', 'title', array['jobtitle']),
        ('lead', 'employees', array['numberofemployees']),
        ('lead', 'opted_out', array['hasoptedoutofemail', 'hsemailoptout', 'unsubscribed']),
        ('lead', 'lead_source', array['hsanalyticssource', 'source']),
        ('activity', 'outcome', array['calldisposition'])
    ) s (of, name, synonyms) on s.of = f.of and s.name = f.name
    where f.of = $1 and c.status <> 'retired' and c.name = coalesce($2, c.name)
$$;
comment on function handoff.mapping_targets(text, text) is
    'What columns of a source of that kind can be mapped to (built-in fields, version, deleted, fields of the contracts), with the plain column names that are taken for each, best first.';

create function handoff.guess_mapping(rel regclass, kind text, contract text) returns jsonb
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select coalesce(jsonb_object_agg(target, attname), '{}')
    from (
        select distinct on (t.target) t.target, a.attname
        from handoff.mapping_targets($2, $3) t
        join pg_attribute a
            on a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
            and handoff.plain_name(a.attname) = any(t.synonyms)
        order by t.target,
                 array_position(t.synonyms, handoff.plain_name(a.attname)),
                 a.attnum
    ) found
$$;
comment on function handoff.guess_mapping(regclass, text, text) is
    'What suggest_mapping() says, of a table that is known already: it asks for no right to its schema. Internal.';

create function handoff.suggest_mapping(tab text, kind text, contract text default null) returns jsonb
    language sql stable
    set search_path = pg_catalog, pg_temp
as $$
    select handoff.guess_mapping($1::regclass, $2, $3)
$$;
comment on function handoff.suggest_mapping(text, text, text) is
    'Guesses by their names what the columns of a table (schema-qualified) mean for a source of that kind: target -> column.';

create function handoff.check_mapping(rel regclass, kind text, mapping jsonb, contract text) returns void
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    entry  record;
    needed text;
    known  text[] := array(select t.target from handoff.mapping_targets(kind, contract) t order by 1);
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
        if jsonb_typeof(entry.value) <> 'string' then
            raise exception 'mapping of "%" is not a column name', entry.key
                using errcode = 'LH021', detail = format('It is %s.', entry.value),
                      hint = 'Give the column as a JSON string, or null to leave the target unmapped.';
        end if;
        if not exists (select from pg_attribute a where a.attrelid = rel and a.attnum > 0
                       and not a.attisdropped and a.attname = entry.value #>> '{}') then
            raise exception 'table % has no column "%"', rel, entry.value #>> '{}'
                using errcode = 'LH021', detail = format('It is mapped to "%s".', entry.key),
                      hint = 'Column names are taken exactly as they are stored, upper and lower case included.';
        end if;
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
revoke all on function handoff.guess_mapping(regclass, text, text) from public;
revoke all on function handoff.suggest_mapping(text, text, text) from public;
revoke all on function handoff.check_mapping(regclass, text, jsonb, text) from public;
