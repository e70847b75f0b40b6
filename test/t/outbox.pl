# test/t/outbox.pl: messages are heard once and in order while writers commit and roll back, and twice only where a client has died: a few
# seconds of what test/stress/70-outbox.pl does for a minute; see test/stress/lib/Outbox.pm.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin, "$FindBin::RealBin/../stress/lib";
use LeadHandoff;
use Outbox;
use Test::More;

my $node = start_node('outbox');

$node->safe_psql('postgres', 'create extension lead_handoff');
local @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER)} = ($node->host, $node->port, 'postgres', scalar getpwuid $<);
$Stress::judge = sub { my ($good, $what, $why) = @_; ok($good, $what) or diag($why // ''); return $good; };
Outbox::run(3);
$node->stop;
done_testing();
