# test/t/drivers.pl: what a BI tool sees of the views through the drivers that BI tools use: pgJDBC, psqlODBC, and SQLAlchemy
# with psycopg2. Their names, types, nullability and comments, and their rows, value by value, are what PostgreSQL says.
#
# The programs of test/drivers write what they see, a line each; what they should see is asked of the catalogs here, and
# of the views by casts to text. A driver that is not here is skipped, with a line that says so.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use PostgreSQL::Test::Utils;
use Test::More;

my $programs = "$FindBin::RealBin/../drivers";

# Views for programs, with types that belong there: messages as JSON, heat to be computed with. All others are for people
# and their tools.
my @others = qw(account_intent dead_letter outbox_cloudevents outbox_settled);
# Lists that are empty while all is well, nothing was promised and no version challenges another.
my @may_be_empty = qw(account_ambiguity backfill challenge challenge_run challenge_tally reconcile_progress target_attainment);

# What each driver calls a type, and the class that its values come as.
my %jdbc = (
	bool => [ 'bool -7', 'java.lang.Boolean' ], date => [ 'date 91', 'java.sql.Date' ], int4 => [ 'int4 4', 'java.lang.Integer' ], int8 => [ 'int8 -5', 'java.lang.Long' ],
	numeric => [ 'numeric 2', 'java.math.BigDecimal' ], text => [ 'text 12', 'java.lang.String' ], timestamptz => [ 'timestamptz 93', 'java.sql.Timestamp' ]);
my %odbc = (
	bool => [ 'bool -7', 'bool' ], date => [ 'date 91', 'date' ], int4 => [ 'int4 4', 'int' ], int8 => [ 'int8 -5', 'int' ],
	numeric => [ 'numeric 2', 'Decimal' ], text => [ 'text -10', 'str' ], timestamptz => [ 'timestamptz 93', 'datetime' ]);
my %sqlalchemy = (
	bool => [ 'BOOLEAN', 'bool' ], date => [ 'DATE', 'date' ], int4 => [ 'INTEGER', 'int' ], int8 => [ 'BIGINT', 'int' ],
	numeric => [ 'NUMERIC', 'Decimal' ], text => [ 'TEXT', 'str' ], timestamptz => [ 'TIMESTAMP with time zone', 'datetime' ]);

# Views to look at: leads that the demo's people have worked, and what those do not do. ------------------------

my $node = start_node('main');
my $password = join('', map { chr(97 + int(rand(26))) } 1 .. 24);

# pgJDBC knows no Unix sockets
$node->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'\n");
unlink($node->data_dir . '/pg_hba.conf');
$node->append_conf('pg_hba.conf', "local all all trust\nhost demo tool,analyst 127.0.0.1/32 scram-sha-256\n");
$node->restart;
start_demo($node, 150, '2026-05-01');
$node->safe_psql('demo', qq(
	create role tool login password '$password';
	create role analyst login password '$password';
	select handoff.grant_access('tool', 'reader'), handoff.grant_access('analyst', 'admin');));
$node->safe_psql('demo', q(
	-- as another, which has been handed over
	create function asks(id text, more jsonb) returns void language sql as $$
		insert into crm."Lead" select (jsonb_populate_record(l, jsonb_build_object('Id', id, 'Email', id || '@' || id || '.example', 'Status', 'Open - Not Contacted',
			'CreatedDate', '2026-05-01', 'SystemModstamp', '2026-05-01') || more)).*
		from crm."Lead" l where l."Id" = (select min(k.raw_key) from handoff.lead k join handoff.handoff h using (lead_key));
		insert into crm."Task" select (jsonb_populate_record(t, jsonb_build_object('Id', 'task of ' || id, 'WhoId', id, 'CompletedDateTime', '2026-05-01',
			'CreatedDate', '2026-05-01', 'SystemModstamp', '2026-05-01'))).*
		from crm."Task" t where t."Id" = (select min(f."Id") from crm."Task" f where f."Page__c" like '/demo%')
	$$;
	select handoff.set_capacity(rep, 0) from handoff.rep;
	select asks('nobody', '{}'), asks('closed', '{}'), asks('blocked', '{"Company": null}'), asks('gated', '{"HasOptedOutOfEmail": true}'), asks('missed', '{"HasOptedOutOfEmail": true}');
	insert into crm."Opportunity" select (jsonb_populate_record(o, '{"Id": "deal", "CreatedDate": "2026-05-01 06:00", "SystemModstamp": "2026-05-01 06:00"}')).* from crm."Opportunity" o order by o."Id" limit 1;
	insert into crm."OpportunityContactRole" select (jsonb_populate_record(r, '{"Id": "role", "OpportunityId": "deal", "ContactId": "missed"}')).* from crm."OpportunityContactRole" r limit 1;));
$node->safe_psql('demo', qq(select handoff.tick('2026-05-01 0$_:00'))) foreach 1, 2, 7;
$node->safe_psql('demo', q(
	-- the CRM says that one is closed, without the work that that needs
	update crm."Lead" set "Status" = 'Closed - Not Converted', "SystemModstamp" = '2026-05-01 08:00' where "Id" = 'closed';
	select handoff.tick('2026-05-01 08:00');
	select handoff.forget((select lead_key from handoff.lead where stage = 'lead' and deleted_at is null order by 1 limit 1), p_now => '2026-05-01 09:00');
	alter database demo set lead_handoff.view_time = '2026-05-05 12:00+00';));
is($node->safe_psql('demo', q(select severity, what from handoff.doctor() where severity = 'error')), '', 'the doctor is content');

# What they should see ------------------------------------------------------------------------------------------

$node->safe_psql('demo', q(
	create function as_lines(view text) returns setof text language plpgsql as $$
	begin
		return query execute (
			select format('select array_to_string(array[''row'', %L, %s], e''\t'') from (select * from handoff.%I v order by v::text collate "C" limit 20) v', view,
				string_agg(format('coalesce(replace(replace(replace(%s, ''\'', ''\\''), e''\t'', ''\t''), e''\n'', ''\n''), ''\N'')', case atttypid::regtype::text
					when 'numeric' then format('trim_scale(%I)::text', attname)
					when 'timestamp with time zone' then format('to_char(%I at time zone ''UTC'', ''YYYY-MM-DD HH24:MI:SS.US'')', attname)
					else format('%I::text', attname) end), ', ' order by attnum), view)
			from pg_attribute where attrelid = format('handoff.%I', view)::regclass and attnum > 0);
	end $$;));
my %views;
foreach (split(/\n/, $node->safe_psql('demo', q(
	select relname, relname = any (handoff.reader_views()), obj_description(oid, 'pg_class') from pg_class
	where relnamespace = 'handoff'::regnamespace and relkind = 'v'))))
{
	my ($view, $reader, $comment) = split(/\|/, $_, 3);

	$views{$view} = { reader => $reader eq 't', comment => $comment, columns => [], rows => [] } unless grep { $_ eq $view } @others;
}
my $list = join(', ', map { "'$_'" } keys %views);
foreach (split(/\n/, $node->safe_psql('demo', qq(
	select relname, attnum, attname, typname, attnotnull, col_description(attrelid, attnum)
	from pg_attribute a join pg_class c on c.oid = attrelid join pg_type t on t.oid = atttypid
	where c.relnamespace = 'handoff'::regnamespace and c.relname in ($list) and attnum > 0 order by relname, attnum))))
{
	my ($view, $number, $name, $type, $notnull, $comment) = split(/\|/, $_, 6);

	push @{ $views{$view}{columns} }, { number => $number, name => $name, type => $type, null => $notnull eq 't' ? 'not null' : 'null', comment => $comment };
}
push @{ $views{ (split(/\t/))[1] }{rows} }, $_ foreach split(/\n/, $node->safe_psql('demo', "select as_lines(v) from unnest(array[$list]) v"));
my @reader = sort grep { $views{$_}{reader} } keys %views;
is(join(' ', @reader), $node->safe_psql('demo', q(select string_agg(v, ' ' order by v collate "C") from unnest(handoff.reader_views()) v)), 'all views that readers may read are looked at');
is($node->safe_psql('demo', qq(
	select string_agg(distinct relname, ' ') from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 join pg_type t on t.oid = atttypid
	where c.relnamespace = 'handoff'::regnamespace and c.relkind = 'v' and t.typname not in ('${\join(q(', '), keys %jdbc)}'))), "@others", 'views for programs, and no others, have types that drivers know little of');
is(join(' ', sort grep { !@{ $views{$_}{rows} } } keys %views), join(' ', @may_be_empty), 'and all have rows, but those that are empty while all is well');
is($node->safe_psql('demo', q(
	select string_agg(format('select %L where exists (select from handoff.%I where not isfinite(%I))', relname || '.' || attname, relname, attname), ' union all ')
	from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and a.atttypid in ('timestamptz'::regtype, 'date'::regtype)
	where c.relnamespace = 'handoff'::regnamespace and c.relkind = 'v' \gexec)), '', 'no time is infinite: few drivers could say so');

# What they see -------------------------------------------------------------------------------------------------

# The lines of a program, by view and by what they are about.
sub look
{
	my ($role, $command, @views) = @_;
	my ($out, $err) = run_command([ @$command, '127.0.0.1', $node->port, 'demo', $role, $password, @views ]);
	my %seen;

	diag($err) if $err ne '';
	foreach (split(/\n/, $out))
	{
		my ($what, $view) = split(/\t/);

		push @{ $seen{$view}{$what} }, $_;
	}
	return \%seen;
}

# A driver that says nothing of it unless there is a value has nothing to say where all are null.
sub class
{
	my ($got, $column, $types) = @_;
	my $i = $column->{number} + 1;
	my $all_null = !grep { (split(/\t/, $_, -1))[$i] ne '\N' } @{ $got->{row} // [] };

	return $all_null && $got->{value}[ $i - 2 ] =~ /\t$/ ? '' : $types->{ $column->{type} }[1];
}

sub test_driver
{
	my ($driver, $command, $types) = @_;

	foreach my $role (qw(tool analyst))
	{
		my @views = grep { $views{$_}{reader} == ($role eq 'tool') } sort keys %views;
		my $seen = look($role, $command, @views);
		# psqlODBC 13 has no remarks; the others must have them
		my $tells = $driver ne 'psqlODBC' || grep { (split(/\t/))[2] } map { @{ $_->{view} // [] } } values %$seen;

		foreach my $view (@views)
		{
			my ($columns, $got) = ($views{$view}{columns}, $seen->{$view} // {});

			is_deeply(
				$got,
				{
					view => [ join("\t", 'view', $view, $tells ? $views{$view}{comment} : '') ],
					column => [ map { join("\t", 'column', $view, $_->{number}, $_->{name}, $types->{ $_->{type} }[0], $_->{null}, $tells ? $_->{comment} : '') } @$columns ],
					value => [ map { join("\t", 'value', $view, $_->{name}, class($got, $_, $types)) } @$columns ],
					@{ $views{$view}{rows} } ? (row => $views{$view}{rows}) : ()
				},
				"$driver: $view");
		}
	}
	return;
}

my $java = PostgreSQL::Test::Utils::tempdir();
my ($javac) = grep { system("$_ -version >/dev/null 2>&1") == 0 } qw(javac ecj);
SKIP:
{
	my $jar = '/usr/share/java/postgresql.jar';

	skip('pgJDBC: no Java, no compiler of it or no ' . $jar, 1) unless defined $javac && -e $jar && system('command -v java >/dev/null') == 0;
	system_or_bail($javac, ($javac eq 'ecj' ? ('-11') : ()), '-proc:none', '-d', $java, "$programs/Views.java");
	test_driver('pgJDBC', [ 'java', '-Xshare:auto', '-XX:TieredStopAtLevel=1', '-cp', "$java:$jar", 'Views' ], \%jdbc);
}
SKIP:
{
	skip('psqlODBC: no python3-pyodbc or no odbc-postgresql', 1)
		unless system(q(python3 -c 'import pyodbc, sys; sys.exit("PostgreSQL Unicode" not in pyodbc.drivers())' 2>/dev/null)) == 0;
	test_driver('psqlODBC', [ 'python3', "$programs/views_odbc.py" ], \%odbc);
}
SKIP:
{
	skip('SQLAlchemy: no python3-sqlalchemy or no python3-psycopg2', 1) unless system(q(python3 -c 'import sqlalchemy, psycopg2' 2>/dev/null)) == 0;
	test_driver('SQLAlchemy', [ 'python3', "$programs/views_sqlalchemy.py" ], \%sqlalchemy);
}
$node->stop;
done_testing();
