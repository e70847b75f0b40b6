/*
 * src/rules/criteria_reader.h
 *
 * What the files that read a criteria from text share: criteria_parse.c (the conditions),
 * criteria_operand.c (what stands in them), criteria_build.c (the tree they become).
 */
#ifndef LH_CRITERIA_READER_H
#define LH_CRITERIA_READER_H

#include "rules/criteria_tree.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"

typedef struct Reader
{
	const char *text;
	int			location;		/* byte in text that a complaint is about; -1: none */
	Node	   *escontext;

	LhNode	   *nodes;			/* offsets still count from the start of names or literals */
	int			nnodes;
	int			maxnodes;
	StringInfoData names;
	StringInfoData literals;
} Reader;

/* What stands on one side of an operator. */
typedef struct Operand
{
	LhNodeKind	kind;			/* FIELD, LITERAL, NOW or TODAY */
	LhLiteralType type;			/* of a literal */
	char	   *text;			/* the name, the literal, or the interval (NULL: none) */
	bool		minus;			/* the interval is subtracted */
	int			location;
} Operand;

/*
 * Complain about the text at a location and leave the function: all readers return false after a
 * complaint.  A callback of criteria_parse.c adds the position.
 */
#define refuse(reader, where, ...) \
	do { \
		(reader)->location = (where); \
		errsave((reader)->escontext, (errcode(ERRCODE_LH_CRITERIA), __VA_ARGS__)); \
		return false; \
	} while (0)

#define refuse_limit(reader, where, ...) \
	do { \
		(reader)->location = (where); \
		errsave((reader)->escontext, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), __VA_ARGS__)); \
		return false; \
	} while (0)

/* criteria_build.c */
extern int	lh_build_begin(Reader *reader, LhNodeKind kind, int location);
extern void lh_build_end(Reader *reader, int node);
extern uint32 lh_build_literal(Reader *reader, LhLiteralType type, const char *text);
extern bool lh_build_operand(Reader *reader, const Operand *operand);
extern Criteria *lh_build_finish(Reader *reader, MemoryContext mcxt);

/* criteria_operand.c */
extern bool lh_read_operand(Reader *reader, Node *expr, Operand *out);
extern bool lh_read_comparand(Reader *reader, Node *expr, Operand *out);
extern bool lh_read_field_operand(Reader *reader, Node *expr, Operand *out, const char *what);
extern bool lh_read_string_operand(Reader *reader, Node *expr, Operand *out, const char *what);
extern bool lh_is_operator(A_Expr *expr, const char *name);
extern bool lh_refuse_operator(Reader *reader, A_Expr *expr);

/* error_position.c */
extern void lh_transpose_position(ErrorData *error, const char *text);

#endif							/* LH_CRITERIA_READER_H */
