/*
 * A driver that speaks WinPmem's protocol and holds a memory of its own making, to read WinPmem sources against. It
 * never touches the machine's memory: where an address lies in RANGES, each aligned 8 bytes there hold their address.
 *
 *   ABI=16   1.6: buffered codes and reads, KPCR[32], an answer as long as the runs, a mode from the start
 *   ABI=20   2.0.1: METHOD_NEITHER, KPCR[64], room for 20 runs, mode 1 from the start, may be changed
 *   ABI=30   3.0: as 2.0.1, but no mode from the start and only one change of it
 *   ABI=41   4.1: as 3.0, room for 300 runs
 *   PTE=0    no PTE remapping, as where the processor pages with five levels
 *   MANY=1   more runs than there is room for
 *   LARGE=1  256 MiB in the last range
 *
 * A read before a mode is set fails here, where a real driver would go and map device memory.
 */
#include <ntddk.h>

#ifndef ABI
#error ABI is 16, 20, 30 or 41
#endif
#ifndef PTE
#define PTE 1
#endif
#ifndef MANY
#define MANY 0
#endif
#ifndef LARGE
#define LARGE 0
#endif

typedef unsigned long long u64;

enum { MODE_IOSPACE = 0, MODE_PHYSICAL = 1, MODE_PTE = 2, MODE_UNSET = 99 };

#define BUFFERED (ABI < 20)
#define CODE(function) \
    CTL_CODE(0x22, function, BUFFERED ? METHOD_BUFFERED : METHOD_NEITHER, FILE_READ_DATA | FILE_WRITE_DATA)
#define SET_MODE CODE(0x101)
#define GET_INFO CODE(0x103)
#define REVERSE_SEARCH CODE(0x104)

struct range { u64 start, length; };

static const struct range RANGES[] = {
    { 0x1000, 0x9e000 },
    { 0x100000, 0x300000 },
    { 0x1000000, 0x601000 },     /* one page more than whole blocks */
    { 0x100000000, LARGE ? 0x10000000 : 0x400000 },
};
enum { RANGE_COUNT = sizeof RANGES / sizeof RANGES[0] };

/* Pages of the ranges that cannot be read, as those that a hypervisor keeps to itself. */
static const struct range BAD[] = {
    { 0x1000, 0x1000 },          /* the start of a range */
    { 0x180000, 0x1000 },        /* one inside */
    { 0x1300000, 0x3000 },       /* three inside */
    { 0x1600000, 0x1000 },       /* the end */
    { 0x100000000, 0x1000 },     /* the start of the range above 4 GiB */
};
enum { BAD_COUNT = sizeof BAD / sizeof BAD[0] };

#define KPCRS (ABI < 20 ? 32 : 64)
#define ROOM (ABI < 20 ? RANGE_COUNT : ABI < 41 ? 20 : 300)

struct info {
    u64 cr3;
    u64 nt_build_number;
    u64 kern_base;
    u64 kdbg;
    u64 kpcr[KPCRS];
    u64 pfn_database;
    u64 ps_loaded_module_list;
    u64 ps_active_process_head;
    u64 nt_build_number_address;
    u64 padding[0xfe];
    u64 number_of_runs;
    struct range runs[ROOM];
    struct range unused[ABI < 20];   /* 1.6 counts one run more than it fills */
};
_Static_assert(offsetof(struct info, number_of_runs) == (ABI < 20 ? 0x930 : 0xa30), "the layout of this version");
_Static_assert(sizeof(struct info) == (ABI < 20 ? 0x988 : ABI < 41 ? 0xb78 : 0x1cf8), "the size of this version");

static ULONG mode = ABI < 20 ? MODE_PTE : ABI < 30 ? MODE_PHYSICAL : MODE_UNSET;

static int within(const struct range *ranges, int count, u64 address)
{
    for (; count--; ranges++)
        if (address - ranges->start < ranges->length) return 1;
    return 0;
}

static NTSTATUS finish(IRP *irp, NTSTATUS status, ULONG_PTR length)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = length;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS WINAPI on_open(DEVICE_OBJECT *device, IRP *irp)
{
    (void)device;
    return finish(irp, STATUS_SUCCESS, 0);
}

/* All or nothing, as the real one: what precedes a bad page has been written, and the length is none. */
static NTSTATUS WINAPI on_read(DEVICE_OBJECT *device, IRP *irp)
{
    IO_STACK_LOCATION *stack = IoGetCurrentIrpStackLocation(irp);
    u64 address = stack->Parameters.Read.ByteOffset.QuadPart;
    ULONG length = stack->Parameters.Read.Length, at = 0;
    unsigned char *to = BUFFERED ? irp->AssociatedIrp.SystemBuffer : irp->UserBuffer;

    (void)device;
    if (mode == MODE_UNSET) return finish(irp, STATUS_DEVICE_NOT_READY, 0);
    if (!to || !length || (ABI >= 30 && !address)) return finish(irp, STATUS_INVALID_PARAMETER, 0);
    while (at < length) {
        u64 page_end = (address + at) | 0xfff;

        if (!within(RANGES, RANGE_COUNT, address + at) || within(BAD, BAD_COUNT, address + at))
            return finish(irp, STATUS_IO_DEVICE_ERROR, 0);
        for (; at < length && address + at <= page_end; at++) {
            u64 here = address + at;

            to[at] = (here & ~7ull) >> (here & 7) * 8;
        }
    }
    return finish(irp, STATUS_SUCCESS, length);
}

static NTSTATUS get_info(IRP *irp, struct info *info, ULONG room)
{
    int i;

    if (!info) return finish(irp, STATUS_INVALID_PARAMETER, 0);
    if (MANY || room < sizeof *info) return finish(irp, STATUS_INFO_LENGTH_MISMATCH, 0);
    RtlZeroMemory(info, sizeof *info);
    info->cr3 = 0x1ad000;
    info->nt_build_number = 19041;
    info->kern_base = 0xfffff80312c00000;
    info->kpcr[0] = 0xfffff8030e4a1000;
    info->kpcr[1] = 0xffff9a0112340000;
    info->nt_build_number_address = 0xfffff803138f8a10;
    info->number_of_runs = RANGE_COUNT;
    for (i = 0; i < RANGE_COUNT; i++) info->runs[i] = RANGES[i];
    return finish(irp, STATUS_SUCCESS, sizeof *info);
}

static NTSTATUS set_mode(IRP *irp, const ULONG *wanted, ULONG given)
{
    if (ABI >= 30 && mode != MODE_UNSET) return finish(irp, STATUS_ACCESS_DENIED, 0);
    if (!wanted || given < sizeof *wanted) return finish(irp, STATUS_INFO_LENGTH_MISMATCH, 0);
    if (*wanted > MODE_PTE) return finish(irp, STATUS_INVALID_PARAMETER, 0);
    if (*wanted == MODE_PTE && !PTE) return finish(irp, STATUS_UNSUCCESSFUL, 0);
    mode = *wanted;
    return finish(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS WINAPI on_control(DEVICE_OBJECT *device, IRP *irp)
{
    IO_STACK_LOCATION *stack = IoGetCurrentIrpStackLocation(irp);
    ULONG given = stack->Parameters.DeviceIoControl.InputBufferLength;
    ULONG room = stack->Parameters.DeviceIoControl.OutputBufferLength;
    void *in = BUFFERED ? irp->AssociatedIrp.SystemBuffer : stack->Parameters.DeviceIoControl.Type3InputBuffer;
    void *out = BUFFERED ? irp->AssociatedIrp.SystemBuffer : irp->UserBuffer;

    (void)device;
    switch (stack->Parameters.DeviceIoControl.IoControlCode) {
    case GET_INFO:
        return get_info(irp, out, room);
    case SET_MODE:
        return set_mode(irp, in, given);
    case REVERSE_SEARCH:
        if (ABI < 30) break;
        if (!in || given < 8 || !out || room < 8) return finish(irp, STATUS_INFO_LENGTH_MISMATCH, 0);
        *(u64 *)out = *(u64 *)in & 0xfffffff;
        return finish(irp, STATUS_SUCCESS, 8);
    }
    return finish(irp, STATUS_INVALID_PARAMETER, 0);
}

static void WINAPI on_unload(DRIVER_OBJECT *driver)
{
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\??\\pmem");

    IoDeleteSymbolicLink(&link);
    IoDeleteDevice(driver->DeviceObject);
}

NTSTATUS WINAPI DriverEntry(DRIVER_OBJECT *driver, UNICODE_STRING *path)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\pmem"), link = RTL_CONSTANT_STRING(L"\\??\\pmem");
    DEVICE_OBJECT *device;
    NTSTATUS status = IoCreateDevice(driver, 0, &name, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE, &device);

    (void)path;
    if (!NT_SUCCESS(status)) return status;
    driver->MajorFunction[IRP_MJ_CREATE] = on_open;
    driver->MajorFunction[IRP_MJ_CLOSE] = on_open;
    driver->MajorFunction[IRP_MJ_READ] = on_read;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = on_control;
    driver->DriverUnload = on_unload;
    if (BUFFERED) device->Flags |= DO_BUFFERED_IO;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    status = IoCreateSymbolicLink(&link, &name);
    if (!NT_SUCCESS(status)) IoDeleteDevice(device);
    return status;
}

/* Compilers call these of themselves, and there is no C library here. */
#undef memset
#undef memcpy
void *memset(void *to, int byte, size_t length)
{
    volatile unsigned char *each = to;

    while (length--) *each++ = byte;
    return to;
}

void *memcpy(void *to, const void *from, size_t length)
{
    volatile unsigned char *each = to;
    const unsigned char *source = from;

    while (length--) *each++ = *source++;
    return to;
}
