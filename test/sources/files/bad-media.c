/*
 * Preloaded into a program, makes reads of one file fail where a disk would: BAD_FILE is its path, BAD_RANGES
 * "START+LENGTH:ERRNO ..." in bytes, ERRNO a number. Like the kernel, a read that meets a bad range later gives
 * what stands before it. BAD_LOG gets a line "OFFSET LENGTH" for each read of the file.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_bad_file(int fd) {
  const char *path = getenv("BAD_FILE");
  struct stat wanted, found;
  return path && stat(path, &wanted) == 0 && fstat(fd, &found) == 0 && wanted.st_dev == found.st_dev &&
         wanted.st_ino == found.st_ino;
}

/* Bytes that can be read at `offset`, or a negative errno. */
static ssize_t readable(off_t offset, size_t count) {
  const char *at = getenv("BAD_RANGES");
  while (at && *at) {
    long long start, length;
    int error, used;
    if (sscanf(at, " %lld+%lld:%d%n", &start, &length, &error, &used) != 3) break;
    at += used;
    if (offset >= start && offset < start + length) return -error;
    if (offset < start && offset + (off_t)count > start) count = start - offset;
  }
  return count;
}

static ssize_t checked(int fd, void *buffer, size_t count, off_t offset) {
  static ssize_t (*real)(int, void *, size_t, off_t);
  if (!real) real = (ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread64");
  const char *log = getenv("BAD_LOG");
  if (log) {
    char line[64];
    int out = open(log, O_WRONLY | O_APPEND | O_CREAT, 0600);
    int length = snprintf(line, sizeof line, "%lld %zu\n", (long long)offset, count);
    if (out >= 0 && write(out, line, length) != length) abort();
    close(out);
  }
  ssize_t allowed = readable(offset, count);
  if (allowed < 0) {
    errno = -allowed;
    return -1;
  }
  return real(fd, buffer, allowed, offset);
}

ssize_t pread64(int fd, void *buffer, size_t count, off_t offset) {
  static ssize_t (*real)(int, void *, size_t, off_t);
  if (!real) real = (ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread64");
  return is_bad_file(fd) ? checked(fd, buffer, count, offset) : real(fd, buffer, count, offset);
}

ssize_t pread(int fd, void *buffer, size_t count, off_t offset) { return pread64(fd, buffer, count, offset); }

ssize_t read(int fd, void *buffer, size_t count) {
  static ssize_t (*real)(int, void *, size_t);
  if (!real) real = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
  if (!is_bad_file(fd)) return real(fd, buffer, count);
  off_t offset = lseek(fd, 0, SEEK_CUR);
  ssize_t got = checked(fd, buffer, count, offset);
  if (got > 0) lseek(fd, offset + got, SEEK_SET);
  return got;
}
