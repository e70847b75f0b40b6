/*
 * src/flow/score_accounts.c
 *
 * See score_accounts.h.
 */
#include "flow/score_accounts.h"

#include "common/hashfn.h"
#include "executor/spi.h"
#include "flow/batch.h"
#include "miscadmin.h"
#include "sql.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define ACCOUNTS_AT_ONCE	1000

typedef struct Account
{
	const char *key;			/* without the prefix, as rows name it */
	uint32		hash;
	char		status;
	Jsonb	   *fields;
} Account;

#define SH_PREFIX account
#define SH_ELEMENT_TYPE Account
#define SH_KEY_TYPE const char *
#define SH_KEY key
#define SH_HASH_KEY(tb, key) hash_bytes((const unsigned char *) key, strlen(key))
#define SH_EQUAL(tb, a, b) (strcmp(a, b) == 0)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, entry) (entry)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct LhAccountTable
{
	const LhContract *contract;
	int			account_key;	/* position of the field */
	account_hash *accounts;
};

LhAccountTable *
lh_account_table_load(const LhContract *contract, const char *key_prefix)
{
	static const char sql[] = LH_READ_ACCOUNTS "where starts_with(a.account_key, $1) and a.deleted_at is null";
	MemoryContext mcxt = CurrentMemoryContext;
	LhAccountTable *table = palloc_object(LhAccountTable);
	Oid			type = TEXTOID;
	Datum		value = CStringGetTextDatum(key_prefix);
	Portal		portal = SPI_cursor_open_with_args(NULL, sql, 1, &type, &value, NULL, true, 0);

	table->contract = contract;
	table->account_key = lh_fieldset_find(contract->lead_set, "account_key");
	table->accounts = account_create(mcxt, 64, NULL);
	do
	{
		SPI_cursor_fetch(portal, true, ACCOUNTS_AT_ONCE);
		MemoryContextSwitchTo(mcxt);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			bool		found;

			CHECK_FOR_INTERRUPTS();
			account_insert(table->accounts, lh_get_text(i, 1) + strlen(key_prefix), &found)->fields =
				lh_get_jsonb(i, 2);
		}
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	MemoryContextSwitchTo(mcxt);
	return table;
}

void
lh_account_table_fill(const LhAccountTable *table, LhFields *row)
{
	const LhContract *contract = table->contract;
	const Account *account = row->isnull[table->account_key] ? NULL :
		account_lookup(table->accounts, TextDatumGetCString(row->values[table->account_key]));

	for (int i = contract->nmapped; i < contract->nkept; i++)
		lh_fields_set_null(row, i);
	if (account != NULL && account->fields != NULL)
		lh_fields_from_jsonb(row, account->fields, contract->nmapped, contract->nkept);
}
