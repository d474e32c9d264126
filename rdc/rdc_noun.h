/*
 * rdc NOUN VERB: what a verb of the operator's nouns takes, and its arguments read into the
 * parameters of the verb's query, in the order of the table.
 */
#ifndef RDC_NOUN_H
#define RDC_NOUN_H

#include "db/db.h"
#include "model/model_password.h"

#include <stdio.h>

enum rdc_noun_kind {
    RDC_ARG_END,
    RDC_ARG_NAME,     /* positional, required */
    RDC_ARG_TEXT,     /* --flag VALUE */
    RDC_ARG_INT,      /* --flag NUMBER */
    RDC_ARG_LIMIT,    /* --flag NUMBER, also with K, M, G; "default" */
    RDC_ARG_HOSTPORT, /* --flag HOST:PORT, two parameters */
    RDC_ARG_PEER,     /* --flag AET@HOST:PORT, three parameters */
    RDC_ARG_STEPS,    /* --two-step or --one-step */
    RDC_ARG_TLS,      /* --tls or --no-tls */
    RDC_ARG_WATCH,    /* --flag DIR: a folder that rdc serve can use; "none" */
    RDC_ARG_PRINT,    /* --flag SHA256|FILE: of a certificate; "none" */
    RDC_ARG_PASSWORD, /* --password-stdin: the first line of standard input, hashed */
    RDC_ARG_PINYIN,   /* no argument: --patient-name in pinyin */
    RDC_ARG_TRUE,     /* no argument: the parameter true */
    RDC_ARG_FALSE,
};

struct rdc_noun_arg {
    enum rdc_noun_kind kind;
    bool required;
    const char *name; /* flag with its dashes, or the name of the positional */
    const char *hint; /* what stands for the value in the help */
};

enum { RDC_NOUN_ARGS = 20, RDC_NOUN_PARAMS = 20 };

struct rdc_noun_verb {
    const char *noun;
    const char *verb;
    enum db_query query;
    struct rdc_noun_arg args[RDC_NOUN_ARGS];
};

/* The values of one call, in the order of the verb's arguments. */
struct rdc_noun_call {
    const struct rdc_noun_verb *verb;
    const char *values[RDC_NOUN_ARGS]; /* NULL = not given */
    bool json;
    struct db_param params[RDC_NOUN_PARAMS];
    size_t n;
    char split[RDC_NOUN_PARAMS][256]; /* parts of HOST:PORT and AET@HOST:PORT */
    char hash[MODEL_PASSWORD_HASH];
};

/* "rdc NOUN VERB ARGUMENTS" and the end of the line. */
void rdc_noun_usage(FILE *to, const struct rdc_noun_verb *v);
/* Arguments after the verb; c->verb is set. Not 0: the exit status, and why is said. */
int rdc_noun_read(struct rdc_noun_call *c, int argc, char **argv);
/* The value given for this flag; NULL: none, or the verb has no such flag. */
const char *rdc_noun_value(const struct rdc_noun_call *c, const char *flag);

#endif
