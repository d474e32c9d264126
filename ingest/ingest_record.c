#include "ingest/ingest_record.h"

static void add_number(struct base_json *j, const char *key, int32_t value)
{
    if (value != DICOM_NO_NUMBER)
        base_json_member_int(j, key, value);
}

static void add_hex(struct base_json *j, const char *key, const uint8_t *p, size_t n)
{
    char hex[2 * 256 + 1];
    if (n == 0 || n > 256)
        return;
    base_hex(p, n, hex);
    base_json_member_filled(j, key, hex);
}

static void add_object(struct base_json *j, const struct store_object *o, const char *media)
{
    base_json_member_filled(j, "location", o->location);
    add_hex(j, "sha256", o->sha256, sizeof o->sha256);
    base_json_member_filled(j, "media", media);
    base_json_member_int(j, "size", (int64_t)o->size);
}

static void add_header(struct base_json *j, const struct dicom_header *h)
{
    base_json_member_filled(j, "patient_id", h->patient_id);
    base_json_member_filled(j, "patient_name", h->patient_name);
    add_hex(j, "patient_name_raw", h->patient_name_raw, h->patient_name_raw_n);
    base_json_member_filled(j, "charset", h->charset);
    base_json_member_filled(j, "birth_date", h->patient_birth_date);
    base_json_member_filled(j, "sex", h->patient_sex);
    base_json_member_filled(j, "study_uid", h->study_uid);
    base_json_member_filled(j, "study_date", h->study_date);
    base_json_member_filled(j, "study_time", h->study_time);
    base_json_member_filled(j, "study_id", h->study_id);
    base_json_member_filled(j, "accession", h->accession_number);
    base_json_member_filled(j, "description", h->study_description);
    base_json_member_filled(j, "series_uid", h->series_uid);
    base_json_member_filled(j, "modality", h->modality);
    add_number(j, "series_number", h->series_number);
    base_json_member_filled(j, "series_description", h->series_description);
    base_json_member_filled(j, "body_part", h->body_part);
    base_json_member_filled(j, "laterality", h->laterality);
    base_json_member_filled(j, "sop_class", h->sop_class);
    base_json_member_filled(j, "sop_uid", h->sop_instance);
    add_number(j, "instance_number", h->instance_number);
    add_number(j, "rows", h->rows);
    add_number(j, "columns", h->columns);
    add_number(j, "frames", h->frames);
    base_json_member_bool(j, "charset_guessed", h->guessed);
}

void ingest_record_write(const struct ingest_record *r, struct base_json *j)
{
    base_json_member_int(j, "centre_id", r->centre_id);
    if (r->device_id)
        base_json_member_int(j, "device_id", r->device_id);
    base_json_member_int(j, "quiet", r->quiet_seconds);
    base_json_member_bool(j, "single", r->single);
    base_json_member_filled(j, "priority", r->priority);
    base_json_member_filled(j, "transfer_syntax", r->transfer_syntax);
    add_object(j, r->object, "application/dicom");
    if (r->original) {
        base_json_member_object(j, "original");
        add_object(j, r->original, r->original_media);
        base_json_close_object(j);
    }
    add_header(j, r->header);
}
