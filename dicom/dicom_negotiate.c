#include "dicom/dicom_negotiate.h"

static const struct dicom_offer *find_offer(const char *sop_class, const struct dicom_offer *offers,
                                            unsigned n)
{
    unsigned flags = dicom_sop_flags_of(sop_class);
    for (unsigned i = 0; i < n; i++) {
        if (offers[i].sop_class ? strcmp(offers[i].sop_class, sop_class) == 0
                                : flags & offers[i].flags)
            return &offers[i];
    }
    return NULL;
}

static bool allowed(const struct dicom_syntax *s, enum dicom_offer_syntaxes syntaxes)
{
    if (!s || !(s->flags & DICOM_TS_STORED))
        return false;
    return syntaxes == DICOM_OFFER_STORED || strcmp(s->uid, DICOM_UID_IMPLICIT_LE) == 0 ||
           strcmp(s->uid, DICOM_UID_EXPLICIT_LE) == 0 || strcmp(s->uid, DICOM_UID_EXPLICIT_BE) == 0;
}

/* NULL when none of the proposed ones will do. */
static const char *choose_syntax(const struct dicom_context *rq, enum dicom_offer_syntaxes syntaxes)
{
    const struct dicom_syntax *first = NULL;
    bool explicit_le = false;
    for (unsigned i = 0; i < rq->n_syntaxes; i++) {
        const struct dicom_syntax *s = dicom_syntax_find(rq->syntaxes[i]);
        if (!allowed(s, syntaxes))
            continue;
        if (!first)
            first = s;
        explicit_le |= strcmp(s->uid, DICOM_UID_EXPLICIT_LE) == 0;
    }
    if (!first)
        return NULL;
    return explicit_le && first->encoding != DICOM_EXPLICIT_LE ? DICOM_UID_EXPLICIT_LE : first->uid;
}

static struct dicom_context answer(const struct dicom_context *rq, const struct dicom_offer *offer,
                                   const char **syntax)
{
    const char *chosen = offer ? choose_syntax(rq, offer->syntaxes) : NULL;
    /* PS3.8 9.3.3.2: one transfer syntax also in a refused context, without meaning. */
    *syntax = chosen ? chosen : DICOM_UID_IMPLICIT_LE;
    enum dicom_context_result result = DICOM_CONTEXT_ACCEPTED;
    if (!offer)
        result = DICOM_CONTEXT_ABSTRACT_SYNTAX;
    else if (!chosen)
        result = DICOM_CONTEXT_TRANSFER_SYNTAXES;
    return (struct dicom_context){
        .id = rq->id, .result = (uint8_t)result, .n_syntaxes = 1, .syntaxes = syntax};
}

/* PS3.7 D.3.3.4: only what was proposed is answered, and 1 only where 1 was proposed. */
static enum base_err answer_roles(const struct dicom_associate *rq,
                                  const struct dicom_offer *offers, unsigned n_offers,
                                  struct base_arena *arena, struct dicom_associate *ac)
{
    if (rq->n_roles == 0)
        return BASE_OK;
    struct dicom_role *roles = base_arena_alloc(arena, rq->n_roles * sizeof *roles);
    if (!roles)
        return BASE_ENOMEM;
    for (unsigned i = 0; i < rq->n_roles; i++) {
        const struct dicom_role *r = &rq->roles[i];
        const struct dicom_offer *offer = find_offer(r->sop_class, offers, n_offers);
        if (offer)
            roles[ac->n_roles++] = (struct dicom_role){r->sop_class, r->scu && offer->requestor_scu,
                                                       r->scp && offer->requestor_scp};
    }
    ac->roles = roles;
    return BASE_OK;
}

enum base_err dicom_negotiate(const struct dicom_associate *rq, const struct dicom_offer *offers,
                              unsigned n_offers, uint32_t max_length, struct base_arena *arena,
                              struct dicom_associate *ac, unsigned *n_accepted)
{
    struct dicom_associate a = {
        .version = 1,
        .application_context = DICOM_UID_APPLICATION_CONTEXT,
        .max_length = max_length,
        .implementation_class = DICOM_IMPLEMENTATION_UID,
        .implementation_version = DICOM_IMPLEMENTATION_VERSION,
        .has_async = rq->has_async,
        .async_invoked = 1,
        .async_performed = 1,
    };
    unsigned n = rq->n_contexts;
    unsigned accepted = 0;
    struct dicom_context *contexts = base_arena_alloc(arena, (n ? n : 1) * sizeof *contexts);
    const char **syntaxes = base_arena_alloc(arena, (n ? n : 1) * sizeof *syntaxes);
    if (!contexts || !syntaxes)
        return BASE_ENOMEM;
    memcpy(a.called, rq->called, sizeof a.called);
    memcpy(a.calling, rq->calling, sizeof a.calling);
    for (unsigned i = 0; i < n; i++) {
        const struct dicom_context *c = &rq->contexts[i];
        contexts[i] = answer(c, find_offer(c->abstract, offers, n_offers), &syntaxes[i]);
        accepted += contexts[i].result == DICOM_CONTEXT_ACCEPTED;
    }
    a.contexts = contexts;
    a.n_contexts = n;
    enum base_err err = answer_roles(rq, offers, n_offers, arena, &a);
    if (err)
        return err;
    *ac = a;
    if (n_accepted)
        *n_accepted = accepted;
    return BASE_OK;
}
