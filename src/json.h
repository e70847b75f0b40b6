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

typedef struct LhJson
{
	JsonbParseState *state;
	MemoryContext mcxt;			/* of what the builder needs until lh_json_end() */
} LhJson;

extern void lh_json_begin(LhJson *json);
extern Jsonb *lh_json_end(LhJson *json);

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

#endif							/* LH_JSON_H */
