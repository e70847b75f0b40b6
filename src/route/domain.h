/*
 * src/route/domain.h
 *
 * Whose mail address, whose web page: the domain that somebody has registered.
 */
#ifndef LH_DOMAIN_H
#define LH_DOMAIN_H

/*
 * The registrable domain of a mail address, URL or host name, in lower case, labels that are not ASCII in
 * Punycode; NULL: there is none (a public suffix, an IP address, a name without a dot, no name at all).
 */
extern char *lh_registrable_domain(const char *text);

#endif							/* LH_DOMAIN_H */
