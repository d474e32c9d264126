/* What the files of the SCP-ECG parser share. Private to ecg_scp*.c.
 * References are to EN 1064:2005 (ISO 11073-91064). */
#ifndef ECG_SCP_PRIV_H
#define ECG_SCP_PRIV_H

#include "dicom/dicom_charset.h"
#include "ecg/ecg_record.h"

enum { SCP_SECTIONS = 12, SCP_SECTION_HEADER = 16, SCP_LEADS_MAX = 255 };

struct scp_section {
    struct base_bytes body; /* after the header; n = 0 when absent */
    size_t pos;             /* of the body in the file */
};

struct scp_lead {
    uint32_t start; /* 1-based sample numbers, inclusive */
    uint32_t end;
    size_t count; /* samples that the file claims */
    bool from_0;  /* the file counts samples so */
    int id;
};

struct scp_file {
    struct base_bytes all;
    struct ecg_record *rec;
    struct base_error *err;
    struct scp_section sec[SCP_SECTIONS];
    unsigned protocol;            /* 10 = version 1.0, 13 = 1.3, 20 = 2.0; 0 = unknown */
    struct dicom_charset charset; /* as section 1 tag 14 declares */
    size_t nleads;
    struct scp_lead leads[SCP_LEADS_MAX];
    bool has_tables; /* section 0 names a section 2, whether it is there or not */
    bool subtracted; /* section 3: the reference beat was subtracted */
    bool long_term;  /* section 12 of version 3, which is not read, has samples */
};

/* A cursor over the body of a section that never reads past its end: what is
 * missing reads as zero and sets short_. */
struct scp_cursor {
    struct base_bytes b;
    size_t at;
    bool short_;
};

static inline bool scp_has(struct scp_cursor *c, size_t n)
{
    if (n <= c->b.n - c->at)
        return true;
    c->at = c->b.n;
    c->short_ = true;
    return false;
}

static inline uint8_t scp_u8(struct scp_cursor *c)
{
    return scp_has(c, 1) ? c->b.p[c->at++] : 0;
}

static inline uint16_t scp_u16(struct scp_cursor *c)
{
    if (!scp_has(c, 2))
        return 0;
    c->at += 2;
    return base_load_le16(c->b.p + c->at - 2);
}

static inline uint32_t scp_u32(struct scp_cursor *c)
{
    if (!scp_has(c, 4))
        return 0;
    c->at += 4;
    return base_load_le32(c->b.p + c->at - 4);
}

static inline struct base_bytes scp_bytes(struct scp_cursor *c, size_t n)
{
    if (!scp_has(c, n))
        return base_bytes_of(NULL, 0);
    c->at += n;
    return base_bytes_of(c->b.p + c->at - n, n);
}

/* Section 1: patient, device, time, filters. */
void ecg_scp_patient(struct scp_file *f);
/* Sections 2 to 6: leads, rhythm, reference beat. */
enum base_err ecg_scp_waves(struct scp_file *f) BASE_MUST_CHECK;
/* Sections 7, 8, 10 and 11: the device's measurements and statements. */
void ecg_scp_findings(struct scp_file *f);

#endif
