/*
 * src/time/calendar.h
 *
 * Calendars ready to be asked, kept for the session.
 */
#ifndef LH_CALENDAR_H
#define LH_CALENDAR_H

#include "time/business_time.h"

/*
 * The calendar of that name as it is now (NULL: there is none); SPI must be connected.  A
 * schedule as a calendar without exceptions.  Either may be used until the transaction ends.
 * Errors: 22023 (the server doesn't know the zone), 22P02 (hours of an exception, written by hand).
 */
extern LhCalendar *lh_calendar_named(const char *name);

/*
 * The same with other hours (NULL: its own), or its own meant in another time zone (NULL: in theirs).
 * Without a name: those hours, no exceptions.
 */
extern LhCalendar *lh_calendar_for(const char *name, const LhSchedule *hours, const char *zone);
extern LhCalendar *lh_calendar_of(const LhSchedule *schedule);

/* Without one, the calendar that is open throughout, its days the dates of a zone. */
extern LhCalendar *lh_calendar_or_dates(LhCalendar *calendar, const char *zone);

#endif							/* LH_CALENDAR_H */
