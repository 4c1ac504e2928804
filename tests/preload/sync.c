/* Stands before the C library's fsync and fdatasync (LD_PRELOAD), and makes two faults of a disk:
 *
 * - SYNC_FAILS names a file. While it exists, its text is the end of the paths whose sync fails
 *   with EIO; nothing else changes, as on a disk that loses a write.
 * - SYNC_KEEPS names a folder. Each file that was synced is kept there as it was then, so that the
 *   folder is what a power cut would leave: nothing that was not synced.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef int (*sync_function)(int);

static int ends_with(const char *text, const char *end) {
    size_t length = strlen(text), end_length = strlen(end);
    return end_length > 0 && length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static int is_to_fail(const char *path) {
    const char *control = getenv("SYNC_FAILS");
    FILE *file = control ? fopen(control, "r") : NULL;
    char end[128] = "";
    if (!file) return 0;
    if (fscanf(file, "%127s", end) != 1) end[0] = '\0';
    fclose(file);
    return ends_with(path, end);
}

static int copy(int from, int to) {
    static __thread char part[1 << 16];
    off_t at = 0;
    ssize_t length;
    while ((length = pread(from, part, sizeof part, at)) > 0) {
        if (write(to, part, (size_t)length) != length) return -1;
        at += length;
    }
    return length < 0 ? -1 : 0;
}

/* A copy under its own name takes the place of the one before in one step. */
static void keep(int fd, const char *path) {
    const char *folder = getenv("SYNC_KEEPS"), *name = strrchr(path, '/');
    char kept[PATH_MAX], unfinished[PATH_MAX];
    struct stat status;
    if (!folder || !name || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return;
    if (snprintf(kept, sizeof kept, "%s%s", folder, name) >= (int)sizeof kept) abort();
    if (snprintf(unfinished, sizeof unfinished, "%s%s.unfinished", folder, name) >= (int)sizeof unfinished) abort();
    int to = open(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    /* A test that cannot keep what it compares with must not pass. */
    if (to < 0 || copy(fd, to) != 0 || close(to) != 0 || rename(unfinished, kept) != 0) abort();
}

static int sync_by(const char *name, int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = '\0';
    if (is_to_fail(path)) {
        errno = EIO;
        return -1;
    }
    sync_function real = (sync_function)dlsym(RTLD_NEXT, name);
    int result = real(fd);
    if (result == 0) keep(fd, path);
    return result;
}

int fsync(int fd) { return sync_by("fsync", fd); }

int fdatasync(int fd) { return sync_by("fdatasync", fd); }
