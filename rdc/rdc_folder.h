/* Whether `rdc serve` will be able to use a folder that an operator names for it. */
#ifndef RDC_FOLDER_H
#define RDC_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

/* May files be read in this folder, and be moved into .done and .refused in it? Asked as the
 * user who owns the data folder, where the caller is root. False: why says what stands in
 * the way, and what to do about it. */
bool rdc_folder_usable(const char *folder, const char *data, char *why, size_t size);

#endif
