#include "ingest/ingest_parts.h"

#include "ingest/ingest_manifest.h"

#include <string.h>
#include <strings.h>

enum base_err ingest_parts_init(struct ingest_parts *p, const char *content_type, bool form,
                                struct ingest_many *many)
{
    char boundary[NET_MULTIPART_BOUNDARY_MAX + 1];
    memset(p, 0, sizeof *p);
    p->many = many;
    p->form = form;
    base_buf_init(&p->manifest, INGEST_MANIFEST_BYTES);
    if (!net_mime_param(content_type, "boundary", boundary, sizeof boundary))
        return BASE_EINVAL;
    return net_multipart_init(&p->parser, boundary);
}

bool ingest_parts_is_index(const char *name)
{
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    return strcasecmp(base, "DICOMDIR") == 0 || strncmp(name, "__MACOSX/", 9) == 0 ||
           strncmp(base, "._", 2) == 0 || strcmp(base, ".DS_Store") == 0;
}

static enum base_err begin(struct ingest_parts *p)
{
    const struct net_multipart *part = &p->parser;
    p->in_manifest = p->form && !part->filename[0] && strcmp(part->name, "manifest") == 0;
    if (p->form && (!part->filename[0] || ingest_parts_is_index(part->filename)))
        return BASE_OK;
    p->files++;
    enum base_err err = ingest_many_begin(p->many, p->form ? part->filename : part->location);
    /* PS3.18 8.7.1: the type of a part is that of the parameter `type`. */
    if (!err && !p->form && part->type[0] && !net_mime_is(part->type, "application/dicom"))
        ingest_many_refuse(p->many, "", BASE_EUNSUPPORTED,
                           "the part is not of type application/dicom");
    return err;
}

enum base_err ingest_parts_write(struct ingest_parts *p, struct base_bytes bytes,
                                 const char **cause)
{
    enum net_multipart_event event;
    do {
        struct base_bytes data;
        size_t used = net_multipart_parse(&p->parser, bytes, &event, &data);
        bytes = base_bytes_of(bytes.p + used, bytes.n - used);
        enum base_err err = BASE_OK;
        if (event == NET_MULTIPART_PART) {
            err = begin(p);
        } else if (event == NET_MULTIPART_DATA && p->in_manifest) {
            base_buf_add(&p->manifest, data.p, data.n);
        } else if (event == NET_MULTIPART_DATA) {
            ingest_many_write(p->many, data);
        } else if (event == NET_MULTIPART_PART_END) {
            ingest_many_end(p->many);
        } else if (event == NET_MULTIPART_REFUSED) {
            *cause = p->parser.cause;
            return BASE_EFORMAT;
        }
        if (err) {
            *cause = err == BASE_ELIMIT ? "a request may have 10000 files; send the rest in another"
                                        : "the server is out of memory; send it again later";
            return err;
        }
    } while (event != NET_MULTIPART_MORE);
    return BASE_OK;
}

enum base_err ingest_parts_end(const struct ingest_parts *p, const char **cause)
{
    if (!net_multipart_complete(&p->parser))
        *cause = net_multipart_lack(&p->parser);
    else if (p->files == 0)
        *cause = p->form ? "no part has a file name" : "there is no part";
    else
        return BASE_OK;
    return BASE_EFORMAT;
}
