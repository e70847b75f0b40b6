# test/stress/70-outbox.pl: a minute of 16 writers and three readers, one of whom loses his client again and again: what lib/Outbox.pm asks.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Outbox;

Outbox::run(int(60 * ($ENV{LH_STRESS_SCALE} // 1)) || 2);
