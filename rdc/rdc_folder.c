#include "rdc/rdc_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* An errno, 0 = it can be used. */
static int look(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) ? errno : 0;
    static const char *const inner[] = {".done", ".refused"};
    for (size_t i = 0; i < sizeof inner / sizeof inner[0] && !error; i++)
        if (faccessat(fd, inner[i], W_OK | X_OK, AT_EACCESS) && errno != ENOENT)
            error = errno;
    close(fd);
    return error;
}

/* In a process of its own, since what is given up with the user cannot be taken back. */
static int look_as(const struct passwd *user, const char *folder)
{
    int status;
    pid_t pid = fork();
    if (pid < 0)
        return errno;
    if (pid == 0) {
        bool changed = !initgroups(user->pw_name, user->pw_gid) && !setgid(user->pw_gid) &&
                       !setuid(user->pw_uid);
        _exit(changed ? look(folder) : errno);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

static const char *remedy(int error)
{
    switch (error) {
    case ENOENT:
        return "make the folder or mount it, and let this user read it and write into it";
    case ENOTDIR:
        return "name the folder that the device writes into, not a file";
    case EACCES:
    case EPERM:
        return "let this user pass the folders above it, read it and write into it, and into "
               ".done and .refused in it";
    case EROFS:
        return "mount it so that it can be written to: files are moved to .done in it";
    default:
        return "see that it can be read and written to";
    }
}

bool rdc_folder_usable(const char *folder, const char *data, char *why, size_t size)
{
    struct stat st;
    const struct passwd *user = getpwuid(geteuid());
    bool other = geteuid() == 0 && stat(data, &st) == 0 && st.st_uid != 0;
    if (other)
        user = getpwuid(st.st_uid);
    int error = other && user ? look_as(user, folder) : look(folder);
    if (error)
        snprintf(why, size, "%s cannot be watched by the user %s: %s; %s", folder,
                 user ? user->pw_name : "that runs this", strerror(error), remedy(error));
    return error == 0;
}
