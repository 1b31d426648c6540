/*
 * pipeline.exe [-c] PROGRAM ARGUMENTS... [| PROGRAM ARGUMENTS...]...
 *
 * Runs Windows programs as cmd.exe and PowerShell would: joined by pipes of Windows, with a pipe of Windows as
 * standard input, output and error. Wine itself would give them the descriptors of Unix that it was started with, and
 * its cmd.exe makes files of pipes. What comes out goes to our own standard output and error.
 *
 *   -c  Ctrl-C for all programs, once the first bytes have come out of the last one
 *
 * The last line on standard error: `pipeline:` and the exit status of each program, in hexadecimal.
 */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

enum { PIPE_SIZE = 1 << 16, MOST_PROGRAMS = 8 };

struct pipe { HANDLE reads, writes; };

static int interrupts;

static void fail(const char *what)
{
    fprintf(stderr, "pipeline: %s: Win32 error %lu\n", what, GetLastError());
    ExitProcess(126);
}

/* A pipe; nobody inherits it yet. */
static struct pipe make_pipe(void)
{
    struct pipe made;

    if (!CreatePipe(&made.reads, &made.writes, NULL, PIPE_SIZE)) fail("CreatePipe");
    return made;
}

/* interrupts: Ctrl-C comes when something has passed. stays: `to` is needed afterwards. */
struct relay { HANDLE from, to; int interrupts, stays; };

/* Closes both ends, so that who reads sees the end and who writes a closed pipe. */
static DWORD WINAPI relay(void *argument)
{
    struct relay *job = argument;
    unsigned char *bytes = malloc(PIPE_SIZE);
    DWORD got, put, at;

    while (ReadFile(job->from, bytes, PIPE_SIZE, &got, NULL) && got) {
        for (at = 0; at < got; at += put)
            if (!WriteFile(job->to, bytes + at, got - at, &put, NULL)) goto closed;
        if (job->interrupts && interrupts) {
            interrupts = 0;
            GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0);
        }
    }
closed:
    CloseHandle(job->from);
    if (!job->stays) CloseHandle(job->to);
    return 0;
}

static BOOL WINAPI survive(DWORD event)
{
    return event == CTRL_C_EVENT;
}

/* Quotes an argument as CommandLineToArgvW undoes it; gives the end of the text. */
static WCHAR *quote(WCHAR *to, const WCHAR *argument)
{
    int backslashes = 0;

    *to++ = L'"';
    for (; *argument; *to++ = *argument++) {
        if (*argument == L'\\') { backslashes++; continue; }
        if (*argument == L'"') for (backslashes++; backslashes; backslashes--) *to++ = L'\\';
        backslashes = 0;
    }
    for (; backslashes; backslashes--) *to++ = L'\\';
    *to++ = L'"';
    return to;
}

/*
 * Starts the program of the words up to `|` or the last one; gives the place behind them. Its ends of the pipes are
 * its own alone then: a pipe closes when the last handle of an end does.
 */
static WCHAR **start(WCHAR **word, HANDLE in, HANDLE out, HANDLE err, HANDLE *process)
{
    STARTUPINFOW startup = { .cb = sizeof startup, .dwFlags = STARTF_USESTDHANDLES };
    PROCESS_INFORMATION started;
    static WCHAR line[32768];
    WCHAR *end = line;

    for (; *word && wcscmp(*word, L"|"); word++) {
        if (end + 2 * wcslen(*word) + 4 > line + 32768) { SetLastError(ERROR_FILENAME_EXCED_RANGE); fail("command"); }
        if (end != line) *end++ = L' ';
        end = quote(end, *word);
    }
    *end = 0;
    SetHandleInformation(startup.hStdInput = in, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    SetHandleInformation(startup.hStdOutput = out, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    SetHandleInformation(startup.hStdError = err, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    if (!CreateProcessW(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &started)) fail("CreateProcess");
    CloseHandle(started.hThread);
    CloseHandle(in);
    CloseHandle(out);
    *process = started.hProcess;
    return *word ? word + 1 : word;
}

int wmain(int count, WCHAR **words)
{
    HANDLE processes[MOST_PROGRAMS], relays[2], stdio[3];
    struct relay feeding, taking, telling;
    struct pipe in, out, err;
    DWORD status, programs = 0, i;

    (void)count;

    /* Kept aside: a console of our own takes their places. */
    stdio[0] = GetStdHandle(STD_INPUT_HANDLE);
    stdio[1] = GetStdHandle(STD_OUTPUT_HANDLE);
    stdio[2] = GetStdHandle(STD_ERROR_HANDLE);
    words++;
    if (*words && !wcscmp(*words, L"-c")) {
        interrupts = 1;
        words++;
    }
    if (!*words) return 125;
    if (interrupts) {
        FreeConsole();
        if (!AllocConsole()) fail("AllocConsole");
        SetConsoleCtrlHandler(survive, TRUE);
    }
    err = make_pipe();
    in = make_pipe();
    feeding = (struct relay){ stdio[0], in.writes, 0, 0 };
    while (*words && programs < MOST_PROGRAMS) {
        out = make_pipe();
        words = start(words, in.reads, out.writes, err.writes, &processes[programs++]);
        in = out;
    }
    CloseHandle(err.writes);
    taking = (struct relay){ in.reads, stdio[1], 1, 0 };
    telling = (struct relay){ err.reads, stdio[2], 0, 1 };

    CreateThread(NULL, 0, relay, &feeding, 0, NULL);
    relays[0] = CreateThread(NULL, 0, relay, &taking, 0, NULL);
    relays[1] = CreateThread(NULL, 0, relay, &telling, 0, NULL);
    WaitForMultipleObjects(programs, processes, TRUE, INFINITE);
    WaitForMultipleObjects(2, relays, TRUE, INFINITE);
    fprintf(stderr, "pipeline:");
    for (i = 0; i < programs; i++) {
        GetExitCodeProcess(processes[i], &status);
        fprintf(stderr, " %lx", status);
    }
    fprintf(stderr, "\n");
    ExitProcess(0);
}
