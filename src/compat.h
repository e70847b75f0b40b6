/*
 * src/compat.h
 *
 * Everything that depends on PG_VERSION_NUM, so that no other file does.  The extension is written
 * against the newest API; what an older server lacks is supplied here.
 */
#ifndef LH_COMPAT_H
#define LH_COMPAT_H

#include "fmgr.h"

#if PG_VERSION_NUM < 150000
#error "lead_handoff needs PostgreSQL 15 or later"
#endif

/* 16 moved the varlena macros out of postgres.h */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 16 introduced soft errors: before it, a type's own check can only raise. */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#else
#define SOFT_ERROR_OCCURRED(escontext) ((void) (escontext), false)
#define errsave(context, ...) \
	do { (void) (context); ereport(ERROR, __VA_ARGS__); } while (0)
#define ereturn(context, dummy_value, ...) \
	do { (void) (context); ereport(ERROR, __VA_ARGS__); return dummy_value; } while (0)
#endif

/* 16 made one function of the many that check a privilege */
#if PG_VERSION_NUM >= 160000
#define lh_may_execute(function) \
	(object_aclcheck(ProcedureRelationId, function, GetUserId(), ACL_EXECUTE) == ACLCHECK_OK)
#else
#define lh_may_execute(function) \
	(pg_proc_aclcheck(function, GetUserId(), ACL_EXECUTE) == ACLCHECK_OK)
#endif

/* 16 keeps privileges that a statement needs apart from its tables */
#if PG_VERSION_NUM >= 160000
#define lh_check_permissions(planned) ExecCheckPermissions((planned)->rtable, (planned)->permInfos, true)
#else
#define lh_check_permissions(planned) ExecCheckRTPerms((planned)->rtable, true)
#endif

/* 16 made it possible to touch summarizing indexes only */
#if PG_VERSION_NUM >= 160000
#define lh_insert_index_tuples(target, slot, estate) \
	ExecInsertIndexTuples(target, slot, estate, false, false, NULL, NIL, false)
#else
#define lh_insert_index_tuples(target, slot, estate) \
	ExecInsertIndexTuples(target, slot, estate, false, false, NULL, NIL)
#endif

/* 18 has checks that are only written down */
#if PG_VERSION_NUM >= 180000
#define lh_is_enforced(check) ((check).ccenforced)
#else
#define lh_is_enforced(check) true
#endif

/* 18 counts what an index scan costs, if it is told where */
#if PG_VERSION_NUM >= 180000
#define lh_index_beginscan(rel, index, snapshot, nkeys) index_beginscan(rel, index, snapshot, NULL, nkeys, 0)
#else
#define lh_index_beginscan(rel, index, snapshot, nkeys) index_beginscan(rel, index, snapshot, nkeys, 0)
#endif

/* 18 dropped an argument that nobody set to true any more */
#if PG_VERSION_NUM >= 180000
#define lh_executor_run(query, count) ExecutorRun(query, ForwardScanDirection, count)
#else
#define lh_executor_run(query, count) ExecutorRun(query, ForwardScanDirection, count, false)
#endif

/* 17 put the number of a backend's transaction beside its process number */
#if PG_VERSION_NUM >= 170000
#define lh_local_xid() (MyProc->vxid.lxid)
#else
#define lh_local_xid() (MyProc->lxid)
#endif

/* 18 writes it before the declaration, under another name */
#if PG_VERSION_NUM >= 180000
#define lh_noreturn pg_noreturn
#else
#define lh_noreturn pg_attribute_noreturn()
#endif

/* 18 lets a module say its name and version */
#ifdef PG_MODULE_MAGIC_EXT
#define LH_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "lead_handoff", .version = LH_VERSION)
#else
#define LH_MODULE_MAGIC PG_MODULE_MAGIC
#endif

#endif							/* LH_COMPAT_H */
