/*
 * src/route/account_match.h
 *
 * Which account is this lead's, if its CRM names none: the pure part.  What leads and accounts have in common
 * are keys ("domain acme.com", "name acme"); match.c finds the accounts that have a lead's, lh_match() chooses.
 */
#ifndef LH_ACCOUNT_MATCH_H
#define LH_ACCOUNT_MATCH_H

#include "lead_handoff.h"
#include "route/company_name.h"
#include "rules/fields.h"
#include "utils/jsonb.h"

/* Name keys that have this share of their three-letter pieces in common are close. */
#define LH_CLOSE_NAME	0.5

/* Beginnings of keys: of what kind they are. */
#define LH_KEY_DOMAIN	"domain "
#define LH_KEY_NAME		"name "
#define LH_KEY_PHONE	"phone "
#define LH_KEY_POSTAL	"postal "
#define LH_KEY_LISTED	"listed "	/* a domain of the account's that is free mail or disposable: matches nobody */

/* What a lead is looked for by; NULL: it doesn't say. */
typedef struct LhMatchKeys
{
	char	   *email_domain;
	char	   *web_domain;		/* another than that of the address */
	char	   *name;
	char	   *phone;
	char	   *postal;
} LhMatchKeys;

#define LH_MAX_MATCH_KEYS	5

extern LhMatchKeys lh_match_keys(const LhFields *row);
extern int	lh_match_key_list(const LhMatchKeys *keys, char **list);	/* those that there are; how many */
extern bool lh_matches_alone(const char *key);	/* of a kind that makes a match without a close name */

/* A text field's value; NULL: there is no such field, it is no text, or it has no value. */
extern char *lh_match_text(const LhFields *row, const char *field);

/* Keys that a telephone number and a postal code give; NULL: too short to tell anything. */
extern char *lh_phone_key(const char *phone);
extern char *lh_postal_key(const char *postal_code);

/* Is a domain that is listed as free mail an account's own: does the name begin with what the domain is called? */
extern bool lh_is_named_after(const char *domain, const char *name_key);

/* An account that has one of the keys. */
typedef struct LhMatchAccount
{
	char	   *account_key;
	char	   *name_key;		/* NULL: it has none */
	LhTrigrams *name;			/* of it, once asked for */
	bool		named;
	bool		owned;
	TimestampTz created_at;		/* DT_NOEND: not known */
} LhMatchAccount;

/* That it has this key; in order of key, then account_key. */
typedef struct LhMatchHit
{
	char	   *key;
	LhMatchAccount *account;
} LhMatchHit;

typedef struct LhMatch
{
	LhMatchAccount *account;	/* NULL: none */
	const char *method;			/* email_domain, web_domain, name, close_name */
	const char *by;				/* the domain or name that it was found by */
	const char *why;			/* this one: only, narrowed, named, owned, oldest, first */
	bool		settled;		/* a step gave exactly one: no other account can change that */
	int			ncandidates;	/* of the step that it is one of */
	LhMatchAccount **candidates;	/* the chosen one first, then by the same preference */
} LhMatch;

extern LhMatch lh_match(const LhMatchKeys *keys, const LhMatchHit *hits, int nhits);

/* What is kept of it, and logged; NULL: there is none. */
extern Jsonb *lh_match_detail(const LhMatch *match);

#endif							/* LH_ACCOUNT_MATCH_H */
