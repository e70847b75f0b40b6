/*
 * src/flow/instance.h
 *
 * Whether this database acts by itself, or is a copy of one that does.
 */
#ifndef LH_INSTANCE_H
#define LH_INSTANCE_H

#include "lead_handoff.h"

/* At commit, connected to SPI. */
extern bool lh_may_decide_at_commit(void);

/* For all other that acts by itself, by the name the user knows it by.  Not connected to SPI. */
extern bool lh_acts_here(const char *caller);

#endif							/* LH_INSTANCE_H */
