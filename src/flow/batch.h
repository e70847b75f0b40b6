/*
 * src/flow/batch.h
 *
 * A batch: keys that something happened to, the leads they belong to, and what is decided for them.
 *
 *		drain.c		claims items from the inbox, runs batches, retries and quarantines
 *		batch.c		the order of a batch: find leads, lock, read, decide, assign, apply
 *		absence.c	rows that are gone, for now or for good
 *		intake.c	what a row of each kind of source means: which leads, what is kept of it
 *		merge.c		leads that are one
 *		forget.c	people who are to be forgotten
 *		tombstone.c	.. and are not taken in again
 *		account.c	what leads know of their accounts
 *		version.c	which of two versions in force decides a lead
 *		match.c		which account a lead belongs to, if its CRM names none
 *		recipients.c	whom escalation tells, and what the sources know
 *		owner.c		who loses a handoff: to another owner in the CRM, or because he has left
 *		person.c	leads of one person
 *		assign.c	who gets the handoffs that seek an owner
 *		cadences.c	the cadence of handoffs
 *		apply.c		effects become rows; apply_handoff.c: those of handoffs
 */
#ifndef LH_BATCH_H
#define LH_BATCH_H

#include "flow/lead.h"
#include "flow/source.h"
#include "storage/itemptr.h"

/* A key that waits: all inbox rows of one (source, key), or a lead that tick() or the API names. */
typedef struct LhItem
{
	char	   *source;
	char	   *raw_key;
	bool		is_lead;		/* named by lead_key, no row of its source is read */
	bool		backfill;		/* only op B: it was there before the source was attached */
	bool		truncated;		/* op T: no key at all, its whole table is meant */
	bool		confirmed;		/* op X: if it is gone, it is deleted */
	bool		heard;			/* op H: somebody has heard of its assignment */
	TimestampTz at;				/* newest capture */
	int			ntids;
	ItemPointerData *tids;		/* its rows in the inbox */
	bool		clock_due[LH_NCLOCKS];	/* is_lead: which clocks tick() found due */
	bool		table_busy;		/* set by the batch: its table is locked, gone or no table */
	bool		done;			/* set by the batch: its inbox rows can go */

	char	   *lead_key;		/* that its row names, or that it is; NULL: none */
	int			nkeys;
	char	  **keys;			/* of all leads it concerns */
} LhItem;

/* A lead of the batch, locked by us. */
typedef struct LhBatchLead
{
	char	   *lead_key;
	bool		exists;			/* false: new, or not known yet */
	bool		decide;			/* false: only what belongs to it is kept, until it is known */
	bool		account_busy;	/* its account, or one that may be, is being written: it is queued again */
	LhLead		lead;
	LhSource   *source;
	const LhContract *in_force; /* that decides it as long as it has no open handoff */
	const LhContract *contract;	/* that decides it */
	LhInput		input;
	LhClock		clocks_before[LH_NCLOCKS];
	const char *person_to_be;	/* by its row; NULL: none, or it stays who it is */
	const char *person_before;	/* who it was; NULL: nobody, or it is new */
	const char *joined_before;	/* lead that held it as a duplicate; NULL: none did */
	bool		shares_person;	/* there are, or may be, other leads of who it is or becomes */
	LhEffects	effects;
	LhDecision	decision;
} LhBatchLead;

/* Items of one source: they are read together. */
typedef struct LhSourceItems
{
	LhSource   *source;
	int			n;
	LhItem	  **items;
	char	  **raw_keys;
} LhSourceItems;

/* A lead is another one. */
typedef struct LhMerge
{
	char	   *loser;
	char	   *survivor;
	int			item;			/* position in the group of the row that says so */
} LhMerge;

typedef struct LhBatch
{
	TimestampTz now;
	int			nitems;
	LhItem	  **items;
	bool		wait;			/* the API waits for its lead; the drain never does */
	List	   *sources;		/* of LhSource *, loaded in this batch */
	List	   *shared_persons; /* of char *: keys of persons with leads besides those decided here */
	struct LhPersons *persons;	/* what is known of them; NULL: there are none */
	int			nleads;
	LhBatchLead *leads;			/* by lead_key */
	const LhAction *action;		/* for all leads of the batch; NULL: none */
	const LhMerge *merge;		/* to be done by hand with the batch's two leads; NULL: none */
	bool		forgets;		/* all its leads, for good */
	const char *actor;			/* who does it */
	TimestampTz activity_at;	/* of an activity that the API has just written; 0: none */
	int64		decided;
	bool		users;			/* set by the batch: rows of CRM users were taken */
} LhBatch;

/*
 * Items whose lead or table is busy stay not done.  Everything is allocated in the current context;
 * SPI is connected.
 */
extern void lh_batch_run(LhBatch *batch);

/*
 * To be held, till the transaction ends, by whoever decides rows; publish() holds it alone, so that no
 * lead is decided by the old version once all were queued for the new one.  False: it does now.
 */
extern bool lh_lock_deciding(void);
extern LhBatchLead *lh_batch_lead(const LhBatch *batch, const char *lead_key);	/* NULL: not held */
extern bool lh_batch_holds(const LhBatch *batch, const LhItem *item);
extern bool lh_lock_stripe(const char *key);
extern bool lh_lock_stripe_shared(const char *key);
extern bool lh_lock_match_key(const char *key, bool alone);
extern void lh_wait_for_stripe(const char *key);
extern void lh_wait_to_forget(void);

/* intake.c */
extern void lh_find_leads(LhBatch *batch, LhSourceItems *group);
extern void lh_take_rows(LhBatch *batch, LhSourceItems *group);

/* merge.c */
extern void lh_merge_by_hand(LhBatch *batch);

/* absence.c: read the rows of a group; those that are gone for now leave the group. */
extern LhSourceRow *lh_read_group(LhBatch *batch, LhSourceItems *group);

/* account.c */
extern void lh_batch_accounts(LhBatch *batch);

/* An account's fields under the names by which criteria over leads know them; NULL: it has none. */
extern Jsonb *lh_account_as_lead_fields(Jsonb *fields);

/* Key of the account that a lead has now: by its row if that was read, else as it was last decided. */
extern char *lh_account_of(const LhBatchLead *slot);

/* crm_user.c: reps whose users are gone become inactive, unless they are too many at once */
extern void lh_confirm_leavers(TimestampTz now);

/* match.c: what input.found is, of the leads whose account the CRM doesn't name */
extern void lh_batch_match(LhBatch *batch);

/* undoable.c: input.undo, of the leads where a disposition may be taken back */
extern void lh_batch_undos(LhBatch *batch);

/* recipients.c: what steps of escalation have to know, for the leads of which one may be due */
extern void lh_batch_recipients(LhBatch *batch);

/* ... and whom a status that is held is told, for the leads of which the CRM has set one */
extern void lh_batch_managers(LhBatch *batch);

/* owner.c */
extern void lh_batch_owners(LhBatch *batch);

/* person.c */
typedef struct LhPersons LhPersons;

extern void lh_lock_persons(LhBatch *batch);
extern void lh_batch_persons(LhBatch *batch);
extern char *lh_person_of(const LhFields *row);	/* who it is by its row; NULL: nobody */
extern void lh_give_person(const LhBatch *batch, LhBatchLead *slot);
extern void lh_queue_persons(LhBatch *batch);
extern void lh_read_person(const LhLead *lead, TimestampTz as_of, LhInput *input);

/* api.c: error LH040 */
extern void lh_unknown_lead(const char *lead_key);

/* forget.c: a person, by a key of his; tokens that stand for his leads from then on, as text[] */
extern Datum lh_forget_person(char *lead_key, const char *actor, TimestampTz now);

/* assign.c */
extern void lh_batch_assign(LhBatch *batch);

/* apply.c */
extern void lh_batch_apply(LhBatch *batch);

/* escalated.c */
extern void lh_batch_escalated(LhBatch *batch);

/* cadences.c */
extern void lh_batch_read_cadences(LhBatch *batch);
extern void lh_batch_write_cadences(LhBatch *batch);

/* apply_handoff.c */
typedef struct LhHandoffRows
{
	LhRows		new_handoffs;
	LhRows		handoffs;
	LhRows		assignments;
	LhRows		new_slas;
	LhRows		slas;
} LhHandoffRows;

extern void lh_handoff_rows_begin(LhHandoffRows *rows);
extern void lh_handoff_rows_add(LhHandoffRows *rows, const LhBatchLead *slot);
extern void lh_handoff_rows_flush(LhHandoffRows *rows);

/* delivered.c */
extern void lh_batch_delivered(LhBatch *batch);

/* notify.c */
extern void lh_batch_notify(LhBatch *batch);

#endif							/* LH_BATCH_H */
