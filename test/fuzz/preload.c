/*
 * test/fuzz/preload.c
 *
 * preload.so, which the server loads before everything else, is libFuzzer and this.
 *
 * libFuzzer comes first because the address sanitizer's runtime has empty functions of the same names for
 * coverage, and who comes first is called.
 *
 * These functions leave messages untranslated: a stock server with that runtime otherwise waits for ever
 * on glibc's lock of translations, in main() already.
 */
char	   *bindtextdomain(const char *domain, const char *folder);
char	   *bind_textdomain_codeset(const char *domain, const char *codeset);
char	   *textdomain(const char *domain);
char	   *gettext(const char *message);
char	   *dgettext(const char *domain, const char *message);
char	   *dcgettext(const char *domain, const char *message, int category);
char	   *ngettext(const char *one, const char *many, unsigned long n);
char	   *dngettext(const char *domain, const char *one, const char *many, unsigned long n);
char	   *dcngettext(const char *domain, const char *one, const char *many, unsigned long n, int category);

char *
bindtextdomain(const char *domain, const char *folder)
{
	return (char *) folder;
}

char *
bind_textdomain_codeset(const char *domain, const char *codeset)
{
	return (char *) codeset;
}

char *
textdomain(const char *domain)
{
	return (char *) domain;
}

char *
gettext(const char *message)
{
	return (char *) message;
}

char *
dgettext(const char *domain, const char *message)
{
	return (char *) message;
}

char *
dcgettext(const char *domain, const char *message, int category)
{
	return (char *) message;
}

char *
ngettext(const char *one, const char *many, unsigned long n)
{
	return (char *) (n == 1 ? one : many);
}

char *
dngettext(const char *domain, const char *one, const char *many, unsigned long n)
{
	return (char *) (n == 1 ? one : many);
}

char *
dcngettext(const char *domain, const char *one, const char *many, unsigned long n, int category)
{
	return (char *) (n == 1 ? one : many);
}
