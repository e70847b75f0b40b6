/*
 * src/dispose/disposition.h
 *
 * Which disposition a code names, and what it asks for before it may be used.
 */
#ifndef LH_DISPOSITION_H
#define LH_DISPOSITION_H

#include "define/contract.h"
#include "work/handoff.h"

/* By code (NULL: the only one with that outcome); raises LH041 if there is none, or several. */
extern const LhDisposition *lh_disposition(const LhContract *contract, const char *code,
										   const char *outcome, const char *leg);

/* Raises LH041 unless the note is there and the work was done that the disposition needs. */
extern void lh_check_disposition(const LhContract *contract, const LhDisposition *disposition,
								 const LhHandoff *handoff, const LhFields *row, const char *note,
								 int days_touched);

#endif							/* LH_DISPOSITION_H */
