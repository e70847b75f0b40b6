# test/t/messages.pl: every message that the scenarios of test/pgtap make is a CloudEvent, and what it says is as its JSON
# Schema in docs/schemas has it.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use PostgreSQL::Test::Utils;
use Test::More;

my $python = '/usr/bin/python3';
plan skip_all => 'module jsonschema of python is not there (package python3-jsonschema)'
  if system("$python -c 'import jsonschema' 2>/dev/null") != 0;

my $node = start_node('messages');
plan skip_all => 'pgTAP is not there' if $node->safe_psql('postgres', q(select count(*) from pg_available_extensions where name = 'pgtap')) eq '0';
my $tmp = PostgreSQL::Test::Utils::tempdir();
my $schemas = "$FindBin::RealBin/../../docs/schemas";

# reads documents, one a line; writes "type count", and what is wrong
my $validate = <<'PY';
import json, os, sys
from jsonschema import Draft7Validator, FormatChecker

def load(name):
    with open(os.path.join(sys.argv[1], name + '.json')) as f: schema = json.load(f)
    Draft7Validator.check_schema(schema)
    assert schema['$id'] == 'urn:lead-handoff:%s:v1' % name, name
    return Draft7Validator(schema, format_checker=FormatChecker())
envelope, known, count = load('cloudevent'), {}, {}
for line in open(sys.argv[2]):
    event = json.loads(line)
    name = event['dataschema'].split(':')[2]
    if name not in known: known[name] = load(name)
    count[name] = count.get(name, 0) + 1
    for error in list(envelope.iter_errors(event)) + list(known[name].iter_errors(event['data'])):
        print('wrong: %s %s: %s' % (name, '/'.join(map(str, error.path)), error.message[:200]))
for name in sorted(count): print(name)
PY
open(my $script, '>', "$tmp/validate.py") or die;
print $script $validate;
close $script;

my %seen;
foreach my $scenario (qw(work escalate person crm_status sla dispose undispose blocked message forget))
{
	# of a lead that was forgotten only the key is left in what was said of it before; the scenario also breaks one by hand
	my $path = "$FindBin::RealBin/../pgtap/$scenario.sql";
	my $sql = do { local $/; open(my $file, '<', $path) or die "$path: $!"; <$file> };
	my $events = "$tmp/$scenario.json";

	$sql =~ s/\nrollback;\s*$//;
	$sql .= qq(\n\\pset format unaligned\n\\pset tuples_only on\n\\o $events\nupdate handoff.outbox set payload = payload - 'fields' where type = 'lead.forgotten' and payload -> 'fields' = '{}';
		select event from handoff.outbox_cloudevents where data ?| array['fields', 'messages'];
		update handoff.delivery set visible_at = clock_timestamp() where digest_for is not null;
		select handoff.cloudevent(l.id, l.type, l.lead_key, l.created_at, l.payload, l.sequence, l.expires_at)
		from (select distinct destination from handoff.subscription) s, handoff.lease(s.destination, 1000) l;\n\\o\nrollback;\n);
	$node->safe_psql('postgres', "create database $scenario");
	$node->safe_psql($scenario, 'create extension pgtap; create extension lead_handoff');
	my (undef, $out) = $node->psql($scenario, $sql);
	cmp_ok(-s $events // 0, '>', 0, "$scenario has messages");
	my @answer = split /\n/, `$python $tmp/validate.py $schemas $events 2>&1`;
	is_deeply([ grep { /wrong|Error/ } @answer ], [], "$scenario: they are as their schemas have them");
	$seen{$_}++ foreach @answer;
}
my @types = map { m{([^/]+)\.json$} } glob("$schemas/*.json");
is_deeply([ grep { !$seen{$_} } grep { $_ ne 'cloudevent' } @types ], [], 'there was one of every type');
$node->stop('immediate');
done_testing();
