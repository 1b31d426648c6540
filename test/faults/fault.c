/*
 * Preloaded into a tool, makes one thing go wrong between it and the C library. FAULT says what, in five words:
 *
 *   KIND   kill int term hup     the signal, once
 *          interrupt             SIGINT to the whole process group, as a terminal sends it
 *          EIO ENOSPC ...        as a number: this error, from then on
 *          short                 from then on less is read or written than was asked for
 *          eintr                 from then on every other call is interrupted before it has done anything
 *          stall                 one call takes NUMBER milliseconds
 *          clock                 from then on the time of day is NUMBER seconds off
 *   CALLS  read write sync name truncate, or clock
 *   WHERE  in, out: what standard input or output is, by whichever descriptor; else a part of the file's path
 *   AT     bytes that passed through such calls before; for all but read and write, calls
 *   NUMBER
 *
 * Calls are cut so that exactly AT bytes pass before it happens; pagemap gives whole entries of 8 bytes only. FAULT_LOG gets a line when it does: the bytes of standard
 * input that were read by then. Programs other than node, and what node starts, are left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum calls { READ, WRITE, SYNC, NAME, TRUNCATE, CLOCK, NO_CALLS };
static const char *const CALLS[] = {"read", "write", "sync", "name", "truncate", "clock"};
static const struct {
  const char *kind;
  int signal;
} SIGNALS[] = {{"kill", SIGKILL}, {"int", SIGINT}, {"term", SIGTERM}, {"hup", SIGHUP}, {"interrupt", SIGINT}};

static enum calls calls = NO_CALLS;
static char kind[16], where[256], *logged;
static long long at, number, unit = 1;
static atomic_llong passed, taken;
static atomic_int fired;
static struct stat in, out;

#define REAL(name) \
  static __typeof__(name) *real; \
  if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
  const char *plan = getenv("FAULT");
  char which[16];
  if (!plan || strcmp(program_invocation_short_name, "node")) return;
  if (sscanf(plan, "%15s %15s %255s %lld %lld", kind, which, where, &at, &number) != 5) abort();
  for (calls = 0; calls < NO_CALLS && strcmp(which, CALLS[calls]); calls++) {}
  if (calls == NO_CALLS || fstat(0, &in) || fstat(1, &out)) abort();
  if (strstr(where, "pagemap")) unit = 8;
  at -= at % unit;
  logged = getenv("FAULT_LOG") ? strdup(getenv("FAULT_LOG")) : NULL;
  unsetenv("FAULT");
  unsetenv("LD_PRELOAD");
}

static int is_same(int fd, const struct stat *wanted) {
  struct stat found;
  return fstat(fd, &found) == 0 && found.st_dev == wanted->st_dev && found.st_ino == wanted->st_ino;
}

static int is_meant(int fd) {
  if (!strcmp(where, "in")) return is_same(fd, &in);
  if (!strcmp(where, "out")) return is_same(fd, &out);
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return strstr(path, where) != NULL;
}

static int signal_of(const char *name) {
  for (size_t i = 0; i < sizeof SIGNALS / sizeof *SIGNALS; i++)
    if (!strcmp(name, SIGNALS[i].kind)) return SIGNALS[i].signal;
  return 0;
}

/* True for whoever comes first. */
static int fires(void) {
  if (atomic_exchange(&fired, 1)) return 0;
  if (logged) {
    char line[32];
    int to = open(logged, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int length = snprintf(line, sizeof line, "%lld\n", (long long)taken);
    if (to < 0 || syscall(SYS_write, to, line, length) != length) abort();
    close(to);
  }
  return 1;
}

/* What happens instead of a call, or before it: 0, or an error to fail with. */
static int strike(void) {
  int first = fires();
  int signal = signal_of(kind);
  if (signal) {
    if (first) kill(strcmp(kind, "interrupt") ? getpid() : 0, signal);
    return 0;
  }
  if (!strcmp(kind, "stall")) {
    struct timespec pause = {number / 1000, number % 1000 * 1000000};
    if (first) nanosleep(&pause, NULL);
    return 0;
  }
  if (!strcmp(kind, "eintr")) {
    static atomic_int turn;
    return atomic_fetch_add(&turn, 1) % 2 ? 0 : EINTR;
  }
  return atoi(kind);
}

/* How many of `count` bytes the call may move, or -1 with errno. */
static ssize_t allow(enum calls which, int fd, size_t count) {
  if (which != calls || count == 0 || !is_meant(fd)) return count;
  long long before = at - passed;
  if (before > 0) return (long long)count < before ? (ssize_t)count : before;
  if (!strcmp(kind, "short")) {
    static __thread unsigned random = 1;
    fires();
    random = random * 1103515245 + 12345;
    size_t most = random >> 16 & 7 ? count : 100;
    size_t some = 1 + (random >> 8) % (count < most ? count : most);
    return (some + unit - 1) / unit * unit;
  }
  int error = strike();
  if (!error) return count;
  errno = error;
  return -1;
}

static ssize_t count_passed(enum calls which, int fd, ssize_t moved) {
  if (moved <= 0 || calls == NO_CALLS) return moved;
  int error = errno;
  if (which == calls && is_meant(fd)) atomic_fetch_add(&passed, moved);
  if (which == READ && is_same(fd, &in)) atomic_fetch_add(&taken, moved);
  errno = error;
  return moved;
}

/* For calls that move no bytes: 0, or -1 with errno. */
static int permit(enum calls which, int fd, const char *path) {
  if (which != calls || !(path ? strstr(path, where) != NULL : is_meant(fd))) return 0;
  if (atomic_fetch_add(&passed, 1) < at) return 0;
  errno = strike();
  return errno ? -1 : 0;
}

#define MOVE(which, fd, count, call) \
  ssize_t allowed = allow(which, fd, count); \
  return allowed < 0 ? -1 : count_passed(which, fd, call)

ssize_t read(int fd, void *buffer, size_t count) {
  REAL(read);
  MOVE(READ, fd, count, real(fd, buffer, allowed));
}
ssize_t pread64(int fd, void *buffer, size_t count, off_t offset) {
  REAL(pread64);
  MOVE(READ, fd, count, real(fd, buffer, allowed, offset));
}
ssize_t pread(int fd, void *buffer, size_t count, off_t offset) { return pread64(fd, buffer, count, offset); }
ssize_t write(int fd, const void *buffer, size_t count) {
  REAL(write);
  MOVE(WRITE, fd, count, real(fd, buffer, allowed));
}
ssize_t pwrite64(int fd, const void *buffer, size_t count, off_t offset) {
  REAL(pwrite64);
  MOVE(WRITE, fd, count, real(fd, buffer, allowed, offset));
}
ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset) { return pwrite64(fd, buffer, count, offset); }

static size_t sum(const struct iovec *pieces, int count) {
  size_t total = 0;
  for (int i = 0; i < count; i++) total += pieces[i].iov_len;
  return total;
}

/* The pieces that hold the first `allowed` bytes; gives their number. */
static int first_of(struct iovec *into, const struct iovec *pieces, int count, size_t allowed) {
  int used = 0;
  for (; used < count && used < IOV_MAX && allowed > 0; used++) {
    into[used] = pieces[used];
    if (into[used].iov_len > allowed) into[used].iov_len = allowed;
    allowed -= into[used].iov_len;
  }
  return used;
}

/* A call on several pieces, at an offset or, where that is -1, where the descriptor stands. */
static ssize_t move_pieces(enum calls which, int fd, const struct iovec *pieces, int count, off_t offset) {
  struct iovec some[IOV_MAX];
  size_t wanted = sum(pieces, count);
  ssize_t allowed = allow(which, fd, wanted);
  if (allowed < 0) return -1;
  int used = (size_t)allowed == wanted ? count : first_of(some, pieces, count, allowed);
  long system = which == READ ? (offset < 0 ? SYS_readv : SYS_preadv) : (offset < 0 ? SYS_writev : SYS_pwritev);
  __typeof__(syscall) *real = (__typeof__(syscall) *)dlsym(RTLD_NEXT, "syscall");
  return count_passed(which, fd, real(system, fd, (size_t)allowed == wanted ? pieces : some, used, offset, 0L));
}

ssize_t readv(int fd, const struct iovec *pieces, int count) { return move_pieces(READ, fd, pieces, count, -1); }
ssize_t writev(int fd, const struct iovec *pieces, int count) { return move_pieces(WRITE, fd, pieces, count, -1); }
ssize_t preadv64(int fd, const struct iovec *p, int count, off_t at) { return move_pieces(READ, fd, p, count, at); }
ssize_t preadv(int fd, const struct iovec *p, int count, off_t at) { return move_pieces(READ, fd, p, count, at); }
ssize_t pwritev64(int fd, const struct iovec *p, int count, off_t at) { return move_pieces(WRITE, fd, p, count, at); }
ssize_t pwritev(int fd, const struct iovec *p, int count, off_t at) { return move_pieces(WRITE, fd, p, count, at); }

/* libuv makes some of these without the C library's functions. */
long syscall(long system, ...) {
  REAL(syscall);
  va_list list;
  long a[6];
  va_start(list, system);
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
  va_end(list);
  if (system == SYS_preadv) return move_pieces(READ, a[0], (struct iovec *)a[1], a[2], a[3]);
  if (system == SYS_pwritev) return move_pieces(WRITE, a[0], (struct iovec *)a[1], a[2], a[3]);
  return real(system, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int fsync(int fd) {
  REAL(fsync);
  return permit(SYNC, fd, NULL) ? -1 : real(fd);
}
int fdatasync(int fd) {
  REAL(fdatasync);
  return permit(SYNC, fd, NULL) ? -1 : real(fd);
}
int rename(const char *from, const char *to) {
  REAL(rename);
  return permit(NAME, -1, to) ? -1 : real(from, to);
}
int ftruncate64(int fd, off_t length) {
  REAL(ftruncate64);
  return permit(TRUNCATE, fd, NULL) ? -1 : real(fd, length);
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static time_t jump(void) {
  if (calls != CLOCK || atomic_fetch_add(&passed, 1) < at) return 0;
  fires();
  return number;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
  REAL(clock_gettime);
  int result = real(clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += jump();
  return result;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  REAL(gettimeofday);
  int result = real(now, zone);
  if (result == 0) now->tv_sec += jump();
  return result;
}
