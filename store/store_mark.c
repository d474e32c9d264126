/* What files of their own say of themselves, in extended attributes. */
#include "store/store_priv.h"
#include "store/store_record.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FOLDER_MARK "user.rdc.marks"
#define FILE_MARK   "user.rdc.object"

enum { MARK_SIZE = 16 + BASE_SHA256 };

enum base_err store_mark_folder(const struct store_fs *fs, const char *folder, bool *marks)
{
    enum base_err err = BASE_OK;
    int fd = fs->open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return base_err_from_errno(errno);
    *marks = fs->fsetxattr(fd, FOLDER_MARK, "1", 1, 0) == 0;
    if (!*marks && errno != EOPNOTSUPP)
        err = base_err_from_errno(errno);
    close(fd);
    return err;
}

bool store_mark_is_promised(const char *root, const char *location)
{
    char name[STORE_LOCATION];
    char folder[STORE_PATH + STORE_LOCATION];
    snprintf(name, sizeof name, "%s", location);
    name[strcspn(name, "/")] = '\0';
    if (snprintf(folder, sizeof folder, "%s/%s", root, name) >= (int)sizeof folder)
        return false;
    return getxattr(folder, FOLDER_MARK, NULL, 0) >= 0;
}

enum base_err store_mark_write(const struct store_fs *fs, int fd, const struct store_object *object)
{
    uint8_t mark[MARK_SIZE];
    uint64_t size = htole64(object->size);
    uint64_t digested = htole64(object->digested);
    memcpy(mark, &size, sizeof size);
    memcpy(mark + 8, &digested, sizeof digested);
    memcpy(mark + 16, object->sha256, BASE_SHA256);
    return fs->fsetxattr(fd, FILE_MARK, mark, sizeof mark, 0) == 0 ? BASE_OK
                                                                   : base_err_from_errno(errno);
}

bool store_mark_read(int fd, struct store_object *out)
{
    uint8_t mark[MARK_SIZE];
    if (fgetxattr(fd, FILE_MARK, mark, sizeof mark) != MARK_SIZE)
        return false;
    memcpy(&out->size, mark, sizeof out->size);
    memcpy(&out->digested, mark + 8, sizeof out->digested);
    memcpy(out->sha256, mark + 16, BASE_SHA256);
    out->size = le64toh(out->size);
    out->digested = le64toh(out->digested);
    return true;
}
