/*
 * Makes the N-th system call of a kind fail in the program that it is preloaded into (LD_PRELOAD).
 *
 * INJECT_LOG     the file to which every counted call is appended: number, kind, what it worked on
 * INJECT_KIND    the kind that fails: write, sync, create, say, connect, send, recv
 * INJECT_AT      the number of the first call that fails, from 1
 * INJECT_LAST    the number of the last one
 * INJECT_ERRNO   the number of its error
 *
 * Only what the kernel lets fail so is counted: a regular file has no reset, a socket no full disk, and the handles that a
 * runtime wakes itself with fail never. A socket that failed is dead from then on. What was read and then "failed" is lost.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum kind { WRITE, SYNC, CREATE, SAY, CONNECT, SEND, RECV, KINDS };

static const char *const NAMES[KINDS] = {"write", "sync", "create", "say", "connect", "send", "recv"};
static atomic_long counts[KINDS];
static int log_fd = -1, failing = -1, error;
static long first, last;

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("INJECT_LOG"), *kind = getenv("INJECT_KIND");
    if (path) log_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    for (int i = 0; kind && i < KINDS; i++)
        if (!strcmp(kind, NAMES[i])) failing = i;
    first = number("INJECT_AT");
    last = number("INJECT_LAST");
    error = (int)number("INJECT_ERRNO");
}

/* Counts a call; whether it is to fail. */
static int fails(enum kind kind, const char *on) {
    long count = atomic_fetch_add(&counts[kind], 1) + 1;
    int hit = (int)kind == failing && count >= first && count <= last;
    char line[600];
    int length = snprintf(line, sizeof line, "%ld %s %s%s\n", count, NAMES[kind], on, hit ? " failed" : "");
    if (length >= (int)sizeof line) length = sizeof line - 1;
    if (log_fd >= 0) syscall(SYS_write, log_fd, line, (size_t)length);
    if (hit) errno = error;
    return hit;
}

/* Whether an address is another program's: an upstream's port, or the socket of PostgreSQL; not the name service's. */
static int is_server(const struct sockaddr *peer, char *on, size_t size) {
    if (peer->sa_family == AF_INET) {
        snprintf(on, size, ":%d", ntohs(((const struct sockaddr_in *)peer)->sin_port));
        return 1;
    }
    const char *path = ((const struct sockaddr_un *)peer)->sun_path;
    if (peer->sa_family != AF_UNIX || !strstr(path, "/.s.PGSQL.")) return 0;
    snprintf(on, size, "%s", path);
    return 1;
}

/* What a handle is: its path, or its peer's address. Whether it is one that can fail. */
static int describe(int fd, char *on, size_t size, int *is_socket) {
    struct stat found;
    int before = errno, known = 0;
    *is_socket = 0;
    if (fd != log_fd && !fstat(fd, &found)) {
        if (S_ISSOCK(found.st_mode)) {
            struct sockaddr_storage peer = {0};
            socklen_t length = sizeof peer;
            if (!getpeername(fd, (struct sockaddr *)&peer, &length))
                known = *is_socket = is_server((struct sockaddr *)&peer, on, size);
        } else if (S_ISREG(found.st_mode) || fd == 1 || fd == 2) {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
            ssize_t length = readlink(link, on, size - 1);
            on[length > 0 ? length : 0] = 0;
            known = 1;
        }
    }
    errno = before;
    return known;
}

/* Whether something written to a handle is to fail. */
static int write_fails(int fd, enum kind to_file) {
    char on[512];
    int is_socket;
    if (!describe(fd, on, sizeof on, &is_socket)) return 0;
    enum kind kind = is_socket ? SEND : fd == 1 || fd == 2 ? SAY : to_file;
    if (!fails(kind, on)) return 0;
    if (is_socket) shutdown(fd, SHUT_RDWR), errno = error;
    return 1;
}

/* Whether what was read is to be lost. */
static ssize_t after_read(int fd, ssize_t result) {
    char on[512];
    int is_socket;
    if (result <= 0 || !describe(fd, on, sizeof on, &is_socket) || !is_socket || !fails(RECV, on)) return result;
    shutdown(fd, SHUT_RDWR);
    errno = error;
    return -1;
}

#define REAL(name, result, ...)                                                \
    static result (*real)(__VA_ARGS__);                                        \
    if (!real) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *data, size_t size) {
    REAL("write", ssize_t, int, const void *, size_t);
    return write_fails(fd, WRITE) ? -1 : real(fd, data, size);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    REAL("pwrite64", ssize_t, int, const void *, size_t, off64_t);
    return write_fails(fd, WRITE) ? -1 : real(fd, data, size, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL("writev", ssize_t, int, const struct iovec *, int);
    return write_fails(fd, WRITE) ? -1 : real(fd, parts, count);
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
    REAL("send", ssize_t, int, const void *, size_t, int);
    return write_fails(fd, WRITE) ? -1 : real(fd, data, size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    REAL("sendmsg", ssize_t, int, const struct msghdr *, int);
    return write_fails(fd, WRITE) ? -1 : real(fd, message, flags);
}

ssize_t read(int fd, void *data, size_t size) {
    REAL("read", ssize_t, int, void *, size_t);
    return after_read(fd, real(fd, data, size));
}

ssize_t readv(int fd, const struct iovec *parts, int count) {
    REAL("readv", ssize_t, int, const struct iovec *, int);
    return after_read(fd, real(fd, parts, count));
}

ssize_t recv(int fd, void *data, size_t size, int flags) {
    REAL("recv", ssize_t, int, void *, size_t, int);
    return after_read(fd, real(fd, data, size, flags));
}

int fsync(int fd) {
    REAL("fsync", int, int);
    return write_fails(fd, SYNC) ? -1 : real(fd);
}

int fdatasync(int fd) {
    REAL("fdatasync", int, int);
    return write_fails(fd, SYNC) ? -1 : real(fd);
}

int ftruncate64(int fd, off64_t size) {
    REAL("ftruncate64", int, int, off64_t);
    return write_fails(fd, WRITE) ? -1 : real(fd, size);
}

int connect(int fd, const struct sockaddr *to, socklen_t length) {
    REAL("connect", int, int, const struct sockaddr *, socklen_t);
    char on[512];
    return is_server(to, on, sizeof on) && fails(CONNECT, on) ? -1 : real(fd, to, length);
}

#define OPEN(name)                                                             \
    int name(const char *path, int flags, ...) {                               \
        REAL(#name, int, const char *, int, ...);                              \
        va_list rest;                                                          \
        va_start(rest, flags);                                                 \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;              \
        va_end(rest);                                                          \
        if (flags & O_CREAT && access(path, F_OK) && fails(CREATE, path)) return -1; \
        return real(path, flags, mode);                                        \
    }

OPEN(open)
OPEN(open64)
