/*
 * Pinyin: Chinese names and texts in plain ASCII, through ICU's tables. For
 * devices that read nothing else, and to find the same name written in two ways.
 *
 * The first call in a process compiles ICU's rules, which takes some hundred
 * milliseconds: model_pinyin_warm does that where nobody waits. Safe from any
 * thread.
 */
#ifndef MODEL_PINYIN_H
#define MODEL_PINYIN_H

#include "base/buf.h"
#include "base/err.h"

enum { MODEL_PINYIN_MAX = 1024 /* characters of a text; more are cut off */ };

void model_pinyin_warm(void);
/* Appends a person name (PN, UTF-8) as one group of capitals, "CE SHI YI" as
 * "CE^SHIYI": the first syllable of an undivided Chinese name is the family
 * name, or two for the compound ones (欧阳 …). Of several groups the one with Hanzi
 * is taken, else the first. Without Hanzi the text is only put into capitals.
 * BASE_EINVAL when it is not UTF-8, BASE_ENOMEM. */
BASE_MUST_CHECK enum base_err model_pinyin_name(const char *name, size_t n, struct base_buf *out);
/* Appends any text in ASCII; what has no Latin form becomes '?'. */
BASE_MUST_CHECK enum base_err model_pinyin_text(const char *text, size_t n, struct base_buf *out);

#endif
