/*
 * Numbers in files have a point, whatever language the program around us speaks: what reads or
 * writes text does so in the plain locale, and only for the thread it runs in.
 */
#ifndef ECG_LOCALE_H
#define ECG_LOCALE_H

#include <locale.h>

/* Returns the caller's locale, for ecg_locale_leave. Without memory for another it stays. */
static inline locale_t ecg_locale_enter(void)
{
    return uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

static inline void ecg_locale_leave(locale_t callers)
{
    locale_t plain = uselocale(callers);
    if (plain != callers)
        freelocale(plain);
}

#endif
