/* A disk that can be full or slow: loaded in front of the C library by the fault harness.
 *
 * FAULTY_DISK names a file of four 64-bit numbers that all processes share:
 * the bytes that still fit (negative: any number), the pause before each sync in microseconds,
 * how many writes were refused, how many syncs were delayed. Only regular files are concerned. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct disk {
    _Atomic int64_t room, pause_us, refused, delayed;
};

static struct disk *disk;

__attribute__((constructor)) static void open_disk(void) {
    const char *path = getenv("FAULTY_DISK");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *shared = mmap(NULL, sizeof *disk, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (shared != MAP_FAILED) disk = shared;
}

static int is_regular(int fd) {
    struct stat stat;
    return fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode);
}

/* How many of so many bytes fit; the last write that fits is cut short, as on a real disk. */
static size_t room_for(int fd, size_t len) {
    if (!disk || atomic_load(&disk->room) < 0 || !is_regular(fd)) return len;
    int64_t left = atomic_load(&disk->room);
    for (;;) {
        if (left < 0) return len;
        int64_t taken = left < (int64_t)len ? left : (int64_t)len;
        if (atomic_compare_exchange_weak(&disk->room, &left, left - taken)) {
            if (taken < (int64_t)len) atomic_fetch_add(&disk->refused, 1);
            return (size_t)taken;
        }
    }
}

static int is_full(int fd) {
    int full = disk && atomic_load(&disk->room) >= 0 && is_regular(fd);
    if (full) atomic_fetch_add(&disk->refused, 1);
    return full;
}

static void pause_for(int fd) {
    int64_t pause = disk ? atomic_load(&disk->pause_us) : 0;
    if (pause <= 0 || !is_regular(fd)) return;
    atomic_fetch_add(&disk->delayed, 1);
    usleep((useconds_t)pause);
}

#define REAL(name) ((__typeof__(&name))real(&real_##name, #name))
#define KEEP(name) static void *_Atomic real_##name

static void *real(void *_Atomic *kept, const char *name) {
    void *found = atomic_load(kept);
    if (!found) atomic_store(kept, found = dlsym(RTLD_NEXT, name));
    return found;
}

KEEP(write); KEEP(pwrite); KEEP(pwrite64); KEEP(writev); KEEP(pwritev); KEEP(pwritev64);
KEEP(fsync); KEEP(fdatasync); KEEP(ftruncate); KEEP(ftruncate64);
KEEP(fallocate); KEEP(fallocate64); KEEP(posix_fallocate); KEEP(posix_fallocate64);

#define WRITE(name, offset_type)                                                   \
    ssize_t name(int fd, const void *bytes, size_t len, offset_type at) {          \
        size_t fits = room_for(fd, len);                                           \
        if (len && !fits) { errno = ENOSPC; return -1; }                           \
        return REAL(name)(fd, bytes, fits, at);                                    \
    }
WRITE(pwrite, off_t)
WRITE(pwrite64, off64_t)

ssize_t write(int fd, const void *bytes, size_t len) {
    size_t fits = room_for(fd, len);
    if (len && !fits) { errno = ENOSPC; return -1; }
    return REAL(write)(fd, bytes, fits);
}

static size_t length(const struct iovec *parts, int count) {
    size_t len = 0;
    for (int nth = 0; nth < count; nth++) len += parts[nth].iov_len;
    return len;
}

/* What does not fit as a whole is refused as a whole. */
static int all_fit(int fd, const struct iovec *parts, int count) {
    size_t len = length(parts, count);
    return room_for(fd, len) == len;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!all_fit(fd, parts, count)) { errno = ENOSPC; return -1; }
    return REAL(writev)(fd, parts, count);
}

#define WRITE_PARTS(name, offset_type)                                             \
    ssize_t name(int fd, const struct iovec *parts, int count, offset_type at) {   \
        if (!all_fit(fd, parts, count)) { errno = ENOSPC; return -1; }           \
        return REAL(name)(fd, parts, count, at);                                   \
    }
WRITE_PARTS(pwritev, off_t)
WRITE_PARTS(pwritev64, off64_t)

int fsync(int fd) {
    pause_for(fd);
    return REAL(fsync)(fd);
}

int fdatasync(int fd) {
    pause_for(fd);
    return REAL(fdatasync)(fd);
}

#define TRUNCATE(name, offset_type)                                                \
    int name(int fd, offset_type len) {                                            \
        struct stat stat;                                                          \
        int grows = fstat(fd, &stat) == 0 && len > stat.st_size;                   \
        if (grows && is_full(fd)) { errno = ENOSPC; return -1; }                   \
        return REAL(name)(fd, len);                                                \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define ALLOCATE(name, offset_type)                                                \
    int name(int fd, int mode, offset_type at, offset_type len) {                  \
        if (is_full(fd)) { errno = ENOSPC; return -1; }                            \
        return REAL(name)(fd, mode, at, len);                                      \
    }
ALLOCATE(fallocate, off_t)
ALLOCATE(fallocate64, off64_t)

#define POSIX_ALLOCATE(name, offset_type)                                          \
    int name(int fd, offset_type at, offset_type len) {                            \
        if (is_full(fd)) return ENOSPC;                                            \
        return REAL(name)(fd, at, len);                                            \
    }
POSIX_ALLOCATE(posix_fallocate, off_t)
POSIX_ALLOCATE(posix_fallocate64, off64_t)
