/*
 * src/flow/score_accounts.h
 *
 * All accounts of one CRM in memory, for score_rows(): it reads leads in any order, and each may belong
 * to any.
 */
#ifndef LH_SCORE_ACCOUNTS_H
#define LH_SCORE_ACCOUNTS_H

#include "flow/source.h"

typedef struct LhAccountTable LhAccountTable;

/* SPI is connected; everything goes into the current context. */
extern LhAccountTable *lh_account_table_load(const LhContract *contract, const LhSource *source);

/* Give a row the fields of the account that it names, else of the one that was found for the lead (a text). */
extern void lh_account_table_fill(const LhAccountTable *table, Datum lead_key, LhFields *row);

#endif							/* LH_SCORE_ACCOUNTS_H */
