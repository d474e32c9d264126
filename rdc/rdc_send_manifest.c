/* The manifests of `rdc send`: they list the files of each study, so that its exam is complete
 * once the last has come. */
#include "base/json.h"
#include "dicom/dicom_uid.h"
#include "rdc/rdc_send.h"

#include <stdlib.h>
#include <string.h>

/* Limits of one manifest; the server allows 1000 and 50000. */
enum { STUDIES = 500, INSTANCES = 20000 };

struct manifest {
    struct base_buf text;
    struct base_json json;
    size_t studies;
    size_t instances;
};

static int by_study(const void *a, const void *b)
{
    const struct rdc_send_file *x = *(const struct rdc_send_file *const *)a;
    const struct rdc_send_file *y = *(const struct rdc_send_file *const *)b;
    int c = strcmp(x->study_uid, y->study_uid);
    return c ? c : strcmp(x->sop_instance, y->sop_instance);
}

static void begin(struct manifest *m)
{
    base_buf_reset(&m->text);
    base_json_init(&m->json, &m->text);
    base_json_open_object(&m->json);
    base_json_member_array(&m->json, "studies");
    m->studies = m->instances = 0;
}

static void end(struct manifest *m, void (*fn)(void *arg, const char *json), void *arg)
{
    base_json_close_array(&m->json);
    base_json_close_object(&m->json);
    if (m->studies && !m->text.err)
        fn(arg, base_buf_cstr(&m->text));
}

/* n files of one study, the same instance perhaps twice. */
static void add_study(struct manifest *m, const struct rdc_send_file *const *files, size_t n)
{
    base_json_open_object(&m->json);
    base_json_member_string(&m->json, "study_uid", files[0]->study_uid);
    base_json_member_array(&m->json, "instances");
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(files[i]->sop_instance, files[i - 1]->sop_instance) != 0)
            base_json_string(&m->json, files[i]->sop_instance);
    base_json_close_array(&m->json);
    base_json_close_object(&m->json);
    m->studies++;
    m->instances += n;
}

void rdc_send_manifests(const struct rdc_send *s, void (*fn)(void *arg, const char *json),
                        void *arg)
{
    struct manifest m = {.studies = 0};
    const struct rdc_send_file **files = calloc(s->n + 1, sizeof *files);
    size_t n = 0;
    for (size_t i = 0; files && i < s->n; i++)
        if (dicom_uid_usable(s->files[i].study_uid) && dicom_uid_usable(s->files[i].sop_instance))
            files[n++] = &s->files[i];
    if (n)
        qsort(files, n, sizeof *files, by_study);
    begin(&m);
    for (size_t i = 0, k; i < n; i = k) {
        for (k = i + 1; k < n && strcmp(files[k]->study_uid, files[i]->study_uid) == 0;)
            k++;
        if (m.studies == STUDIES || (m.studies && m.instances + k - i > INSTANCES)) {
            end(&m, fn, arg);
            begin(&m);
        }
        add_study(&m, files + i, k - i);
    }
    end(&m, fn, arg);
    base_buf_deinit(&m.text);
    free(files);
}
