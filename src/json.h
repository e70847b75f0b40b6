/*
 * src/json.h
 *
 * Building a jsonb object in a few lines:
 *
 *		lh_json_begin(&json);
 *		lh_json_text(&json, "stage", "mql");
 *		detail = lh_json_end(&json);
 *
 * A NULL text and a null value leave their key out.
 */
#ifndef LH_JSON_H
#define LH_JSON_H

#include "lead_handoff.h"
#include "utils/jsonb.h"

#define LH_JSON_DEPTH	4

/* A key and its value; what they point to must stay until the object is written. */
typedef struct LhJsonPair
{
	const char *key;
	int			length;			/* of the key */
	JsonbValue	value;
} LhJsonPair;

typedef struct LhJson
{
	int			n;
	int			room;
	LhJsonPair *pairs;
	int			depth;			/* objects that are open within the object */
	struct
	{
		const char *key;
		int			first;		/* of its pairs */
	}			open[LH_JSON_DEPTH];
} LhJson;

extern void lh_json_begin(LhJson *json);
extern Jsonb *lh_json_end(LhJson *json);

/* The object of pairs that are in the order of jsonb: shorter keys first, those of one length by their bytes, none twice. */
extern Jsonb *lh_json_write(const LhJsonPair *const *pairs, int n);

extern void lh_json_text(LhJson *json, const char *key, const char *value);
extern void lh_json_int(LhJson *json, const char *key, int64 value);
extern void lh_json_numeric(LhJson *json, const char *key, Datum value);
extern void lh_json_texts(LhJson *json, const char *key, char *const *values, int n);
extern void lh_json_jsonb(LhJson *json, const char *key, Jsonb *value);
extern void lh_json_time(LhJson *json, const char *key, TimestampTz at);	/* not if it is infinite */
extern void lh_json_value(LhJson *json, const char *key, const JsonbValue *value);

/* an object within the object */
extern void lh_json_open(LhJson *json, const char *key);
extern void lh_json_close(LhJson *json);

/*
 * Reading a member of an object, in the current context.  One that is absent, null or of another kind is
 * NULL, 0, none, or the time given.
 */
extern char *lh_json_get_text(const Jsonb *object, const char *key);
extern int64 lh_json_get_int(const Jsonb *object, const char *key);
extern TimestampTz lh_json_get_time(const Jsonb *object, const char *key, TimestampTz if_none);
extern int	lh_json_get_texts(const Jsonb *object, const char *key, char ***values);	/* how many */
extern Jsonb *lh_json_object(const Jsonb *object, const char *key);

#endif							/* LH_JSON_H */
