/*
 * read-driver.exe BLOCK: reads the last range of test/real/winpmem/driver.c, 256 MiB, in blocks of so many bytes, by
 * ReadFile alone. Prints the seconds and the processor time of it, as JSON.
 */
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>

enum { SET_MODE = 0x22c407, MODE_PTE = 2 };

static const unsigned long long START = 0x100001000, END = 0x110000000;

static double now(void)
{
    LARGE_INTEGER ticks, frequency;

    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&frequency);
    return (double)ticks.QuadPart / frequency.QuadPart;
}

static double processor(void)
{
    FILETIME created, ended;
    ULARGE_INTEGER kernel, user;

    GetProcessTimes(GetCurrentProcess(), &created, &ended, (FILETIME *)&kernel, (FILETIME *)&user);
    return (kernel.QuadPart + user.QuadPart) / 1e7;
}

int main(int count, char **words)
{
    DWORD block = count > 1 ? strtoul(words[1], NULL, 10) : 0, mode = MODE_PTE, got;
    HANDLE device = CreateFileW(L"\\\\.\\pmem", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
        OPEN_EXISTING, 0, NULL);
    unsigned char *bytes = malloc(block);
    unsigned long long at;
    double began, used;

    if (!block || !bytes || device == INVALID_HANDLE_VALUE) return 1;
    DeviceIoControl(device, SET_MODE, &mode, sizeof mode, NULL, 0, &got, NULL);
    began = now();
    used = processor();
    for (at = START; at < END; at += got) {
        OVERLAPPED place = { .Offset = (DWORD)at, .OffsetHigh = at >> 32 };
        DWORD wanted = END - at < block ? (DWORD)(END - at) : block;

        if (!ReadFile(device, bytes, wanted, &got, &place) || got != wanted) return 2;
    }
    printf("{\"seconds\": %f, \"processor\": %f}\n", now() - began, processor() - used);
    return 0;
}
