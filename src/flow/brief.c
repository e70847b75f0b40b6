/*
 * src/flow/brief.c
 *
 * The brief: who, why now, the last three actions, until when in the rep's own zone, what counts as done, and
 * where the lead is in the CRM.  It is what messages say (notify.c), and what brief() says of a lead as it is.
 */
#include "flow/access.h"
#include "flow/brief.h"
#include "flow/look.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "pgtime.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_brief);

/* What counts as done, by metric: for people who have never seen the contract. */
static const char *const done_when[] = {
	[LH_SLA_ACCEPT] = "Accept it, or say why not.",
	[LH_SLA_FIRST_TOUCH] = "Reach out in person: a call, an e-mail of your own, a meeting.",
	[LH_SLA_NEXT_TOUCH] = "Reach out again.",
	[LH_SLA_RESPONSE] = "Answer the signal in person.",
	[LH_SLA_DECISION] = "Qualify it, recycle it or disqualify it.",
	[LH_SLA_MEETING_HELD] = "Hold the meeting."
};

/* What is read besides the leads ------------------------------------------------------------- */

static LhStatement read_contacts = {
	"select r.rep, r.name, r.email, r.chat_id, coalesce(r.zone, handoff.zone(r.schedule), handoff.zone(k.schedule)) "
	"from handoff.rep r left join handoff.calendar k on k.name = r.calendar "
	"where r.rep = any($1) order by r.rep collate \"C\"",
	1, {TEXTARRAYOID}
};

static LhIndex sources_by_name = {"source", "source_pkey", 1, {"name"}};

/* Where the leads of a source are to be found; looked up once. */
static void
ask_for_link(LhBriefs *briefs, const char *source)
{
	Datum		key = CStringGetTextDatum(source);
	LhSearch	search;
	LhLink	   *link;
	ListCell   *lc;

	foreach(lc, briefs->links)
		if (strcmp(((LhLink *) lfirst(lc))->source, source) == 0)
			return;
	link = palloc_object(LhLink);
	link->source = source;
	lh_search_begin(&search, &sources_by_name);
	link->pattern = lh_search(&search, &key) ? lh_search_text(&search, "link") : NULL;
	lh_search_end(&search);
	briefs->links = lappend(briefs->links, link);
}

void
lh_briefs_ask(LhBriefs *briefs, const LhLead *lead, const LhHandoff *h)
{
	ask_for_link(briefs, lead->source);
	if (h != NULL && h->rep != NULL)
		briefs->reps = lappend(briefs->reps, h->rep);
}

static void
take_contacts(LhBriefs *briefs)
{
	char	  **reps = palloc_array(char *, list_length(briefs->reps));
	int			n = 0;
	Datum		value;
	ListCell   *lc;

	foreach(lc, briefs->reps)
		reps[n++] = lfirst(lc);
	value = lh_text_array(reps, lh_sort_unique(reps, n));
	briefs->ncontacts = lh_run_latest(&read_contacts, &value, NULL);
	briefs->contacts = palloc_array(LhContact, briefs->ncontacts);
	for (int i = 0; i < briefs->ncontacts; i++)
	{
		LhContact  *contact = &briefs->contacts[i];

		contact->rep = lh_get_text(i, 1);
		contact->name = lh_get_text(i, 2);
		contact->email = lh_get_text(i, 3);
		contact->chat_id = lh_get_text(i, 4);
		contact->zone = lh_get_text(i, 5);
	}
}

void
lh_briefs_read(LhBriefs *briefs)
{
	if (briefs->reps != NIL)
		take_contacts(briefs);
}

static int
compare_contacts(const void *a, const void *b)
{
	return strcmp(((const LhContact *) a)->rep, ((const LhContact *) b)->rep);
}

static const LhContact *
contact_of(const LhBriefs *briefs, char *rep)
{
	LhContact	key = {.rep = rep};

	if (rep == NULL || briefs->ncontacts == 0)
		return NULL;
	return bsearch(&key, briefs->contacts, briefs->ncontacts, sizeof(LhContact), compare_contacts);
}

/* Parts of a brief --------------------------------------------------------------------------- */

/* A key as part of a URL. */
static void
append_encoded(StringInfo url, const char *key)
{
	for (const char *c = key; *c != '\0'; c++)
	{
		if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
			strchr("-._~", *c) != NULL)
			appendStringInfoChar(url, *c);
		else
			appendStringInfo(url, "%%%02X", (unsigned char) *c);
	}
}

static void
add_link(const LhBriefs *briefs, LhJson *json, const LhLead *lead)
{
	StringInfoData url;
	const char *at;
	const char *rest = NULL;
	ListCell   *lc;

	foreach(lc, briefs->links)
		if (strcmp(((LhLink *) lfirst(lc))->source, lead->source) == 0)
			rest = ((LhLink *) lfirst(lc))->pattern;
	if (rest == NULL)
		return;
	initStringInfo(&url);
	while ((at = strstr(rest, "{key}")) != NULL)
	{
		appendBinaryStringInfo(&url, rest, at - rest);
		append_encoded(&url, lead->raw_key);
		rest = at + strlen("{key}");
	}
	appendStringInfoString(&url, rest);
	lh_json_text(json, "link", url.data);
}

/* The last three things that happened, newest first, one line each. */
static void
add_actions(LhJson *json, const LhInput *input)
{
	char	   *lines[3];
	int			n = 0;

	for (int i = input->nactivities - 1; i >= 0 && n < 3; i--)
	{
		const LhActivity *activity = &input->activities[i];
		int			kind = lh_fieldset_find(activity->row->set, "kind");

		lines[n++] = psprintf("%s %s", timestamptz_to_str(activity->at),
							  activity->row->isnull[kind] ? "activity" :
							  TextDatumGetCString(activity->row->values[kind]));
	}
	lh_json_texts(json, "last_actions", lines, n);
}

/* A moment as the clock on the wall of a zone shows it. */
static void
add_local_time(LhJson *json, TimestampTz at, const char *zone)
{
	pg_tz	   *tz = pg_tzset(zone);
	pg_time_t	time = timestamptz_to_time_t(at);
	struct pg_tm *tm = tz == NULL ? NULL : pg_localtime(&time, tz);

	if (tm == NULL)
		return;
	lh_json_text(json, "due_local", psprintf("%04d-%02d-%02d %02d:%02d", tm->tm_year + 1900, tm->tm_mon + 1,
											 tm->tm_mday, tm->tm_hour, tm->tm_min));
	lh_json_text(json, "due_zone", zone);
}

/* The earliest clock that runs for the handoff, and what stops it. */
static void
add_due(LhJson *json, const LhLead *lead, const LhHandoff *h, const char *zone)
{
	const LhSlaClock *first = NULL;
	ListCell   *lc;

	foreach(lc, lead->slas)
	{
		const LhSlaClock *clock = lfirst(lc);

		if (clock->handoff_no == h->handoff_no && clock->stopped_at == LH_NOT_YET &&
			(first == NULL || clock->due_at < first->due_at))
			first = clock;
	}
	if (first == NULL)
		return;
	lh_json_time(json, "due_at", first->due_at);
	if (!TIMESTAMP_NOT_FINITE(first->due_at))
		add_local_time(json, first->due_at, zone);
	lh_json_text(json, "due_for", first->name);
	if (first->sla != NULL)
		lh_json_text(json, "done_when", done_when[first->sla->metric]);
}

/* The next leg has given it back: why, for whom it is to be done better. */
static void
add_return(LhJson *json, const LhLead *lead, const LhHandoff *h)
{
	const LhHandoff *last = &((LhLeadHandoff *) llast(lead->handoffs))->h;

	if (h->closed_at != LH_NOT_YET || last->handoff_no == h->handoff_no || last->outcome == NULL ||
		strcmp(last->outcome, "returned") != 0)
		return;
	lh_json_text(json, "returned_code", last->code);
	lh_json_text(json, "returned_note", last->note);
	lh_json_text(json, "returned_by", last->rep);
}

static void
add_handoff(const LhBriefs *briefs, LhJson *json, const LhContract *contract, const LhLead *lead, const LhHandoff *h)
{
	const LhContact *contact = contact_of(briefs, h->rep);

	lh_json_int(json, "handoff", h->handoff_no);
	lh_json_text(json, "leg", h->leg);
	lh_json_text(json, "origin", h->origin);
	lh_json_text(json, "why", h->trigger);
	lh_json_time(json, "why_at", h->trigger_at);
	lh_json_text(json, "rep", h->rep);
	if (contact != NULL)
	{
		lh_json_text(json, "rep_name", contact->name);
		lh_json_text(json, "rep_email", contact->email);
		lh_json_text(json, "rep_chat", contact->chat_id);
	}
	lh_json_text(json, "pool", h->pool);
	lh_json_text(json, "unassigned_reason", h->unassigned_reason);
	lh_json_text(json, "outcome", h->outcome);
	lh_json_text(json, "code", h->code);
	lh_json_text(json, "note", h->note);
	add_return(json, lead, h);
	add_due(json, lead, h, contact != NULL && contact->zone != NULL ? contact->zone : contract->zone);
}

void
lh_brief_add(const LhBriefs *briefs, LhJson *json, const LhContract *contract, const LhLead *lead,
			 const LhInput *input, const LhHandoff *h)
{
	lh_json_text(json, "lead_key", lead->lead_key);
	add_link(briefs, json, lead);
	lh_json_text(json, "stage", lead->stage);
	lh_json_int(json, "score", lead->score);
	lh_json_text(json, "band", lead->band);
	lh_json_texts(json, "signals", lead->signals, lead->nsignals);
	lh_json_jsonb(json, "fields", lead->fields);
	if (lead->nblocked > 0)
		lh_json_texts(json, "blocked_fields", lead->blocked_fields, lead->nblocked);
	if (h != NULL)
		add_handoff(briefs, json, contract, lead, h);
	add_actions(json, input);
}

/* Of a lead as it is ------------------------------------------------------------------------- */

static Jsonb *
brief_of(const char *lead_key)
{
	LhLook		look;
	LhLeadHandoff *handoff;
	const LhHandoff *h;
	LhBriefs	briefs = {0};
	LhJson		json;

	lh_look_at(lead_key, DT_NOEND, &look);
	handoff = lh_last_handoff(&look.lead);
	h = handoff == NULL ? NULL : &handoff->h;
	lh_briefs_ask(&briefs, &look.lead, h);
	lh_briefs_read(&briefs);
	lh_json_begin(&json);
	lh_brief_add(&briefs, &json, look.contract, &look.lead, &look.input, h);
	return lh_json_end(&json);
}

Datum
lh_brief(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	Jsonb	   *brief;
	Jsonb	   *copy;
	char	   *lead_key = text_to_cstring(PG_GETARG_TEXT_PP(0));
	LhWorld		world;

	lh_enter_to_show(lead_key, &world);
	brief = brief_of(lead_key);
	copy = MemoryContextAlloc(caller, VARSIZE(brief));
	memcpy(copy, brief, VARSIZE(brief));
	SPI_finish();
	lh_leave(&world);
	PG_RETURN_JSONB_P(copy);
}
