/*
 * bcryptprimitives.dll, which Windows has and Wine 8 has not: the native parts of the codecs, written in Rust, take
 * their random numbers from it.
 */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(void *bytes, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(BYTE *bytes, SIZE_T length)
{
    return SystemFunction036(bytes, length);
}

BOOL WINAPI DllMain(HINSTANCE library, DWORD reason, void *reserved)
{
    (void)library, (void)reason, (void)reserved;
    return TRUE;
}
