/*
 * src/flow/collision.c
 *
 * One human, several leads: what another lead of the same person means for a lead that is to be handed
 * over.  What the others have or had with sales comes with the input; nothing of them is changed here.
 *
 * Of their handoffs the nearest counts: one of the same leg that is open, else an open one of a later
 * leg, else the one that ended last, not longer than the contract's "within" ago.  Whatever the action:
 * while one of the same leg is open, the lead is not handed over.
 *
 *		join		it is the same case: the lead stays where it is and belongs to the other's handoff.
 *					The answer that sales gives to that one is the answer to both, so after its end the
 *					lead passes when something new has happened since, or "within" is over; then to who
 *					had the other, if he can take it
 *		same_owner	handed over, to who had the other in that leg, if he can take it
 *		notify		handed over; a message says that sales knows the person
 *		block		the lead waits for the end of the open one, then has its own turn
 *
 * A lead that is held has the other's key (duplicate_of) and a code where a gate's would be: joined or
 * duplicate.  It is decided anew when the other's handoff ends (person.c sees to that).
 */
#include "flow/decide.h"

#include "utils/timestamp.h"

/* Which one counts --------------------------------------------------------------------------- */

typedef enum Nearness
{
	FAR,
	RECENT,
	OPEN_LATER,
	OPEN_SAME
} Nearness;

static bool
is_same_person(const LhDecision *decision, const LhOther *other)
{
	const LhLead *lead = decision->lead;

	return lead->person_key != NULL && strcmp(lead->person_key, other->person_key) == 0;
}

/* One that sales ended itself: neither taken from it, nor carried on in the next leg. */
static bool
was_answered(const LhOther *other)
{
	return strcmp(other->outcome, "withdrawn") != 0 && strcmp(other->outcome, "next_leg") != 0;
}

static TimestampTz
counts_until(const LhContract *contract, const LhOther *other)
{
	return contract->person_within == NULL ? DT_NOBEGIN :
		lh_after(other->closed_at, contract->person_within);
}

static Nearness
nearness(const LhDecision *decision, int leg, const LhOther *other)
{
	const LhContract *contract = decision->contract;
	int			its_leg = lh_contract_leg(contract, other->leg);

	if (!is_same_person(decision, other) || its_leg < leg)
		return FAR;
	if (other->closed_at == LH_NOT_YET)
		return its_leg == leg ? OPEN_SAME : OPEN_LATER;
	return was_answered(other) && counts_until(contract, other) > decision->now ? RECENT : FAR;
}

static const LhOther *
nearest(const LhDecision *decision, int leg, Nearness *how)
{
	const LhOther *found = NULL;

	*how = FAR;
	for (int i = 0; i < decision->input->nothers; i++)
	{
		const LhOther *other = &decision->input->others[i];
		Nearness	its = nearness(decision, leg, other);

		if (its == FAR || its < *how ||
			(its == *how && (its == RECENT ? other->closed_at <= found->closed_at :
							 other->handed_at <= found->handed_at)))
			continue;
		found = other;
		*how = its;
	}
	return found;
}

/* An open handoff of another lead of the person, of that leg (NULL: of any); NULL: there is none. */
const LhOther *
lh_other_open(const LhDecision *decision, const char *leg)
{
	for (int i = 0; i < decision->input->nothers; i++)
	{
		const LhOther *other = &decision->input->others[i];

		if (other->closed_at == LH_NOT_YET && is_same_person(decision, other) &&
			(leg == NULL || strcmp(leg, other->leg) == 0))
			return other;
	}
	return NULL;
}

/* What follows ------------------------------------------------------------------------------- */

static void
trace_collision(const LhDecision *decision, const LhCollision *collision)
{
	const LhOther *other = collision->other;
	const char *then = !collision->holds ? "is handed over all the same" : collision->joins ? "joins it" :
		"waits for its end";

	if (decision->trace == NULL)
		return;
	lh_trace_add(decision->trace, "collision", other->lead_key, NULL, collision->holds ? LH_TRUE : LH_FALSE,
				 psprintf("same person, handoff " INT64_FORMAT " of leg %s %s: %s, %s", other->handoff_no, other->leg,
						  other->closed_at == LH_NOT_YET ? "open" :
						  psprintf("ended %s, %s", timestamptz_to_str(other->closed_at), other->outcome),
						  lh_collision_actions[decision->contract->on_person], then));
}

/* What stands before a leg that a lead is to pass. */
LhCollision
lh_collision(LhDecision *decision, int leg)
{
	LhCollisionAction action = decision->contract->on_person;
	Nearness	how;
	LhCollision collision = {.other = nearest(decision, leg, &how)};

	switch (how)
	{
		case FAR:
			return collision;
		case OPEN_SAME:
			collision.holds = true;
			break;
		case OPEN_LATER:
			collision.holds = action == LH_JOIN || action == LH_BLOCK;
			break;
		case RECENT:
			collision.holds = action == LH_JOIN && decision->lead->trigger_at <= collision.other->closed_at;
			if (collision.holds)
				decision->valid_until = Min(decision->valid_until,
											counts_until(decision->contract, collision.other));
			break;
	}
	collision.joins = collision.holds && action != LH_BLOCK;
	trace_collision(decision, &collision);
	return collision;
}

const char *
lh_collision_code(const LhCollision *collision)
{
	return !collision->holds ? NULL : collision->joins ? "joined" : "duplicate";
}

/* Who had the newest handoff of a leg among the person's other leads; NULL: nobody. */
static const char *
rep_before(const LhDecision *decision, const char *leg)
{
	const LhOther *newest = NULL;

	for (int i = 0; i < decision->input->nothers; i++)
	{
		const LhOther *other = &decision->input->others[i];

		if (is_same_person(decision, other) && other->rep != NULL && strcmp(other->leg, leg) == 0 &&
			(newest == NULL || other->handed_at > newest->handed_at))
			newest = other;
	}
	return newest == NULL ? NULL : newest->rep;
}

/* A lead has just passed a leg although sales has, or had not long ago, another one of the person. */
void
lh_note_collision(LhDecision *decision, int leg)
{
	LhCollisionAction action = decision->contract->on_person;
	LhLeadHandoff *handoff = lh_open_handoff(decision->lead);
	Nearness	how;
	const LhOther *other = nearest(decision, leg, &how);
	LhEvent    *event;
	LhJson		extra;

	if (other == NULL || (action == LH_BLOCK && how == RECENT))
		return;
	if (action == LH_JOIN || action == LH_SAME_OWNER)
		handoff->prefer = rep_before(decision, handoff->h.leg);
	lh_json_begin(&extra);
	lh_json_text(&extra, "action", lh_collision_actions[action]);
	lh_json_text(&extra, "lead", other->lead_key);
	lh_json_int(&extra, "of_handoff", other->handoff_no);
	lh_json_text(&extra, "of_rep", other->rep);
	event = lh_handoff_event(decision, handoff, "collision", "contract", &extra);
	if (action == LH_NOTIFY)
		event->notify = "handoff.collision";
}

/* The other side: have leads that have joined our open handoff brought it something new? */
bool
lh_hear_joiners(LhDecision *decision)
{
	bool		any = false;
	LhLeadHandoff *open = lh_open_handoff(decision->lead);
	TimestampTz heard = open == NULL ? DT_NOBEGIN :
		open->h.reengaged_at == LH_NOT_YET ? open->h.handed_at - 1 : open->h.reengaged_at;

	for (int i = 0; open != NULL && i < decision->input->njoiners; i++)
	{
		const LhJoiner *joiner = &decision->input->joiners[i];
		LhJson		extra;

		if (joiner->handoff_no != open->h.handoff_no || joiner->at <= heard)
			continue;
		open->h.reengaged_at = joiner->at;
		lh_json_begin(&extra);
		lh_json_text(&extra, "lead", joiner->lead_key);
		lh_json_texts(&extra, "signals", joiner->signals, joiner->nsignals);
		lh_handoff_event(decision, open, "reengaged", "source", &extra)->notify = "handoff.reengaged";
		any = true;
	}
	return any;
}
