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
	const char *key;			/* without the source's prefix, if it has that: as rows name it */
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

/* The account that was found for a lead whose row names none. */
typedef struct Found
{
	const char *lead_key;
	uint32		hash;
	char		status;
	Datum		account_key;	/* the same, as rules ask for it */
	Datum		method;
} Found;

#define SH_PREFIX found
#define SH_ELEMENT_TYPE Found
#define SH_KEY_TYPE const char *
#define SH_KEY lead_key
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
	const char *key_prefix;		/* of the source */
	int			account_key;	/* positions of fields */
	int			account_method;
	Datum		by_crm;
	account_hash *accounts;
	found_hash *found;
};

typedef void (*RowTaker) (LhAccountTable *table, uint64 row);

static void
take_all(LhAccountTable *table, const char *sql, const char *parameter, RowTaker take)
{
	MemoryContext mcxt = CurrentMemoryContext;
	Oid			type = TEXTOID;
	Datum		value = CStringGetTextDatum(parameter);
	Portal		portal = SPI_cursor_open_with_args(NULL, sql, 1, &type, &value, NULL, true, 0);

	do
	{
		SPI_cursor_fetch(portal, true, ACCOUNTS_AT_ONCE);
		MemoryContextSwitchTo(mcxt);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			CHECK_FOR_INTERRUPTS();
			take(table, i);
		}
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	MemoryContextSwitchTo(mcxt);
}

static char *
as_rows_name_it(const LhAccountTable *table, char *account_key)
{
	int			prefix = strlen(table->key_prefix);

	return strncmp(account_key, table->key_prefix, prefix) == 0 ? account_key + prefix : account_key;
}

static void
take_account(LhAccountTable *table, uint64 row)
{
	bool		found;

	account_insert(table->accounts, as_rows_name_it(table, lh_get_text(row, 1)), &found)->fields =
		lh_account_as_lead_fields(lh_get_jsonb(row, 2));
}

static void
take_found(LhAccountTable *table, uint64 row)
{
	bool		known;
	Found	   *found = found_insert(table->found, lh_get_text(row, 1), &known);

	found->account_key = CStringGetTextDatum(as_rows_name_it(table, lh_get_text(row, 2)));
	found->method = CStringGetTextDatum(lh_get_text(row, 3));
}

LhAccountTable *
lh_account_table_load(const LhContract *contract, const LhSource *source)
{
	LhAccountTable *table = palloc_object(LhAccountTable);

	table->contract = contract;
	table->key_prefix = source->key_prefix;
	table->account_key = lh_fieldset_find(contract->lead_set, "account_key");
	table->account_method = lh_fieldset_find(contract->lead_set, "account_method");
	table->by_crm = CStringGetTextDatum("crm");
	table->accounts = account_create(CurrentMemoryContext, 64, NULL);
	table->found = found_create(CurrentMemoryContext, 64, NULL);
	take_all(table, "select a.account_key, a.fields from handoff.account a where starts_with(a.account_key, $1) and a.deleted_at is null",
			 source->key_prefix, take_account);
	take_all(table, "select a.account_key, a.fields from handoff.account a where a.deleted_at is null and not starts_with(a.account_key, "
			 "(select s.key_prefix from handoff.source s where s.name = $1)) and a.account_key in ("
			 "select l.account_key from handoff.lead l where l.source = $1 and l.account_method <> 'crm')",
			 source->name, take_account);
	take_all(table, "select lead_key, account_key, account_method from handoff.lead "
			 "where source = $1 and account_method <> 'crm' and deleted_at is null", source->name, take_found);
	return table;
}

/* The account that the row names, else the one that was found for the lead; NULL: neither. */
static const Account *
account_of(const LhAccountTable *table, Datum lead_key, LhFields *row)
{
	Datum	   *key = &row->values[table->account_key];
	Datum	   *method = &row->values[table->account_method];
	const Found *found;

	row->isnull[table->account_method] = row->isnull[table->account_key];
	*method = table->by_crm;
	if (row->isnull[table->account_key] && table->found->members > 0)
	{
		found = found_lookup(table->found, TextDatumGetCString(lead_key));
		if (found != NULL)
		{
			*key = found->account_key;
			*method = found->method;
			row->isnull[table->account_key] = row->isnull[table->account_method] = false;
		}
	}
	return row->isnull[table->account_key] ? NULL : account_lookup(table->accounts, TextDatumGetCString(*key));
}

void
lh_account_table_fill(const LhAccountTable *table, Datum lead_key, LhFields *row)
{
	const LhContract *contract = table->contract;
	const Account *account = account_of(table, lead_key, row);

	for (int i = contract->nmapped; i < contract->nkept; i++)
		lh_fields_set_null(row, i);
	if (account != NULL && account->fields != NULL)
		lh_fields_from_jsonb(row, account->fields, contract->nmapped, contract->nkept);
}
