/* Plants text in the places a process keeps its data, tells where on standard output, and waits for its input. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

char planted_data[64] = "planted in the data segment";
static const char *own_mapping = "planted in a mapping of its own";

int main(void) {
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); /* Yama lets only forebears look otherwise. */
    char stack[64] = "planted on the stack";
    char *heap = malloc(64);
    strcpy(heap, "planted on the heap");
    char *mapping = mmap(0, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) return 1;
    strcpy(mapping + (33 << 20), own_mapping);
    printf("%p %s\n%p %s\n%p %s\n%p %s\n", planted_data, planted_data, stack, stack, heap, heap,
           mapping + (33 << 20), mapping + (33 << 20));
    fflush(stdout);
    return getchar() == EOF ? 0 : 1;
}
