/*
 * src/flow/access.c
 *
 * Who calls, and which leads are his.
 *
 * Row security keeps reps to their leads in tables and views (set_policy()); what is asked of functions in C is
 * read as the owner of the tables, past all policies, and so they ask here, by the same rule.
 *
 *  - A role stands for the rep whose role_name it is (set_rep_role()), as long as he is active.  It is the
 *    current role that counts, as it does for policies: a pooler may SET ROLE.
 *  - To him belong leads of which he has a handoff, and, to look at, for 90 days those that he had until
 *    their handoff ended.  What somebody took from him is not his any more.
 *  - To look at and to claim: open handoffs that nobody has, or that fell to the last route of their leg, of legs
 *    that lead to a pool of his.
 *  - A manager has what his reps have: those whose manager he is, and members of pools that he leads, and so on
 *    down.
 *  - Whoever may call tick() is not limited.
 *
 * Which level a role has is told by what it may call, so there is no list beside the privileges that could differ
 * from them, or be lost in a restore.
 */
#include "flow/access.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "flow/drain.h"
#include "flow/intake.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "sql.h"
#include "storage/proc.h"
#include "table.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(lh_my_rep);
PG_FUNCTION_INFO_V1(lh_my_team);
PG_FUNCTION_INFO_V1(lh_my_claims);

/* How far p_now may be from the clock without being another moment. */
#define NOW_TOLERANCE	USECS_PER_MINUTE

/* For how long one sees what one had, as policies have it too; data protection asks for an end. */
#define SEEN_FOR		(INT64CONST(90) * USECS_PER_DAY)

/* The caller --------------------------------------------------------------------------------- */

static List *
our_name(const char *name)
{
	return list_make2(makeString("handoff"), makeString(pstrdup(name)));
}

static bool
may_call(const char *name, int nargs, const Oid *argtypes)
{
	return lh_may_execute(LookupFuncName(our_name(name), nargs, argtypes, false));
}

void
lh_check_may_call(const char *name)
{
	Oid			function = LookupFuncName(our_name(name), -1, NULL, true);

	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no function \"handoff.%s\" to act by", name),
				 errhint("Call accept(), qualify(), dispose() and the like.")));
	if (!lh_may_execute(function))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s", name),
				 errhint("It takes the right to call handoff.%s(); see handoff.grant_access().", name)));
}

void
lh_who_calls(LhCaller *caller)
{
	static const Oid tick_args[] = {TIMESTAMPTZOID, INT4OID};

	memset(caller, 0, sizeof(*caller));
	caller->role = GetUserNameFromId(GetUserId(), false);
	caller->login = GetUserNameFromId(GetSessionUserId(), false);
	caller->trusted = may_call("tick", 2, tick_args);
	caller->is_manager = may_call("my_team", 0, NULL);
}

static LhIndex reps_by_role = {"rep", "rep_role_name_once", 1, {"role_name"}};
static LhIndex reps_by_key = {"rep", "rep_pkey", 1, {"rep"}};

/* $1 the rep, $2 whether his reps count too, $3 now */
static LhStatement read_team = {
	"with recursive team (rep) as ("
	" select $1"
	" union"
	" select n.rep from team t cross join lateral ("
	"   select r.rep from handoff.rep r where r.manager = t.rep"
	"   union all"
	"   select m.rep from handoff.pool p join handoff.pool_member m on m.pool = p.pool"
	"   where p.lead_rep = t.rep and m.valid_from <= $3 and $3 < m.valid_to) n"
	" where $2) "
	"select array(select t.rep from team t), array("
	" select m.pool from handoff.pool_member m where m.rep in (select t.rep from team t) and m.valid_from <= $3 and $3 < m.valid_to"
	" union"
	" select p.pool from handoff.pool p where $2 and p.lead_rep in (select t.rep from team t))",
	3, {TEXTOID, BOOLOID, TIMESTAMPTZOID}
};

/* The rep that the role stands for; NULL: none. */
static char *
rep_of_role(const char *role)
{
	Datum		key = CStringGetTextDatum(role);
	LhSearch	search;
	char	   *rep = NULL;
	bool		isnull;

	lh_search_begin_latest(&search, &reps_by_role);
	if (lh_search(&search, &key) && DatumGetBool(lh_search_get(&search, "active", &isnull)))
		rep = lh_search_text(&search, "rep");
	lh_search_end(&search);
	return rep;
}

static void
read_caller(LhCaller *caller)
{
	Datum		values[3];

	(void) lh_check_schema();
	caller->rep = rep_of_role(caller->role);
	if (caller->trusted || caller->rep == NULL)
		return;
	values[0] = CStringGetTextDatum(caller->rep);
	values[1] = BoolGetDatum(caller->is_manager);
	values[2] = TimestampTzGetDatum(GetCurrentTimestamp());
	lh_read_latest(&read_team, values, NULL);
	caller->nreps = lh_get_texts(0, 1, &caller->reps);
	caller->npools = lh_get_texts(0, 2, &caller->pools);
}

void
lh_enter_for(LhCaller *caller, LhWorld *world)
{
	lh_enter(world, true);
	lh_plan_by_key();
	SPI_connect();
	read_caller(caller);
}

static bool
is_his_rep(const LhCaller *caller, const char *rep)
{
	for (int i = 0; rep != NULL && i < caller->nreps; i++)
		if (strcmp(caller->reps[i], rep) == 0)
			return true;
	return false;
}

/* Time and actor ----------------------------------------------------------------------------- */

void
lh_check_time(const LhCaller *caller, TimestampTz now)
{
	TimestampTz clock = GetCurrentTimestamp();

	if (caller->trusted || (now > clock - NOW_TOLERANCE && now < clock + NOW_TOLERANCE))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("only an operator may name another time"),
			 errdetail("p_now is %s.", timestamptz_to_str(now)),
			 errhint("Leave p_now out.")));
}

static LhStatement find_rep = {
	"select r.rep from handoff.rep r "
	"where lower(r.email) = lower($1) or r.crm_id = $1 or r.chat_id = $1 order by r.rep collate \"C\" limit 2",
	1, {TEXTOID}
};

char *
lh_rep_named(const char *name, bool *several)
{
	Datum		value = CStringGetTextDatum(name);
	uint64		n;

	*several = false;
	if (lh_is_there(&reps_by_key, &value))
		return pstrdup(name);
	n = lh_read_latest(&find_rep, &value, NULL);
	*several = n > 1;
	return n == 1 ? lh_get_text(0, 1) : NULL;
}

const char *
lh_actor(const LhCaller *caller, const char *given)
{
	const char *self = caller->rep != NULL ? caller->rep : caller->login;
	bool		several;
	char	   *rep;

	if (given == NULL || strcmp(given, caller->role) == 0 || strcmp(given, caller->login) == 0)
		return self;
	rep = lh_rep_named(given, &several);
	if (caller->trusted)
		return rep != NULL ? rep : given;
	if (is_his_rep(caller, rep))
		return rep;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to act as \"%s\"", given),
			 errdetail(several ? "That may be any of several reps." : rep == NULL ? "That names no rep." :
					   caller->is_manager ? "That is no rep of yours." : "That is another rep."),
			 caller->rep == NULL ? errhint("Your role \"%s\" stands for no rep: an admin calls handoff.set_rep_role().", caller->role) :
			 errhint("Leave it out, and you act as rep \"%s\".", caller->rep)));
	return NULL;
}

/* Leads -------------------------------------------------------------------------------------- */

/* $1 reps, $2 pools, $3 since when what has ended is seen */

#define OWNED \
	"handoff.assignment a where a.rep = any($1) " \
	"and (a.ended_at is null or (a.end_reason = 'closed' and a.ended_at > $3))"

/* A leg with one route has no last resort: what takes all from the start takes nothing that fell to it. */
#define NOT_FIRST \
	"exists (select from handoff.route b where b.contract_id = r.contract_id and b.leg = r.leg and b.ord < r.ord)"

/* Does a leg lead to one of the pools?  Of a row with contract_id and leg. */
#define SERVED(row) \
	"exists (select from handoff.route r where r.contract_id = " row ".contract_id and r.leg = " row ".leg " \
	"and (r.target_kind = 'pool' and r.target = any($2) or r.target_kind = 'territory' and exists (" \
	"select from handoff.territory t where t.map = r.target collate \"C\" and t.pool = any($2))))"

/*
 * What they may claim.  Those that fell to the last route of a leg are looked for among what members of its pool have: few, where all
 * that is open may be much.
 */
static LhStatement read_claims = {
	"with last_route as materialized ("
	" select l.contract_id, l.name as leg, r.name, r.target_kind, r.target"
	" from handoff.leg l cross join lateral ("
	"   select r.name, r.target_kind, r.target from handoff.route r"
	"   where r.contract_id = l.contract_id and r.leg = l.name and " NOT_FIRST " order by r.ord desc limit 1) r),"
	" holder as ("
	" select m.rep from last_route l join handoff.pool_member m on l.target_kind = 'pool' and m.pool = l.target"
	" union"
	" select l.target from last_route l where l.target_kind = 'rep'),"
	" waiting as materialized ("
	" select h.lead_key, h.contract_id, h.leg from handoff.handoff h where h.closed_at is null and h.rep is null"
	" union all"
	" select h.lead_key, h.contract_id, h.leg from holder o"
	" join handoff.assignment a on a.rep = o.rep and a.ended_at is null"
	" join handoff.handoff h on h.lead_key = a.lead_key and h.handoff_no = a.handoff_no"
	" join last_route l on l.contract_id = h.contract_id and l.leg = h.leg and l.name = h.route),"
	" served as ("
	" select w.contract_id, w.leg from (select distinct contract_id, leg from waiting) w where " SERVED("w") ") "
	"select array(select w.lead_key from waiting w join served s on s.contract_id = w.contract_id and s.leg = w.leg)",
	3, {TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID}
};

/* Of one lead, $4: is it, or was it, theirs, may they claim it; and what stands between it and him: whose its open handoff is, who had the one that ended last. */
static LhStatement read_lead = {
	"select exists (select from " OWNED " and a.lead_key = $4),"
	" o.lead_key is not null, o.rep,"
	" coalesce((o.rep is null or o.route = (select r.name from handoff.route r"
	"   where r.contract_id = o.contract_id and r.leg = o.leg and " NOT_FIRST " order by r.ord desc limit 1))"
	"   and " SERVED("o") ", false),"
	" (select h.rep from handoff.handoff h where h.lead_key = $4 and h.closed_at is not null"
	"  order by h.closed_at desc, h.outcome = 'returned', h.handoff_no desc limit 1) "
	"from (values (1)) v left join handoff.handoff o on o.lead_key = $4 and o.closed_at is null",
	4, {TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID, TEXTOID}
};

static LhStatement lock_lead = {
	"select from handoff.lead where lead_key = $1 and deleted_at is null for update", 1, {TEXTOID}
};

typedef struct Standing
{
	bool		had;			/* he, or a rep of his, has it or had it until it ended */
	bool		is_open;
	char	   *owner;			/* of the open handoff; NULL: nobody */
	bool		claimable;
	char	   *last_owner;		/* of the handoff that ended last; NULL: none has, or nobody */
} Standing;

static void
parameters(const LhCaller *caller, Datum *values)
{
	values[0] = lh_text_array(caller->reps, caller->nreps);
	values[1] = lh_text_array(caller->pools, caller->npools);
	values[2] = TimestampTzGetDatum(GetCurrentTimestamp() - SEEN_FOR);
}

static Standing
standing_of(const LhCaller *caller, const char *lead_key)
{
	Datum		values[4];
	Standing	standing;

	parameters(caller, values);
	values[3] = CStringGetTextDatum(lead_key);
	lh_read_latest(&read_lead, values, NULL);
	standing.had = lh_get_bool(0, 1);
	standing.is_open = lh_get_bool(0, 2);
	standing.owner = lh_get_text(0, 3);
	standing.claimable = lh_get_bool(0, 4);
	standing.last_owner = lh_get_text(0, 5);
	return standing;
}

/*
 * Whoever may not see a lead learns nothing by asking, also not that it is there: it is the error of a key that
 * nobody has.  A key that was merged away is told if the lead that it means is his.
 */
lh_noreturn static void
unknown_to(const LhCaller *caller, const char *lead_key)
{
	LhPairs		merged = lh_aliases_of((char *const *) &lead_key, 1);
	char	   *into = lh_pair_value(&merged, lead_key);
	Standing	standing;

	if (into != NULL)
	{
		standing = standing_of(caller, into);
		if (!standing.had && !standing.claimable)
			into = NULL;
	}
	ereport(ERROR,
			(errcode(ERRCODE_LH_UNKNOWN_LEAD),
			 errmsg("there is no lead \"%s\"", lead_key),
			 into != NULL ? errdetail("It is a key of lead \"%s\".", into) :
			 errdetail("None of yours has that key, and none that you may claim."),
			 caller->rep == NULL ? errhint("Your role \"%s\" stands for no rep: an admin calls handoff.set_rep_role().", caller->role) :
			 errhint("handoff.my_queue lists your leads, handoff.unassigned those that nobody has.")));
}

static Standing
see(const LhCaller *caller, const char *lead_key)
{
	Standing	standing = standing_of(caller, lead_key);

	if (!standing.had && !standing.claimable)
		unknown_to(caller, lead_key);
	return standing;
}

void
lh_enter_to_show(const char *lead_key, LhWorld *world)
{
	LhCaller	caller;

	lh_who_calls(&caller);
	lh_enter_for(&caller, world);
	if (!caller.trusted)
		(void) see(&caller, lead_key);
}

/* Take back a disposition: who had the lead when it was given.  Claim, reassign: also what one may claim.  Else one's own. */
static bool
allows(const LhCaller *caller, const Standing *standing, const char *what)
{
	if (strcmp(what, "undispose") == 0 && standing->last_owner != NULL)
		return is_his_rep(caller, standing->last_owner);
	if (standing->is_open && is_his_rep(caller, standing->owner))
		return true;
	return standing->claimable && (strcmp(what, "claim") == 0 || strcmp(what, "reassign") == 0);
}

void
lh_must_work(const LhCaller *caller, const char *lead_key, const char *what)
{
	Datum		key = CStringGetTextDatum(lead_key);
	Standing	standing;

	if (caller->trusted)
		return;
	(void) see(caller, lead_key);
	if (lh_run(&lock_lead, &key, NULL) == 0)
		unknown_to(caller, lead_key);
	standing = see(caller, lead_key);	/* as it is now that nobody else can change it */
	if (allows(caller, &standing, what))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_LH_NOT_YOURS),
			 errmsg("lead \"%s\" is not yours", lead_key),
			 !standing.is_open ? errdetail("Its handoff has ended.") :
			 standing.owner == NULL ? errdetail("Nobody has it.") : errdetail("Rep \"%s\" has it.", standing.owner),
			 standing.claimable ? errhint("Take it with handoff.claim().") :
			 standing.is_open ? errhint("Who has it can do that, or who manages him.") :
			 errhint("It can be worked again when it has been handed over anew.")));
}

/* For policies, and for whoever wants to know ------------------------------------------------- */

/* Whoever calls, trusted or not, as the rep that he is. */
static void
begin_as_rep(LhCaller *caller, LhWorld *world)
{
	lh_who_calls(caller);
	caller->trusted = false;
	lh_enter_for(caller, world);
}

/* An answer in mcxt, which SPI_finish() leaves alone. */
static Datum
end_with(Datum answer, MemoryContext mcxt, LhWorld *world)
{
	MemoryContextSwitchTo(mcxt);
	answer = PointerGetDatum(PG_DETOAST_DATUM_COPY(answer));
	SPI_finish();
	lh_leave(world);
	return answer;
}

Datum
lh_my_rep(PG_FUNCTION_ARGS)
{
	MemoryContext mcxt = CurrentMemoryContext;
	LhCaller	caller;
	LhWorld		world;

	begin_as_rep(&caller, &world);
	if (caller.rep != NULL)
		PG_RETURN_DATUM(end_with(CStringGetTextDatum(caller.rep), mcxt, &world));
	SPI_finish();
	lh_leave(&world);
	PG_RETURN_NULL();
}

Datum
lh_my_team(PG_FUNCTION_ARGS)
{
	MemoryContext mcxt = CurrentMemoryContext;
	LhCaller	caller;
	LhWorld		world;

	begin_as_rep(&caller, &world);
	PG_RETURN_DATUM(end_with(lh_text_array(caller.reps, caller.nreps), mcxt, &world));
}

/* Policies of several tables ask in one statement; it is the same until a command has written something. */
typedef struct Asked
{
	Oid			role;
	LocalTransactionId xid;
	SubTransactionId subxid;
	CommandId	command;
	TimestampTz statement;
} Asked;

static Asked
asked_now(void)
{
	Asked		asked;

	memset(&asked, 0, sizeof(asked));
	asked.role = GetUserId();
	asked.xid = lh_local_xid();
	asked.subxid = GetCurrentSubTransactionId();
	asked.command = GetCurrentCommandId(false);
	asked.statement = GetCurrentStatementStartTimestamp();
	return asked;
}

static Datum
find_claims(MemoryContext mcxt)
{
	LhCaller	caller;
	Datum		values[3];
	bool		isnull;
	LhWorld		world;

	begin_as_rep(&caller, &world);
	if (caller.npools == 0)
		return end_with(lh_text_array(NULL, 0), mcxt, &world);
	parameters(&caller, values);
	lh_read_latest(&read_claims, values, NULL);
	return end_with(lh_get(0, 1, &isnull), mcxt, &world);
}

Datum
lh_my_claims(PG_FUNCTION_ARGS)
{
	static Asked last;
	static Datum claims = (Datum) 0;
	Asked		asked = asked_now();
	Datum		found;

	if (claims != (Datum) 0 && memcmp(&asked, &last, sizeof(asked)) == 0)
		PG_RETURN_DATUM(PointerGetDatum(PG_DETOAST_DATUM_COPY(claims)));
	found = find_claims(TopMemoryContext);
	if (claims != (Datum) 0)
		pfree(DatumGetPointer(claims));
	claims = found;
	last = asked_now();
	PG_RETURN_DATUM(PointerGetDatum(PG_DETOAST_DATUM_COPY(claims)));
}
