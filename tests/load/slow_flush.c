/* Preloaded, makes each fdatasync take so many µs more (SLOW_FLUSH_US): a disk that is slow to write a commit down. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

int fdatasync(int file)
{
    static int (*written)(int);
    const char *more = getenv("SLOW_FLUSH_US");
    long us = more ? atol(more) : 0;
    struct timespec left = {us / 1000000, us % 1000000 * 1000};

    if (!written)
        written = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    int result = written(file), why = errno;
    while (nanosleep(&left, &left) && errno == EINTR)
        ;
    errno = why;
    return result;
}
