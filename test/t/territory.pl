# test/t/territory.pl: every ZIP code of the USA and every postal area of Canada as territories: the same
# states as 42,555 exact keys, as three-digit prefixes with their exceptions, and as ranges.
#
# Six prefixes have ZIP codes of several states: 063, 205, 739, 834, 967, 969.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use Test::More;
use Time::HiRes 'time';

my $data = ($ENV{LH_DATA} // "$FindBin::RealBin/../../../shared/data") . '/us_zip';
plan skip_all => "the ZIP codes are not there: $data" unless -r "$data/us_zips.csv" && -r "$data/ca_fsa.csv";

my $node = start_node('territory');
$node->append_conf('postgresql.conf', "lead_handoff.inline_limit = 0\nshared_buffers = 256MB\nmax_wal_size = 4GB\n");
$node->restart;

sub query { return $node->safe_psql('postgres', "set client_min_messages = warning; $_[0]"); }

# A pool a state, with one rep; one for Canada; a contract whose leads name the map they are looked up in.
$node->safe_psql('postgres', 'create extension lead_handoff; select handoff.setup();');
query(qq(
	create table zip (zip text primary key, city text, state text, latitude numeric, longitude numeric);
	copy zip from '$data/us_zips.csv' (format csv, header);
	create table area (fsa text primary key, city text, province text, latitude numeric, longitude numeric);
	copy area from '$data/ca_fsa.csv' (format csv, header);
	select handoff.add_pool(p), handoff.add_rep('rep ' || p, p, p) from (select distinct state from zip union select 'Canada' union select 'fallback') s (p);
	select handoff.import('{"format": 1, "contract": {"reporting_zone": "UTC"},
		"field": [{"of": "lead", "name": "map", "type": "text"}, {"of": "lead", "name": "code", "type": "text"}],
		"stage": [{"name": "lead", "position": 10, "owner": "marketing", "is_default": true},
			{"name": "mql", "position": 20, "owner": "sales", "max_age": "1 year", "max_age_to": "lost"}, {"name": "lost", "position": 30, "is_terminal": true}],
		"leg": [{"name": "mql_to_sdr", "ord": 1, "owner_from": "marketing", "owner_to": "sdr"}],
		"transition": [{"ord": 10, "from_stage": "lead", "event": "scored", "to_stage": "mql", "leg": "mql_to_sdr"}],
		"route": [{"name": "exact", "leg": "mql_to_sdr", "ord": 10, "criteria": "map = ''exact''", "target_kind": "territory", "target": "exact", "key_field": "code"},
			{"name": "prefix", "leg": "mql_to_sdr", "ord": 20, "criteria": "map = ''prefix''", "target_kind": "territory", "target": "prefix", "key_field": "code"},
			{"name": "range", "leg": "mql_to_sdr", "ord": 30, "criteria": "map = ''range''", "target_kind": "territory", "target": "range", "key_field": "code"},
			{"name": "fallback", "leg": "mql_to_sdr", "ord": 40, "target_kind": "pool", "target": "fallback"}]}');));

# The maps --------------------------------------------------------------------------------------------

my $file = query('show data_directory') . '/zip.copy';
query(qq(copy (select 'exact', zip, state from zip) to '$file'));
my $started = time;
query(qq(copy handoff.territory (map, key, pool) from '$file'));
diag(sprintf('COPY of 42,555 keys: %.1f s', time - $started));
is(query(q(select count(*) from handoff.territory)), '42555', 'a map of every ZIP code, by one COPY');

# a prefix belongs to the state that has most of it, the others are exceptions
query(q(insert into handoff.territory (map, kind, key, pool)
	select 'prefix', 'prefix', left(zip, 3), (array_agg(state order by n desc, state))[1]
	from (select zip, state, count(*) over (partition by left(zip, 3), state) as n from zip) z group by left(zip, 3)));
query(q(insert into handoff.territory (map, key, pool)
	select 'prefix', z.zip, z.state from zip z join handoff.territory t on t.map = 'prefix' and t.key = left(z.zip, 3) and t.pool <> z.state));
is(query(q(select kind, count(*) from handoff.territory where map = 'prefix' group by 1 order by 1)), "exact|17\nprefix|931", 'as prefixes with exceptions');
is(query(q(select string_agg(distinct left(key, 3), ' ' order by left(key, 3)) from handoff.territory where map = 'prefix' and kind = 'exact')),
	'063 205 739 834 967 969', '.. in the six that are split');

# runs of ZIP codes of one state, and around each state's first three digits nothing: ranges that touch
query(q(insert into handoff.territory (map, kind, key, high, pool)
	select 'range', 'range', min(zip), max(zip), state
	from (select zip, state, row_number() over (order by zip) - row_number() over (partition by state order by zip) as run from zip) z
	group by state, run));
is(query(q(select count(*) between 80 and 400 from handoff.territory where map = 'range')), 't', 'as ranges');
query(q(insert into handoff.territory (map, kind, key, pool) select 'prefix', 'prefix', fsa, 'Canada' from area));
is(query('select count(*) from handoff.operation_log where object = \'territory\''), query('select count(*) from handoff.territory'), 'every row is logged');
is(query('select severity, object, message from handoff.validate() limit 5'), '', 'nothing is wrong with contract and maps');
query('select handoff.publish()');

# Leads ------------------------------------------------------------------------------------------------

query(q(create table lead (id text primary key, map text, code text, at timestamptz);
	select handoff.attach('public.lead', 'lead', mapping => '{"version": "at"}', since => '-infinity');
	insert into lead
	select 'us' || zip, (array['exact', 'prefix', 'range'])[1 + zip::int % 3], zip, '2026-06-01' from zip
	where zip::int % 4 = 0 or left(zip, 3) = any ('{063,205,739,834,967,969}');
	insert into lead select 'ca' || fsa, 'prefix', fsa || ' 1A1', '2026-06-01' from area;
	insert into lead select 'no' || i, (array['exact', 'prefix', 'range'])[1 + i % 3], code, '2026-06-01'
	from unnest(array['00000', '0050', '005010', '99999', 'X', '63', '', null, 'k1a 0b1', '9O110']) with ordinality u(code, i);));
$started = time;
do {} until query(q(select claimed from handoff.tick('2026-06-01', 5000))) == 0;
diag(sprintf('%s leads decided and assigned: %.0f s', query('select count(*) from handoff.handoff'), time - $started));
is(query(q(select l.lead_key, h.pool, h.route, z.state from handoff.lead l join zip z on l.lead_key = 'us' || z.zip left join handoff.handoff h using (lead_key)
	where h.pool is distinct from z.state limit 5)), '', 'leads of a quarter of them are with their states, by each of the maps');
is(query(q(select route, count(*) > 3500 from handoff.handoff where lead_key like 'us%' group by 1 order by 1)), "exact|t\nprefix|t\nrange|t", '.. a third each');
is(query(q(select m, z.zip, z.state, f.pool from zip z cross join unnest('{exact,prefix,range}'::text[]) m left join lateral handoff.territory_for(m, z.zip, '2026-06-01') f on true
	where (z.zip::int % 5 = 0 or left(z.zip, 3) = any ('{063,205,739,834,967,969}')) and f.pool is distinct from z.state limit 5)), '', 'territory_for() says so too, of more of them and each of the maps');
is(query(q(select a.fsa, h.pool from area a left join handoff.handoff h on h.lead_key = 'ca' || fsa where h.pool is distinct from 'Canada' limit 5)), '',
	'every area of Canada is Canada\'s, by the beginning of its postal codes');
is(query(q(select lead_key, l.fields ->> 'code', h.route, h.pool from handoff.handoff h join handoff.lead l using (lead_key) where lead_key like 'no%' and h.route <> 'fallback')),
	'no4|99999|prefix|AK', 'what is no ZIP code is nobody\'s, but for one that begins as some do');
is(query(q(select count(distinct pool) from handoff.handoff)), query('select count(*) from handoff.pool'), 'every pool has leads');
is(query(q(select count(*) from (select r.route, r.of_key from handoff.territory_gaps(1, '2026-06-01') r where r.route = 'range' and r.of_key = '99999') g)), '1',
	'territory_gaps() knows a key that no row has');

# Next year --------------------------------------------------------------------------------------------

query(q(create table next_year as select zip as key, case when state in ('NY', 'NJ') then 'PA' else state end as pool from zip where state <> 'DC';
	create table before as select lead_key, last_seq from handoff.lead));
$started = time;
is(query(q(select * from handoff.load_territory('exact', 'next_year', '2027-01-01'))),
	query(q(select count(*) filter (where state in ('NY', 'NJ')), count(*) filter (where state in ('NY', 'NJ', 'DC')),
		count(*) filter (where state not in ('NY', 'NJ', 'DC')) from zip)), 'next year\'s map: added, ended, kept');
diag(sprintf('load_territory(): %.1f s', time - $started));
query(q(insert into lead select 'old' || zip, 'exact', zip, '2026-12-31' from zip where state in ('NY', 'DC', 'CA') and right(zip, 1) = '1';
	select handoff.tick('2026-12-31 23:59:59+00', 10000);
	insert into lead select 'new' || zip, 'exact', zip, '2027-01-01' from zip where state in ('NY', 'DC', 'CA') and right(zip, 1) = '1';
	select handoff.tick('2027-01-01 00:00:00+00', 10000)));
is(query(q(select state, string_agg(distinct h.pool, ' ') filter (where lead_key like 'old%'), string_agg(distinct h.pool, ' ') filter (where lead_key like 'new%'), count(*) > 30
	from zip z join handoff.handoff h on h.lead_key in ('old' || zip, 'new' || zip) group by 1 order by 1)),
	"CA|CA|CA|t\nDC|DC|fallback|t\nNY|NY|PA|t", 'new leads go by the map of their day');
is(query(q(select count(*) from before b join handoff.lead l using (lead_key) where l.last_seq <> b.last_seq)), '0', 'the others stay where they are');
is(query(q(select what from handoff.territory_findings() limit 3)), '', 'the maps are in order');
doctor_is_content($node, 'postgres', 'and so is everything else');

$node->stop;
done_testing();
