/**
 * A bash script that runs a command on a terminal of its own, and does with that what lines of Python say: `fd` is
 * the terminal, `pid` the command, `asked(question)` waits until it is asked and typing no longer shows. Its output
 * is what the terminal saw.
 */
export function typing(command: string, what: string): string {
  const script = `
import os, pty, select, signal, sys, termios, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp('bash', ['bash', '-c', sys.argv[1]])
seen = b''
def until(text):
    global seen
    while text not in seen:
        if not select.select([fd], [], [], 60)[0]: sys.exit('nothing came')
        seen += os.read(fd, 4096)
def echoes():
    return bool(termios.tcgetattr(fd)[3] & termios.ECHO)
def asked(question):
    until(question)
    for _ in range(1200):
        if not echoes(): return
        time.sleep(0.05)
    sys.exit('typing shows')
assert echoes()
${what}
rest = b''
try:
    while True:
        piece = os.read(fd, 4096)
        if not piece: break
        rest += piece
except OSError: pass
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(seen + rest)
sys.exit(os.waitstatus_to_exitcode(status) % 256)
`
  return `/usr/bin/python3 -c ${quote(script)} ${quote(command)}`
}

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`
