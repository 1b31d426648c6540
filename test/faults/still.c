/*
 * A process to be read while who reads it is struck: fills memory of several kinds with what standard input gives, says
 * its number, and stands still.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { MIB = 1 << 20, OWN = 5 * MIB, SHARED = 2 * MIB, RESERVED = MIB / 4 };

static char *take(size_t size, int protection, int flags, int fd) {
  char *memory = mmap(NULL, size, protection, flags, fd, 0);
  if (memory == MAP_FAILED) exit(1);
  return memory;
}

static void fill(char *to, size_t size) {
  for (ssize_t got; size > 0; to += got, size -= got)
    if ((got = read(0, to, size)) <= 0) exit(1);
}

int main(void) {
  const int writable = PROT_READ | PROT_WRITE;
  int shared = memfd_create("still", 0);
  // Yama lets only forebears look otherwise.
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  if (ftruncate(shared, SHARED)) exit(1);
  char *own = take(OWN, writable, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  // Of each some pages that nobody has touched.
  fill(own, OWN / 2);
  fill(own + OWN / 2 + 64 * 4096, OWN / 4);
  fill(take(SHARED, writable, MAP_SHARED, shared), SHARED / 2);
  take(RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
  printf("%d\n", getpid());
  fflush(stdout);
  for (;;) pause();
}
