-- The fields every contract has, and the types a field can have.
select "of", name, type, mapped, step from handoff.builtin_fields();
select count(*) as without_description from handoff.builtin_fields() where coalesce(description, '') !~ '\.$';
select "of", name from handoff.builtin_fields() group by 1, 2 having count(*) > 1;
-- each is a name that criteria read without quotes, of a type that criteria know
select name from handoff.builtin_fields() where (name || ' is null')::handoff.criteria::text <> name || ' is null';
select count(handoff.check_criteria((name || ' is null')::handoff.criteria, array[name], array[type])) from handoff.builtin_fields();
