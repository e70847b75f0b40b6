/*
 * src/rules/criteria_build.c
 *
 * The flat tree of a criteria, written node by node in prefix order while its text is read.
 *
 * Names and literals collect in buffers of their own; until the end, a node's offset counts from the
 * start of its buffer.  lh_build_finish() puts the parts together as criteria.c draws them.
 */
#include "rules/criteria_reader.h"

/* Add a node; its size is set by lh_build_end().  -1 after a complaint. */
int
lh_build_begin(Reader *reader, LhNodeKind kind, int location)
{
	LhNode	   *node;

	if (reader->nnodes == LH_MAX_NODES)
	{
		reader->location = location;
		errsave(reader->escontext,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("criteria is too large"),
				 errdetail("It has more than %d parts.", LH_MAX_NODES)));
		return -1;
	}
	if (reader->nnodes == reader->maxnodes)
	{
		reader->maxnodes *= 2;
		reader->nodes = repalloc(reader->nodes, reader->maxnodes * sizeof(LhNode));
	}
	node = &reader->nodes[reader->nnodes];
	memset(node, 0, sizeof(LhNode));
	node->kind = kind;
	node->nodes = 1;
	return reader->nnodes++;
}

void
lh_build_end(Reader *reader, int node)
{
	reader->nodes[node].nodes = reader->nnodes - node;
}

/* Offset of a name in names; one that was used before is stored once. */
static uint32
intern_name(Reader *reader, const char *name, int len)
{
	uint32		offset;

	for (int i = 0; i < reader->nnodes; i++)
	{
		LhNode	   *node = &reader->nodes[i];

		if (node->kind == LH_NODE_FIELD && node->count == len &&
			memcmp(reader->names.data + node->offset, name, len) == 0)
			return node->offset;
	}
	offset = reader->names.len;
	appendBinaryStringInfo(&reader->names, name, len);
	return offset;
}

uint32
lh_build_literal(Reader *reader, LhLiteralType type, const char *text)
{
	static const char zeros[4] = {0};
	uint32		offset = reader->literals.len;
	LhLiteral	head = {0};
	int			len = strlen(text);

	head.type = type;
	head.len = len;
	appendBinaryStringInfo(&reader->literals, (char *) &head, offsetof(LhLiteral, text));
	appendBinaryStringInfo(&reader->literals, text, len);
	appendBinaryStringInfo(&reader->literals, zeros,
						   LH_LITERAL_SIZE(len) - offsetof(LhLiteral, text) - len);
	return offset;
}

bool
lh_build_operand(Reader *reader, const Operand *operand)
{
	uint32		offset = 0;
	uint32		count = 0;
	int			node;

	if (operand->kind == LH_NODE_FIELD)
	{
		count = strlen(operand->text);
		offset = intern_name(reader, operand->text, count);
	}
	else if (operand->text != NULL)
	{
		count = 1;
		offset = lh_build_literal(reader, operand->type, operand->text);
	}
	node = lh_build_begin(reader, operand->kind, operand->location);
	if (node < 0)
		return false;
	reader->nodes[node].offset = offset;
	reader->nodes[node].count = count;
	reader->nodes[node].negated = operand->minus;
	return true;
}

Criteria *
lh_build_finish(Reader *reader, MemoryContext mcxt)
{
	Size		names = offsetof(Criteria, nodes) + reader->nnodes * sizeof(LhNode);
	Size		literals = names + INTALIGN(reader->names.len);
	Size		size = literals + reader->literals.len;
	Criteria   *criteria = MemoryContextAllocZero(mcxt, size);

	SET_VARSIZE(criteria, size);
	criteria->version = LH_CRITERIA_VERSION;
	criteria->nnodes = reader->nnodes;
	for (int i = 0; i < reader->nnodes; i++)
	{
		LhNode	   *node = &reader->nodes[i];

		if (node->kind == LH_NODE_FIELD)
			node->offset += names;
		else if (node->count > 0)
			node->offset += literals;
	}
	memcpy(criteria->nodes, reader->nodes, reader->nnodes * sizeof(LhNode));
	memcpy((char *) criteria + names, reader->names.data, reader->names.len);
	memcpy((char *) criteria + literals, reader->literals.data, reader->literals.len);
	return criteria;
}
