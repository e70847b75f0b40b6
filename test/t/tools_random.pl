# test/t/tools_random.pl: what no tool does in this order, perhaps. Transactions of random statements of all kinds,
# beside a model of what the tables then hold: after each, we must know just that, and what changes nothing in it
# may add no event.
#
# LH_SEED=.. repeats a run, LH_STEPS=.. makes it longer.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use SyncTool;
use Test::More;

my $seed = $ENV{LH_SEED} // 20261129;
my $nsteps = $ENV{LH_STEPS} // 25;

srand($seed);
diag("LH_SEED=$seed") if $ENV{LH_SEED} || $ENV{LH_STEPS};
start_tools();

# The model: lead => [ email, employees, gone ], task => [ lead, at ]; undef is null.
my (%lead, %task, $names, $wide);

sub any { return $_[ int(rand(@_)) ] }
sub some { my ($n, @of) = @_; my @all = sort { rand() <=> 0.5 } @of; return @all[ 0 .. ($n > @all ? $#all : $n - 1) ] }
sub quoted { my ($v) = @_; return 'null' unless defined $v; return "'" . $v =~ s/'/''/gr . "'" }
sub new_name { return any('', 'Ä', q('), '"', '\\\\', ' ', 'k') . ++$names }
# no two leads of one address: they would be one person
my $addresses = 0;
sub any_lead { my $n = ++$addresses; return [ any(undef, '', "a$n\@x", "B$n\@X", "o'x$n\@x"), any(undef, 0, 5, 99, 100, 500), any(0, 0, 0, 1) ] }
sub any_task { return [ any(undef, 'nobody', (sort keys %lead)[ 0 .. 3 ]), any(undef, map { "2026-01-0$_ 00:00:00+00" } 1 .. 5) ] }

sub lead_row { my ($id) = @_; my $l = $lead{$id}; return '(' . join(', ', quoted($id), quoted($l->[0]), quoted($l->[1]), $l->[2] ? 'true' : 'false', quoted(any(undef, 'n'))) . ')' }
sub task_row { my ($id) = @_; my $t = $task{$id}; return '(' . join(', ', quoted($id), quoted($t->[0]), quoted($t->[1])) . ", 'call')" }
sub rows { my ($row, @ids) = @_; return join(', ', map { $row->($_) } @ids) }
sub list { return join(', ', map { quoted($_) } @_) }

my $columns = '(id, email, employees, gone, note)';
sub insert_leads { my ($into, @ids) = @_; return @ids == 0 ? '' : "insert into $into $columns select id, email, employees::" . ($wide || 'bigint')
	. ', gone::boolean, note from (values ' . rows(\&lead_row, @ids) . ") v $columns;" }
sub insert_tasks { return @_ == 0 ? '' : 'insert into crm.task select id, who, at::timestamptz, kind from (values ' . rows(\&task_row, @_) . ') v (id, who, at, kind);' }

sub add_leads { my @new = map { new_name() } 1 .. 10 - keys %lead; @new = some(1 + int(rand(3)), @new); $lead{$_} = any_lead() foreach @new; return @new }
sub change { my ($of, $any, @ids) = @_; $of->{$_} = $any->() foreach @ids; return @ids }
sub leads { my ($n) = @_; return some(1 + int(rand($n)), sort keys %lead) }
sub tasks { my ($n) = @_; return some(1 + int(rand($n)), sort keys %task) }

# A staging table with these leads, and what is done with it.
sub staged { my ($then, @ids) = @_; return @ids == 0 ? '' : "create temp table stage (like crm.lead);" . insert_leads('stage', @ids) . "$then; drop table stage;" }
sub fresh { my ($name) = @_; return "create table $name (like crm.lead including all);" . insert_leads($name, sort keys %lead) }
my $assign = 'email = s.email, employees = s.employees, gone = s.gone, note = s.note';

my %statement = (
	insert => sub { return insert_leads('crm.lead', add_leads()) },
	update => sub { return staged("update crm.lead t set $assign from stage s where s.id = t.id", change(\%lead, \&any_lead, leads(3))) },
	'same values' => sub { return 'update crm.lead set email = email, employees = employees, gone = gone;' },
	'unmapped' => sub { return "update crm.lead set note = " . quoted(any(undef, 'x', 'y')) . ';' },
	delete => sub { my @ids = leads(2); delete @lead{@ids}; return @ids ? 'delete from crm.lead where id in (' . list(@ids) . ');' : '' },
	'delete and insert' => sub { my @ids = leads(5); my $sql = @ids ? 'delete from crm.lead where id in (' . list(@ids) . ');' : '';
		change(\%lead, \&any_lead, @ids) if rand() < 0.5; return $sql . insert_leads('crm.lead', @ids) },
	'insert and delete' => sub { my $id = new_name(); $lead{$id} = any_lead(); my $sql = insert_leads('crm.lead', $id); delete $lead{$id}; return "${sql}delete from crm.lead where id = " . quoted($id) . ';' },
	merge => sub { my @ids = (change(\%lead, \&any_lead, leads(2)), add_leads());
		return staged("merge into crm.lead t using stage s on s.id = t.id when matched then update set $assign when not matched then insert $columns values (s.id, s.email, s.employees, s.gone, s.note)", @ids) },
	upsert => sub { my @ids = (change(\%lead, \&any_lead, leads(2)), add_leads());
		return staged("insert into crm.lead $columns select id, email, employees, gone, note from stage on conflict (id) do update set email = excluded.email, employees = excluded.employees, gone = excluded.gone, note = excluded.note", @ids) },
	'another key' => sub { my ($id) = leads(1) or return ''; my $to = new_name(); $lead{$to} = delete $lead{$id}; return 'update crm.lead set id = ' . quoted($to) . ' where id = ' . quoted($id) . ';' },
	'contents exchanged' => sub { my ($one, $two) = some(2, sort keys %lead); return '' unless defined $two; (@{ $lead{$one} }[ 1, 2 ], @{ $lead{$two} }[ 1, 2 ]) = (@{ $lead{$two} }[ 1, 2 ], @{ $lead{$one} }[ 1, 2 ]);
		return staged("update crm.lead t set $assign from stage s where s.id = t.id", $one, $two) },
	'truncate and insert' => sub { change(\%lead, \&any_lead, leads(2)) if rand() < 0.5; return 'truncate crm.lead;' . insert_leads('crm.lead', sort keys %lead) },
	'drop and rename' => sub { change(\%lead, \&any_lead, leads(2)) if rand() < 0.5; return fresh('crm.lead_new') . 'drop table crm.lead; alter table crm.lead_new rename to lead;' },
	'two renames' => sub { change(\%lead, \&any_lead, leads(2)) if rand() < 0.5; return fresh('crm.lead_new') . 'alter table crm.lead rename to lead_old; alter table crm.lead_new rename to lead; drop table crm.lead_old;' },
	'drop and set schema' => sub { delete @lead{ leads(1) } if rand() < 0.5; return fresh('staging.lead') . 'drop table crm.lead; alter table staging.lead set schema crm;' },
	'another type' => sub { $wide = any('numeric', 'text', 'bigint'); return "alter table crm.lead alter employees type $wide using employees::$wide;" },
	'a column away and back' => sub { return 'alter table crm.lead drop note; alter table crm.lead add note text;' },
	'rolled back' => sub { return q(savepoint s; update crm.lead set employees = '7'; delete from crm.lead; rollback to savepoint s;) },
	'released' => sub { my @ids = change(\%lead, \&any_lead, leads(2)); return 'savepoint s;' . staged("update crm.lead t set $assign from stage s where s.id = t.id", @ids) . 'release savepoint s;' },
	'tasks' => sub { my @new = map { ++$names } 1 .. 10 - keys %task; @new = some(2, @new); $task{$_} = any_task() foreach @new; return insert_tasks(@new) },
	'tasks deleted' => sub { my @ids = tasks(2); delete @task{@ids}; return @ids ? 'delete from crm.task where id in (' . list(@ids) . ');' : '' },
	'tasks changed' => sub { my @ids = tasks(3); return '' unless @ids; change(\%task, \&any_task, @ids);
		return join('', map { my $t = $task{$_}; "update crm.task set who = @{[ quoted($t->[0]) ]}, at = @{[ quoted($t->[1]) ]} where id = '$_';" } @ids) },
	'tasks again' => sub { my @ids = tasks(5); return @ids ? 'delete from crm.task where id in (' . list(@ids) . ');' . insert_tasks(@ids) : '' },
	'tasks reloaded' => sub { return 'truncate crm.task;' . insert_tasks(sort keys %task) });

sub transaction
{
	my ($done) = @_;
	my $sql = '';

	foreach (1 .. 1 + int(rand(4)))
	{
		my $name = any(sort keys %statement);

		push @$done, $name;
		$sql .= $statement{$name}->();
	}
	return (rand() < 0.2 ? q(begin; set local session_replication_role = 'replica';) : 'begin;') . $sql . 'commit;';
}

# What the model says, as a query.
sub query
{
	my ($types, @rows) = @_;

	return "select null::text, null::text, null::$types->[2] where false" unless @rows;
	return join(' union all ', map { my $row = $_; 'select ' . join(', ', map { quoted($row->[$_]) . "::$types->[$_]" } 0 .. 2) } @rows);
}

sub model
{
	my @leads = map { [ $_, @{ $lead{$_} }[ 0, 1 ] ] } grep { !$lead{$_}[2] } sort keys %lead;
	my @tasks = map { [ $_, @{ $task{$_} } ] } grep { defined $task{$_}[0] && defined $task{$_}[1] } sort keys %task;

	return (lead => query([qw(text text bigint)], @leads), activity => query([qw(text text timestamptz)], @tasks));
}

# Steps of a run: one transaction each, or several of which tick() sees the outcome only.
sub steps
{
	my ($most) = @_;
	my @steps;
	my %before;

	(%lead, %task, $wide) = ();
	%before = model();
	foreach my $n (1 .. $nsteps)
	{
		my @done;
		my $sql = join('', map { transaction(\@done) } 1 .. 1 + int(rand($most)));
		my %now = model();

		push @steps, { name => "$n. " . join(', ', @done), sql => $sql, any => 1, %now,
			quiet => $now{lead} eq $before{lead} && $now{activity} eq $before{activity} };
		%before = %now;
	}
	return \@steps;
}

my @tool = (
	schema => q(create schema staging;
		create table crm.lead (id text primary key, email text, employees bigint, gone boolean, note text);
		create table crm.task (id text primary key, who text, at timestamptz, kind text)),
	attach => [ q('crm.lead', 'lead', mapping => '{"email": "email", "employees": "employees", "deleted": "gone"}'),
		q('crm.task', 'activity', mapping => '{"lead_key": "who", "at": "at", "kind": "kind"}') ]);

sync_tool('a transaction, then tick()', @tool, modes => [ 'at commit' ], steps => steps(1));
sync_tool('a transaction, then tick(); the event trigger', @tool, modes => [ 'at commit' ], before => 'select handoff.watch_ddl();', steps => steps(1));
sync_tool('several transactions, then tick()', @tool, modes => [ 'by tick' ], steps => steps(5));
sync_tool('several transactions of REPEATABLE READ', @tool, modes => [ 'repeatable read' ], steps => steps(5));

done_testing();
