/*
 * src/route/territory.h
 *
 * Maps of territories: which pool or rep a key belongs to.
 */
#ifndef LH_TERRITORY_H
#define LH_TERRITORY_H

#include "define/contract.h"
#include "utils/jsonb.h"

/* A key that is looked up in a map, and what was found. */
typedef struct LhTerritory
{
	const char *map;
	const char *key;
	const char *kind;			/* of the row that has it; NULL: none has */
	char	   *matched;		/* the row's key, or its first and last: "941", "94110..94119" */
	char	   *pool;			/* one of the two is NULL */
	char	   *rep;
	TimestampTz valid_from;
	TimestampTz valid_to;
} LhTerritory;

/* Keys to be looked up together; begin with {0}. */
typedef struct LhTerritories
{
	int			n;
	int			room;
	LhTerritory *asked;			/* once read: by map and key, each once */
} LhTerritories;

extern void lh_territories_ask(LhTerritories *all, const char *map, const char *key);

/* Look them up, as the maps are at a moment.  Needs an SPI connection. */
extern void lh_territories_read(LhTerritories *all, TimestampTz at);

/* What was found; NULL: nothing, or not asked. */
extern const LhTerritory *lh_territories_get(const LhTerritories *all, const char *map, const char *key);

/* To be kept with an assignment: map, key, and as row the kind and key of the one that has it. */
extern Jsonb *lh_territory_jsonb(const char *map, const char *key, const LhTerritory *found);

/* What a route to a territory looks up for a lead; NULL: the field is null. */
extern char *lh_route_key(const LhRoute *route, const LhFields *row);

/* Ask for what the routes of a leg look up for a lead, those whose criteria hold. */
extern void lh_territories_ask_routes(LhTerritories *all, const LhContract *contract, int leg,
									  const LhFields *row);

#endif							/* LH_TERRITORY_H */
