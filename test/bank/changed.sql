-- test/bank/changed.sql: a second version of the contract, as edits of a draft. :version is the draft.

update handoff.score_rule set points = 18 where contract_id = :version and name = 'success';
update handoff.score_rule set points = 8 where contract_id = :version and name = 'by_mobile';
update handoff.score_rule set points = 9 where contract_id = :version and name = 'in_good_month';
update handoff.score_rule set points = 7 where contract_id = :version and name = 'age_60';
delete from handoff.score_rule where contract_id = :version and name = 'hopeless';
insert into handoff.score_rule (contract_id, score_group, name, points, criteria)
values (:version, 'person', 'graduate_in_slump', 6, 'education = ''university.degree'' and economy = ''slump''');
update handoff.score_group set max_points = 33 where contract_id = :version and name = 'moment';
update handoff.score_group set min_points = -3 where contract_id = :version and name = 'past';
update handoff.band set min_fit = 36 where contract_id = :version and name = 'A';
update handoff.band set min_score = 27 where contract_id = :version and name = 'B';
update handoff.band set min_fit = 8, min_score = 8 where contract_id = :version and name = 'C';
update handoff.derived
set criteria = 'education in (''university.degree'', ''professional.course'') and job in (''admin.'', ''management'', ''technician'', ''entrepreneur'')'
where contract_id = :version and field = 'segment' and value = 'career';
delete from handoff.gate where contract_id = :version and code = 'indebted';
update handoff.gate set criteria = 'month = ''may'' and contact_type = ''telephone''' where contract_id = :version and code = 'unreachable';
update handoff.leg set blocked_max = '45 days' where contract_id = :version;
update handoff.stage set max_age = '120 days', required = '{age,education,job,marital}' where contract_id = :version and name = 'handed';
insert into handoff.validation (contract_id, field, criteria, message)
values (:version, 'marital', 'marital <> ''unknown''', 'Ask for the marital status.');
update handoff.activity_rule set min_count = 2, within = '30 days' where contract_id = :version and name = 'keen';
