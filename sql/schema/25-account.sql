-- sql/schema/25-account.sql: the companies that leads belong to, as the CRM has them, and what leads are
-- matched to them by.

create table handoff.account (
    account_key text primary key,
    source      text not null,
    raw_key     text not null,
    fields      jsonb not null,
    version     timestamptz,
    seen_at     timestamptz not null,
    deleted_at  timestamptz,
    name_key    text
);
create index account_source on handoff.account (source, raw_key);
comment on table handoff.account is 'One row an account, as its source has it now.';
comment on column handoff.account.account_key is 'Key of its row, with the source''s key prefix; what handoff.lead.account_key names.';
comment on column handoff.account.source is 'handoff.source.name it came from.';
comment on column handoff.account.raw_key is 'Key of the row in that source.';
comment on column handoff.account.fields is 'Its fields: name, domain, domains, owner, named, tier, customer, created_at and those the contract declares for accounts; a NULL field is absent. A lead has them as account.x.';
comment on column handoff.account.version is 'Version time of the row, if one is mapped. Older rows are ignored.';
comment on column handoff.account.seen_at is 'When it was first captured (clock time).';
comment on column handoff.account.deleted_at is 'When its row was found gone; NULL: it is there.';
comment on column handoff.account.name_key is 'handoff.company_name_key() of its name; NULL: it has none.';

create table handoff.account_match_key (
    key         text collate "C" not null,
    account_key text not null,
    primary key (key, account_key)
);
create index account_match_key_account on handoff.account_match_key (account_key);
comment on table handoff.account_match_key is 'What leads without an account of their own are matched by: a row an account and key. Written by the drain from handoff.account, account_domain and mail_domain.';
comment on column handoff.account_match_key.key is 'domain, name, phone or postal, a space, and the registrable domain, company name key, last 9 digits, or postal code in lower case without what is no letter or digit; listed and a domain: one that is free mail or disposable, which matches nobody.';
comment on column handoff.account_match_key.account_key is 'Account that has it; deleted ones have none.';

create table handoff.account_domain (
    account_key text not null,
    domain      text not null,
    owns        boolean not null default true,
    note        text,
    primary key (account_key, domain)
);
comment on table handoff.account_domain is 'Domains of accounts that the CRM does not know, or has wrong: filled by hand or by COPY. Changes queue the account, and the leads that they concern.';
comment on column handoff.account_domain.account_key is 'handoff.account.account_key; may come before the account.';
comment on column handoff.account_domain.domain is 'Domain, e-mail address or URL; kept as the registrable domain. Error 22023: it has none.';
comment on column handoff.account_domain.owns is 'true: leads with an address there are its, even if the domain is free mail or disposable. false: they are not, whatever the CRM says.';
comment on column handoff.account_domain.note is 'Whatever is to be remembered.';
create trigger keep_registrable before insert or update of domain on handoff.account_domain
    for each row execute function handoff.keep_registrable();
create trigger queue_accounts_inserted after insert on handoff.account_domain
    referencing new table as changed for each statement execute function handoff.queue_accounts();
create trigger queue_accounts_deleted after delete on handoff.account_domain
    referencing old table as changed for each statement execute function handoff.queue_accounts();
create trigger queue_accounts_old after update on handoff.account_domain
    referencing old table as changed for each statement execute function handoff.queue_accounts();
create trigger queue_accounts_new after update on handoff.account_domain
    referencing new table as changed for each statement execute function handoff.queue_accounts();

create table handoff.mail_domain (
    domain text primary key check (domain = lower(domain)),
    kind   text not null check (kind in ('free', 'disposable'))
);
comment on table handoff.mail_domain is 'Domains at which anybody can have an address: no account is matched by them, unless it is called like the domain or account_domain says that it owns it. The best-known providers are here from the start; add to it by COPY or INSERT.';
comment on column handoff.mail_domain.domain is 'Registrable domain, in lower case.';
comment on column handoff.mail_domain.kind is 'free: free mail; disposable: addresses to be thrown away.';
insert into handoff.mail_domain (domain, kind)
select d.domain, k.kind
from (values
    ('free', 'gmail.com googlemail.com yahoo.com ymail.com rocketmail.com myyahoo.com yahoo.co.uk yahoo.co.in yahoo.co.jp yahoo.co.id yahoo.de yahoo.fr '
             'yahoo.it yahoo.es yahoo.ca yahoo.in yahoo.com.br yahoo.com.ar yahoo.com.mx yahoo.com.au yahoo.com.ph yahoo.com.vn outlook.com outlook.de '
             'outlook.fr outlook.es outlook.it outlook.jp outlook.com.br hotmail.com hotmail.co.uk hotmail.de hotmail.fr hotmail.it hotmail.es hotmail.com.br '
             'live.com live.co.uk live.de live.fr live.nl live.it live.se live.ca live.com.mx live.com.au msn.com passport.com aol.com aol.de aol.co.uk aim.com '
             'icloud.com me.com mac.com proton.me protonmail.com protonmail.ch pm.me tutanota.com tutanota.de tuta.io tuta.com gmx.com gmx.net gmx.de gmx.at '
             'gmx.ch gmx.fr gmx.es gmx.co.uk web.de freenet.de t-online.de arcor.de 1und1.de online.de posteo.de posteo.net mailbox.org mail.de email.de '
             'mail.com email.com usa.com europe.com post.com consultant.com engineer.com zoho.com zohomail.com zohomail.eu fastmail.com fastmail.fm hushmail.com '
             'hey.com inbox.com mail.ru inbox.ru bk.ru list.ru internet.ru yandex.ru yandex.com ya.ru rambler.ru ukr.net i.ua meta.ua wp.pl o2.pl onet.pl onet.eu '
             'interia.pl gazeta.pl seznam.cz email.cz centrum.cz volny.cz azet.sk zoznam.sk freemail.hu citromail.hu abv.bg mail.bg libero.it virgilio.it '
             'tiscali.it alice.it tin.it fastwebnet.it orange.fr wanadoo.fr free.fr laposte.net sfr.fr neuf.fr bbox.fr numericable.fr bluewin.ch hispeed.ch chello.at aon.at '
             'telenet.be skynet.be proximus.be ziggo.nl kpnmail.nl planet.nl home.nl hetnet.nl xs4all.nl upcmail.nl sapo.pt clix.pt iol.pt telia.com bredband.net '
             'spray.se online.no luukku.com suomi24.fi btinternet.com btopenworld.com sky.com talktalk.net virginmedia.com ntlworld.com blueyonder.co.uk tiscali.co.uk '
             'eircom.net comcast.net verizon.net att.net sbcglobal.net bellsouth.net cox.net charter.net earthlink.net juno.com netzero.net optonline.net roadrunner.com '
             'windstream.net centurylink.net frontiernet.net rogers.com shaw.ca sympatico.ca telus.net videotron.ca bigpond.com bigpond.net.au optusnet.com.au '
             'iinet.net.au xtra.co.nz uol.com.br bol.com.br terra.com.br ig.com.br globo.com r7.com prodigy.net.mx qq.com foxmail.com 163.com 126.com yeah.net sina.com sina.cn '
             'sohu.com tom.com 139.com 189.cn 21cn.com aliyun.com naver.com hanmail.net daum.net nate.com kakao.com docomo.ne.jp ezweb.ne.jp softbank.ne.jp nifty.com '
             'rediffmail.com sify.com indiatimes.com walla.co.il walla.com bezeqint.net netvision.net.il mynet.com superonline.com mweb.co.za telkomsa.net webmail.co.za'),
    ('disposable', 'mailinator.com guerrillamail.com guerrillamail.net guerrillamail.org guerrillamail.biz sharklasers.com grr.la 10minutemail.com 10minutemail.net '
             'temp-mail.org tempmail.com tempmail.net tempmailo.com tempr.email throwawaymail.com trashmail.com trashmail.de trash-mail.com yopmail.com yopmail.fr yopmail.net '
             'getnada.com nada.email dispostable.com maildrop.cc mailnesia.com mailcatch.com mintemail.com mohmal.com moakt.com fakeinbox.com fakemail.net getairmail.com '
             'spamgourmet.com spam4.me mytemp.email emailondeck.com burnermail.io discard.email mailsac.com inboxkitten.com wegwerfmail.de byom.de spambog.com '
             'jetable.org mailexpire.com tempinbox.com incognitomail.com harakirimail.com 33mail.com anonbox.net deadaddress.com mailforspam.com')
) as k (kind, domains)
cross join lateral regexp_split_to_table(k.domains, ' +') as d (domain);
create trigger queue_listed_inserted after insert on handoff.mail_domain
    referencing new table as changed for each statement execute function handoff.queue_listed();
create trigger queue_listed_deleted after delete on handoff.mail_domain
    referencing old table as changed for each statement execute function handoff.queue_listed();
create trigger queue_listed_old after update on handoff.mail_domain
    referencing old table as changed for each statement execute function handoff.queue_listed();
create trigger queue_listed_new after update on handoff.mail_domain
    referencing new table as changed for each statement execute function handoff.queue_listed();
create trigger queue_listed_truncated after truncate on handoff.mail_domain
    for each statement execute function handoff.queue_listed();
