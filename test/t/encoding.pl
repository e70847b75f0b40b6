# test/t/encoding.pl: names and domains mean the same in databases of other encodings, and bytes that are no text
# harm nobody.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use Test::More;

my $node = start_node('main');

sub answer
{
	my ($encoding, $sql) = @_;

	return $node->safe_psql($encoding, $sql);
}

for my $encoding ('latin1', 'euc_jp', 'sql_ascii', 'utf8')
{
	$node->safe_psql('postgres', "create database $encoding encoding '$encoding' locale 'C' template template0");
	$node->safe_psql($encoding, 'create extension lead_handoff');
	is(answer($encoding, q(select handoff.company_name_key('The ACME & Sons, Inc.'), handoff.registrable_domain('Jane <jane@Mail.Acme.CO.UK>'))),
		'acme sons|acme.co.uk', "$encoding: plain letters");
}
is(answer('latin1', q(select handoff.company_name_key(U&'M\00FCller & S\00F6hne \00BD \00AA GmbH'), handoff.registrable_domain(U&'M\00DCLLER.de'), handoff.company_name_similarity(U&'M\00FCller', 'Muller'))),
	'muller sohne 1 2 a|xn--mller-kva.de|1', 'latin1: accents');
is(answer('euc_jp', q(set client_encoding = 'UTF8'; select handoff.company_name_key(U&'\682A\5F0F\4F1A\793E\65E5\7ACB') = U&'\65E5\7ACB', handoff.company_name_key(U&'\30AC\30BA') = U&'\30AC\30BA', handoff.registrable_domain(U&'\65E5\7ACB.jp'))),
	't|t|xn--wgv287b.jp', 'euc_jp: a legal form, voiced syllables, a domain');
is(answer('sql_ascii', q(select handoff.company_name_key(E'M\xc3\xbcller GmbH'), handoff.registrable_domain(E'm\xc3\xbcller.de'))),
	'muller|xn--mller-kva.de', 'sql_ascii: what is UTF-8 counts as that');
is(answer('sql_ascii', q(select handoff.company_name_key(E'M\xfcller GmbH'), handoff.registrable_domain(E'm\xfcller.de') is null)),
	'm ller|t', 'sql_ascii: what is no text separates words, and makes no domain');

$node->stop;
done_testing();
