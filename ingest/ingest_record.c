#include "ingest/ingest_record.h"

static void add_text(struct base_json *j, const char *key, const char *value)
{
    if (!value || !value[0])
        return;
    base_json_key(j, key);
    base_json_string(j, value);
}

static void add_number(struct base_json *j, const char *key, int32_t value)
{
    if (value == DICOM_NO_NUMBER)
        return;
    base_json_key(j, key);
    base_json_int(j, value);
}

static void add_hex(struct base_json *j, const char *key, const uint8_t *p, size_t n)
{
    char hex[2 * 256 + 1];
    if (n == 0 || n > 256)
        return;
    base_hex(p, n, hex);
    add_text(j, key, hex);
}

static void add_object(struct base_json *j, const struct store_object *o, const char *media)
{
    add_text(j, "location", o->location);
    add_hex(j, "sha256", o->sha256, sizeof o->sha256);
    add_text(j, "media", media);
    base_json_key(j, "size");
    base_json_int(j, (int64_t)o->size);
}

static void add_header(struct base_json *j, const struct dicom_header *h)
{
    add_text(j, "patient_id", h->patient_id);
    add_text(j, "patient_name", h->patient_name);
    add_hex(j, "patient_name_raw", h->patient_name_raw, h->patient_name_raw_n);
    add_text(j, "charset", h->charset);
    add_text(j, "birth_date", h->patient_birth_date);
    add_text(j, "sex", h->patient_sex);
    add_text(j, "study_uid", h->study_uid);
    add_text(j, "study_date", h->study_date);
    add_text(j, "study_time", h->study_time);
    add_text(j, "study_id", h->study_id);
    add_text(j, "accession", h->accession_number);
    add_text(j, "description", h->study_description);
    add_text(j, "series_uid", h->series_uid);
    add_text(j, "modality", h->modality);
    add_number(j, "series_number", h->series_number);
    add_text(j, "series_description", h->series_description);
    add_text(j, "body_part", h->body_part);
    add_text(j, "laterality", h->laterality);
    add_text(j, "sop_class", h->sop_class);
    add_text(j, "sop_uid", h->sop_instance);
    add_number(j, "instance_number", h->instance_number);
    add_number(j, "rows", h->rows);
    add_number(j, "columns", h->columns);
    add_number(j, "frames", h->frames);
    base_json_key(j, "charset_guessed");
    base_json_bool(j, h->guessed);
}

void ingest_record_write(const struct ingest_record *r, struct base_json *j)
{
    base_json_key(j, "centre_id");
    base_json_int(j, r->centre_id);
    if (r->device_id) {
        base_json_key(j, "device_id");
        base_json_int(j, r->device_id);
    }
    base_json_key(j, "quiet");
    base_json_int(j, r->quiet_seconds);
    base_json_key(j, "single");
    base_json_bool(j, r->single);
    add_text(j, "priority", r->priority);
    add_text(j, "transfer_syntax", r->transfer_syntax);
    add_object(j, r->object, "application/dicom");
    if (r->original) {
        base_json_key(j, "original");
        base_json_open_object(j);
        add_object(j, r->original, r->original_media);
        base_json_close_object(j);
    }
    add_header(j, r->header);
}
