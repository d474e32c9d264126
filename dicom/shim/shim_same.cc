/* Whether two files hold the same object in different encodings. */
#include "dicom/shim/shim.h"
#include "dicom/shim/shim_priv.h"

extern "C" {
#include "base/digest.h"
}

static bool is_compressed(const char *path)
{
    DcmFileFormat file;
    OFString uid;
    return file.loadFile(path, EXS_Unknown, EGL_noChange, DCM_MaxReadLength, ERM_metaOnly).good() &&
           file.getMetaInfo()->findAndGetOFString(DCM_TransferSyntaxUID, uid).good() &&
           DcmXfer(uid.c_str()).isEncapsulated();
}

/* Removes what depends on the transfer syntax alone. Encoders describe themselves in
 * Derivation Description (PS3.3 C.7.6.1.1.3). */
static void strip(DcmDataset &ds, bool compressed)
{
    if (compressed)
        ds.findAndDeleteElement(DCM_DerivationDescription);
    ds.findAndDeleteElement(DCM_DataSetTrailingPadding, OFTrue, OFTrue);
    ds.computeGroupLengthAndPadding(EGL_withoutGL, EPD_withoutPadding, EXS_LittleEndianImplicit,
                                    EET_ExplicitLength);
}

/* The digest of the data set in implicit VR little endian, which hides byte
 * order and value representations, with sequences of defined length. */
static OFCondition digest_of(DcmDataset &ds, struct base_sha256 *sha, uint8_t out[BASE_SHA256])
{
    OFCondition cond = shim_encode(ds, EXS_LittleEndianImplicit,
                                   [sha](const void *p, size_t n) { base_sha256_add(sha, p, n); });
    base_sha256_end(sha, out);
    return cond;
}

static enum base_err digest_file(const char *path, bool compressed, struct base_sha256 *sha,
                                 uint8_t out[BASE_SHA256], struct base_error *e)
{
    DcmFileFormat file;
    struct shim_source src = {path, {nullptr, 0}};
    enum base_err err = shim_load(src, file, DCM_MaxReadLength, e);
    if (err)
        return err;
    DcmDataset *ds = file.getDataset();
    OFCondition cond = ds->chooseRepresentation(EXS_LittleEndianExplicit, nullptr);
    if (cond.bad())
        return base_fail(e, BASE_EUNSUPPORTED, BASE_NOPOS, "cannot decode: %s", cond.text());
    ds->removeAllButCurrentRepresentations();
    strip(*ds, compressed);
    cond = digest_of(*ds, sha, out);
    if (cond.bad())
        return base_fail(e, BASE_EUNSUPPORTED, BASE_NOPOS, "cannot encode: %s", cond.text());
    return BASE_OK;
}

enum base_err shim_same_object(const char *a, const char *b, bool *same, struct base_error *e)
{
    return shim_guard(
        e, [&]() -> enum base_err {
            uint8_t first[BASE_SHA256];
            uint8_t second[BASE_SHA256];
            struct base_sha256 *sha = base_sha256_new();
            if (!sha)
                return base_fail(e, BASE_ENOMEM, BASE_NOPOS, "out of memory");
            bool compressed = is_compressed(a) || is_compressed(b);
            enum base_err err = digest_file(a, compressed, sha, first, e);
            if (!err)
                err = digest_file(b, compressed, sha, second, e);
            base_sha256_free(sha);
            if (!err)
                *same = memcmp(first, second, sizeof first) == 0;
            return err;
        });
}
