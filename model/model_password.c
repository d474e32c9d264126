#include "model/model_password.h"

#include <sodium.h>
#include <string.h>

_Static_assert(MODEL_PASSWORD_HASH >= crypto_pwhash_argon2id_STRBYTES, "room for the hash");

enum base_err model_password_hash(const char *password, char out[MODEL_PASSWORD_HASH])
{
    size_t n = strlen(password);
    if (n < MODEL_PASSWORD_MIN || n > MODEL_PASSWORD_MAX)
        return BASE_EINVAL;
    if (sodium_init() < 0)
        return BASE_EINTERNAL;
    if (crypto_pwhash_argon2id_str(out, password, n, crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE,
                                   crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE) != 0)
        return BASE_ENOMEM;
    return BASE_OK;
}

bool model_password_matches(const char *hash, const char *password)
{
    size_t n = strnlen(password, MODEL_PASSWORD_MAX + 1);
    if (sodium_init() < 0 || n > MODEL_PASSWORD_MAX)
        return false;
    if (!hash || !hash[0]) {
        /* The time a log-in takes must not tell whether the name exists. */
        char unused[MODEL_PASSWORD_HASH];
        if (crypto_pwhash_argon2id_str(unused, password, n,
                                       crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE,
                                       crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE) != 0)
            return false;
        return false;
    }
    return crypto_pwhash_argon2id_str_verify(hash, password, n) == 0;
}
