#include "ingest/ingest_group.h"

#include <assert.h>
#include <string.h>

static bool is_same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool is_same_study(const struct ingest_record *a, const struct ingest_record *b)
{
    return a->centre_id == b->centre_id && is_same(a->header->study_uid, b->header->study_uid);
}

int ingest_group_compare(const struct ingest_record *a, const struct ingest_record *b)
{
    int order = strcmp(a->header->study_uid, b->header->study_uid);
    if (!order)
        order = (a->centre_id > b->centre_id) - (a->centre_id < b->centre_id);
    return order ? order : strcmp(a->header->sop_instance, b->header->sop_instance);
}

/* May this study of the batch be stored as one? All objects are of one patient, with an ID, and one
 * order; none is made from another file; none comes twice. */
static bool is_plain(const struct ingest_record *const *all, size_t n)
{
    const struct dicom_header *first = all[0]->header;
    if (!first->patient_id[strspn(first->patient_id, " ")])
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct dicom_header *h = all[i]->header;
        if (all[i]->original || !is_same(h->patient_id, first->patient_id) ||
            !is_same(h->accession_number, first->accession_number) ||
            (i && is_same(h->sop_instance, all[i - 1]->header->sop_instance)))
            return false;
    }
    return true;
}

/* Numbers the series of one study from last + 1 on; returns the last number. */
static unsigned number_series(const struct ingest_record *const *all, size_t n, unsigned last,
                              struct ingest_place *out)
{
    for (size_t i = 0; i < n; i++) {
        size_t first = 0;
        while (!is_same(all[first]->header->series_uid, all[i]->header->series_uid))
            first++;
        out[i].brings_series = first == i;
        out[i].series = first == i ? ++last : out[first].series;
    }
    return last;
}

/* The number of the patient of the study at `at`: that of an earlier study, or the next one. */
static unsigned patient_number(const struct ingest_record *const *all, size_t at, unsigned *last,
                               const struct ingest_place *out)
{
    for (size_t i = 0; i < at; i++)
        if (out[i].leads && all[i]->centre_id == all[at]->centre_id &&
            is_same(all[i]->header->patient_id, all[at]->header->patient_id))
            return out[i].patient;
    return ++*last;
}

static const char *higher(const char *a, const char *b)
{
    static const char *const names[] = {"stat", "urgent"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if ((a && is_same(a, names[i])) || (b && is_same(b, names[i])))
            return names[i];
    return NULL;
}

void ingest_group(const struct ingest_record *const *all, size_t n, struct ingest_place *out)
{
    unsigned studies = 0;
    unsigned series = 0;
    unsigned patients = 0;
    size_t end;
    for (size_t at = 0; at < n; at = end) {
        assert(at == 0 || ingest_group_compare(all[at - 1], all[at]) < 0); /* a study is whole */
        struct ingest_place study = {.patient = patient_number(all, at, &patients, out)};
        for (end = at; end < n && is_same_study(all[at], all[end]); end++) {
            study.complete |= all[end]->single;
            study.priority = higher(study.priority, all[end]->priority);
        }
        study.many = (unsigned)(end - at);
        study.study = is_plain(&all[at], end - at) ? ++studies : 0;
        for (size_t i = at; i < end; i++) {
            out[i] = study;
            out[i].leads = i == at;
        }
        series = number_series(&all[at], end - at, series, &out[at]);
    }
}

void ingest_place_write(const struct ingest_place *p, size_t i, struct base_json *j)
{
    base_json_member_int(j, "n", (int64_t)i + 1);
    if (!p->study)
        return;
    base_json_member_int(j, "study_no", p->study);
    base_json_member_int(j, "series_no", p->series);
    base_json_member_int(j, "patient_no", p->patient);
    base_json_member_int(j, "many", p->many);
    base_json_member_bool(j, "leads", p->leads);
    base_json_member_bool(j, "brings_series", p->brings_series);
    base_json_member_bool(j, "complete", p->complete);
    base_json_member_filled(j, "urgency", p->priority);
}
