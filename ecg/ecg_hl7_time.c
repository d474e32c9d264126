#include "ecg/ecg_hl7_time.h"

#include <math.h>
#include <string.h>
#include <time.h>

/* n digits; false when there are fewer. */
static bool take_digits(const char **s, int n, int *out)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        if ((*s)[i] < '0' || (*s)[i] > '9')
            return false;
        value = value * 10 + ((*s)[i] - '0');
    }
    *s += n;
    *out = value;
    return true;
}

/* Two digits, with this sign in front of them, as ISO 8601 has it, or without. */
static bool take_two(const char **s, char sign, int *out)
{
    const char *at = *s + (**s == sign);
    if (!take_digits(&at, 2, out))
        return false;
    *s = at;
    return true;
}

/* What stands behind the time: a zone, or nothing. */
static bool take_zone(const char *s, struct ecg_time *t)
{
    int hours = 0;
    int minutes = 0;
    int sign = *s == '-' ? -1 : 1;
    if (*s == 'Z' || *s == '+' || *s == '-') {
        if (*s++ != 'Z' && !take_digits(&s, 2, &hours))
            return false;
        (void)take_two(&s, ':', &minutes);
        if (!ecg_time_set_zone(t, sign * (hours * 60 + minutes)))
            return false;
    }
    return s[strspn(s, " \t\r\n")] == '\0';
}

bool ecg_hl7_time_parse(const char *s, struct ecg_time *out)
{
    struct ecg_time t = {0};
    s += strspn(s, " \t\r\n");
    if (!take_digits(&s, 4, &t.date.year) || !take_two(&s, '-', &t.date.month) ||
        !take_two(&s, '-', &t.date.day))
        return false;
    const char *clock = s + (*s == 'T' || *s == ' ');
    int hour;
    int minute = 0;
    int second = 0;
    if (take_digits(&clock, 2, &hour)) {
        s = clock;
        if (take_two(&s, ':', &minute))
            (void)take_two(&s, ':', &second);
        if (!ecg_time_set(&t, hour, minute, second))
            return false;
    }
    if (*s == '.' || *s == ',') {
        s++;
        for (int unit = 100000; *s >= '0' && *s <= '9'; s++, unit /= 10)
            t.usec += (*s - '0') * unit;
    }
    if (!take_zone(s, &t) || !ecg_date_is_real(t.date.year, t.date.month, t.date.day))
        return false;
    *out = t;
    return true;
}

double ecg_time_seconds(const struct ecg_time *t)
{
    if (!t->date.year)
        return (double)NAN;
    struct tm day = {
        .tm_year = t->date.year - 1900, .tm_mon = t->date.month - 1, .tm_mday = t->date.day};
    return (double)timegm(&day) + t->hour * 3600.0 + t->minute * 60.0 + t->second + t->usec / 1e6;
}
