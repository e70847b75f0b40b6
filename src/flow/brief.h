/*
 * src/flow/brief.h
 *
 * The brief: what a rep needs to act on a lead without opening anything.
 */
#ifndef LH_BRIEF_H
#define LH_BRIEF_H

#include "flow/lead.h"
#include "json.h"

/* Who has a lead, as a message names and reaches him. */
typedef struct LhContact
{
	char	   *rep;
	char	   *name;
	char	   *email;			/* NULL: none */
	char	   *chat_id;		/* NULL: none */
	char	   *zone;			/* NULL: the contract's */
} LhContact;

/* What a source's leads are called in the CRM. */
typedef struct LhLink
{
	const char *source;
	char	   *pattern;		/* NULL: nowhere */
} LhLink;

/* What briefs say besides the leads' state: begun with {0}, told of all of them, read at once. */
typedef struct LhBriefs
{
	List	   *reps;			/* of char *, asked for */
	int			ncontacts;
	LhContact  *contacts;		/* by rep */
	List	   *links;			/* of LhLink * */
} LhBriefs;

extern void lh_briefs_ask(LhBriefs *briefs, const LhLead *lead, const LhHandoff *h);	/* NULL: of no handoff */
extern void lh_briefs_read(LhBriefs *briefs);

/* Add it to a document that has been begun. */
extern void lh_brief_add(const LhBriefs *briefs, LhJson *json, const LhContract *contract, const LhLead *lead,
						 const LhInput *input, const LhHandoff *h);

#endif							/* LH_BRIEF_H */
