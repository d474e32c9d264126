/*
 * Passwords, hashed with argon2id (libsodium, interactive limits: 64 MiB, tens
 * of milliseconds). Both functions block and belong on the CPU pool or in a
 * command.
 */
#ifndef MODEL_PASSWORD_H
#define MODEL_PASSWORD_H

#include "base/err.h"

#include <stdbool.h>

enum { MODEL_PASSWORD_HASH = 128, MODEL_PASSWORD_MIN = 8, MODEL_PASSWORD_MAX = 256 };

/* A printable hash with its salt and limits. BASE_EINVAL when the password is
 * shorter or longer than allowed, BASE_ENOMEM. */
enum base_err model_password_hash(const char *password,
                                  char out[MODEL_PASSWORD_HASH]) BASE_MUST_CHECK;
/* hash NULL or "" stands for a person who does not exist: as slow, and false. */
bool model_password_matches(const char *hash, const char *password);

#endif
