#include "ingest/ingest_models_priv.h"

#include "ingest/ingest_many.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { DATA_MAX = 64 << 20 /* bytes of the data sets of a request */ };

void ingest_model_free(struct ingest_model *m)
{
    if (!m)
        return;
    dicom_model_deinit(&m->model);
    free(m);
}

void ingest_models_parse_deinit(struct ingest_models_parse *p)
{
    while (p->first) {
        struct ingest_model *next = p->first->next;
        ingest_model_free(p->first);
        p->first = next;
    }
    base_buf_deinit(&p->text);
}

static struct ingest_model *add(struct ingest_models_parse *p, struct ingest_model ***last)
{
    struct ingest_model *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    **last = m;
    *last = &m->next;
    p->n++;
    return m;
}

static void note(struct ingest_models_parse *p, struct ingest_model *m, enum base_err err,
                 const struct base_error *error)
{
    m->err = err;
    if (!err && m->model.data.n > DATA_MAX - p->data_n) {
        m->err = BASE_ELIMIT;
        snprintf(m->message, sizeof m->message, "too much metadata: send it in another request");
    } else if (err) {
        snprintf(m->message, sizeof m->message, "%.159s", error->msg);
    }
    /* What is not kept takes no room from those that follow. */
    if (m->err)
        base_buf_deinit(&m->model.data);
    else
        p->data_n += m->model.data.n;
}

static void parse_json(struct ingest_models_parse *p, struct ingest_model **last)
{
    struct dicom_model_list list = {.text = base_buf_bytes(&p->text)};
    struct base_error error = {0};
    struct base_bytes object;
    enum base_err err;
    while ((err = dicom_model_next(&list, &object, &error)) != BASE_ENOTFOUND) {
        struct ingest_model *m = add(p, &last);
        if (!m)
            return;
        if (!err && p->n > INGEST_MANY_MAX)
            err = base_fail(&error, BASE_ELIMIT, BASE_NOPOS, "a request may have %d instances",
                            INGEST_MANY_MAX);
        else if (!err)
            err = dicom_model_read_json(object, &m->model, &error);
        note(p, m, err, &error);
        if (p->n > INGEST_MANY_MAX)
            return;
    }
}

void ingest_models_parse(struct ingest_models_parse *p)
{
    struct ingest_model **last = &p->first;
    struct base_error error = {0};
    if (!p->xml) {
        parse_json(p, last);
        return;
    }
    struct ingest_model *m = add(p, &last);
    if (m)
        note(p, m, dicom_model_read_xml(base_buf_bytes(&p->text), &m->model, &error), &error);
}
