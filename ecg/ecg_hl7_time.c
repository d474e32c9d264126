#include "ecg/ecg_hl7_time.h"

#include <math.h>
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

static bool take_zone(const char *s, struct ecg_time *t)
{
    int hours = 0;
    int minutes = 0;
    bool minus = *s == '-';
    if (*s == 'Z') {
        t->has_zone = true;
        return true;
    }
    if (*s != '+' && *s != '-')
        return *s == '\0';
    s++;
    if (!take_digits(&s, 2, &hours))
        return false;
    s += *s == ':';
    if (*s && !take_digits(&s, 2, &minutes))
        return false;
    t->has_zone = true;
    t->zone_min = (minus ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

bool ecg_hl7_time_parse(const char *s, struct ecg_time *out)
{
    struct ecg_time t = {0};
    s += strspn(s, " \t\r\n");
    if (!take_digits(&s, 4, &t.date.year))
        return false;
    t.date.month = t.date.day = 1;
    if (take_digits(&s, 2, &t.date.month) && take_digits(&s, 2, &t.date.day) &&
        take_digits(&s, 2, &t.hour)) {
        t.has_time = true;
        if (take_digits(&s, 2, &t.minute))
            (void)take_digits(&s, 2, &t.second);
    }
    if (*s == '.' || *s == ',') {
        s++;
        for (int unit = 100000; *s >= '0' && *s <= '9'; s++, unit /= 10)
            t.usec += (*s - '0') * unit;
    }
    (void)take_zone(s, &t);
    if (!ecg_date_is_real(t.date.year, t.date.month, t.date.day) || t.hour > 23 || t.minute > 59 ||
        t.second > 60)
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
