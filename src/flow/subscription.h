/*
 * src/flow/subscription.h
 *
 * Who hears of what: subscriptions, read once a batch.
 */
#ifndef LH_SUBSCRIPTION_H
#define LH_SUBSCRIPTION_H

#include "flow/decide.h"
#include "rules/criteria.h"

typedef struct LhSubscription
{
	char	   *destination;
	char	   *pattern;
	Criteria   *criteria;		/* NULL: all leads */
	TimestampTz digest_due;		/* when its digest is sent; LH_NOT_YET: each message goes alone */
	List	   *bound;			/* of Bound *: its criteria under the contracts met so far */
} LhSubscription;

typedef struct LhSubscriptions
{
	int			n;
	LhSubscription *rows;		/* by destination */
} LhSubscriptions;

/* A message to be delivered. */
typedef struct LhDelivery
{
	const char *destination;
	TimestampTz digest_due;		/* LH_NOT_YET: it goes alone */
} LhDelivery;

extern void lh_subscriptions_read(LhSubscriptions *all);

/* To whom a message goes: each destination once.  Returns how many; deliveries has room for all->n. */
extern int	lh_subscriptions_match(LhSubscriptions *all, const char *type, const LhContract *contract,
								   const LhLead *lead, TimestampTz now, LhDelivery *deliveries);

#endif							/* LH_SUBSCRIPTION_H */
