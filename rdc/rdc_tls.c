#include "rdc/rdc_tls.h"

#include "base/clock.h"
#include "base/log.h"

enum { WARN_DAYS = 30, DAY_S = 86400 };

static enum base_err open_server(const struct base_conf *conf, const struct base_conf_addr *address,
                                 enum net_tls_peer peer, struct net_tls_context **out,
                                 struct base_error *error)
{
    struct net_tls_config config = {.certificate = conf->tls_certificate,
                                    .key = conf->tls_key,
                                    .ca = conf->tls_client_ca,
                                    .peer = peer};
    return address->host[0] ? net_tls_context_new(&config, out, error) : BASE_OK;
}

static enum base_err open_client(const struct base_conf *conf, struct net_tls_context **out,
                                 struct base_error *error)
{
    struct net_tls_config config = {.client = true,
                                    .certificate = conf->tls_certificate,
                                    .key = conf->tls_key,
                                    .ca = conf->tls_peer_ca,
                                    .peer = NET_TLS_PEER_REQUIRED,
                                    .peer_name = conf->tls_peer_name};
    return net_tls_context_new(&config, out, error);
}

static void warn_of_end(const struct net_tls_context *c)
{
    int64_t left = net_tls_context_expires(c) - base_clock_wall_us() / 1000000;
    if (net_tls_context_expires(c) && left < (int64_t)WARN_DAYS * DAY_S)
        BASE_LOG(WARN, "certificate_expires", LOG_I("days_left", left / DAY_S),
                 LOG_S("remedy", "renew the file of tls.certificate and send SIGHUP to rdc serve"));
}

enum base_err rdc_tls_open(const struct base_conf *conf, struct rdc_tls *out,
                           struct base_error *error)
{
    /* With CAs, a device's certificate must be signed by one of them; without, it counts only
     * if its fingerprint is registered. */
    enum net_tls_peer devices = conf->tls_client_ca[0] ? NET_TLS_PEER_REQUIRED : NET_TLS_PEER_ASKED;
    struct rdc_tls t = {0};
    enum base_err err =
        open_server(conf, &conf->https_address, NET_TLS_PEER_ANONYMOUS, &t.https, error);
    if (!err)
        err = open_server(conf, &conf->dicom_tls_address, devices, &t.dicom_tls, error);
    if (!err)
        err = open_server(conf, &conf->hl7_tls_address, devices, &t.hl7_tls, error);
    if (!err)
        err = open_client(conf, &t.peers, error);
    if (err) {
        rdc_tls_close(&t);
        return err;
    }
    warn_of_end(t.peers);
    *out = t;
    return BASE_OK;
}

void rdc_tls_reload(struct rdc_tls *t)
{
    struct net_tls_context *const all[] = {t->https, t->dicom_tls, t->hl7_tls, t->peers};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct base_error error = {.msg = ""};
        if (all[i] && net_tls_context_reload(all[i], &error)) {
            BASE_LOG(ERROR, "certificates_not_reloaded", LOG_S("error", error.msg));
            return;
        }
    }
    BASE_LOG(INFO, "certificates_reloaded", LOG_I("expires", net_tls_context_expires(t->peers)));
    warn_of_end(t->peers);
}

void rdc_tls_close(struct rdc_tls *t)
{
    net_tls_context_free(t->https);
    net_tls_context_free(t->dicom_tls);
    net_tls_context_free(t->hl7_tls);
    net_tls_context_free(t->peers);
    *t = (struct rdc_tls){0};
}
