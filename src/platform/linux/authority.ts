import { type SystemFiles, textOf } from '../system-files.js'

// What a process may do, as the kernel tells it: /proc/self/status (CapEff, hexadecimal), the lockdown
// file of securityfs ("[none] integrity confidentiality", the current one in brackets), /proc/self/uid_map.

/** Numbers of capabilities (include/uapi/linux/capability.h). */
const CAPABILITIES = { CAP_SYS_RAWIO: 17, CAP_SYS_PTRACE: 19, CAP_SYS_ADMIN: 21 } as const
export type Capability = keyof typeof CAPABILITIES

const LOCKDOWN_FILE = '/sys/kernel/security/lockdown'

export interface Authority {
  readonly uid: number
  /** Effective capabilities, a bit each; undefined where the kernel doesn't tell. */
  readonly capabilities: bigint | undefined
  /** `none`, `integrity`, `confidentiality`; undefined without lockdown, or where securityfs is not mounted. */
  readonly lockdown: string | undefined
  /** Its capabilities count only inside a user namespace, as in a rootless container. */
  readonly inUserNamespace: boolean
  /** How to get to be root. */
  readonly toBecomeRoot: string
}

/** The mode in brackets, undefined where there is none. */
export function parseLockdown(text: string): string | undefined {
  return /\[(\w+)\]/.exec(text)?.[1]
}

/** CapEff of the text of /proc/PID/status. */
export function parseCapabilities(status: string): bigint | undefined {
  const digits = /^CapEff:\s*([0-9a-f]{1,16})$/m.exec(status)?.[1]
  return digits === undefined ? undefined : BigInt(`0x${digits}`)
}

/** The effective user of the text of /proc/PID/status: the second of four. */
export function parseUser(status: string): number {
  return Number(/^Uid:\s*[0-9]+\s+([0-9]+)/m.exec(status)?.[1] ?? 0)
}

/** Whether a uid_map maps less than every user: only the first user namespace maps them all to themselves. */
export function isUserNamespace(uidMap: string): boolean {
  return uidMap.trim() !== '' && !/^\s*0\s+0\s+4294967295\s*$/.test(uidMap)
}

/** True where the kernel doesn't tell. */
export function has(authority: Authority, capability: Capability): boolean {
  const { capabilities } = authority
  return capabilities === undefined || ((capabilities >> BigInt(CAPABILITIES[capability])) & 1n) === 1n
}

/** What may be done by who reads these files; a fact that can't be read is undefined, and so root. */
export async function readAuthority(files: SystemFiles): Promise<Authority> {
  const status = (await textOf(files, '/proc/self/status')) ?? ''
  return {
    uid: parseUser(status),
    capabilities: parseCapabilities(status),
    lockdown: parseLockdown((await textOf(files, LOCKDOWN_FILE)) ?? ''),
    toBecomeRoot: files.toBecomeRoot,
    inUserNamespace: isUserNamespace((await textOf(files, '/proc/self/uid_map')) ?? ''),
  }
}

/** Why an open was refused and what to do about it. */
export interface Refusal {
  readonly why: string
  readonly hint: string
}

/** Explains EPERM and EACCES from /proc/kcore, which wants CAP_SYS_RAWIO and no confidentiality lockdown. */
export function explainKcoreRefusal(code: string, authority: Authority): Refusal {
  const { uid, lockdown, inUserNamespace, toBecomeRoot } = authority
  if (uid !== 0 && !(code === 'EPERM' && has(authority, 'CAP_SYS_RAWIO')))
    return { why: `user ${uid} is not root`, hint: toBecomeRoot }
  if (lockdown === 'confidentiality')
    return {
      why: 'the kernel is locked down (lockdown=confidentiality)',
      hint: 'boot with lockdown=integrity, or dump a virtual machine from its hypervisor',
    }
  if (inUserNamespace)
    return {
      why: 'root of a user namespace is not root of the machine',
      hint: 'run it outside of the container, or in one that runs as root of the host',
    }
  if (!has(authority, 'CAP_SYS_RAWIO'))
    return {
      why: 'the capability CAP_SYS_RAWIO is missing',
      hint: 'run it as root with all capabilities (in a container: --cap-add SYS_RAWIO)',
    }
  if (code === 'EPERM' && lockdown === undefined)
    return {
      why: 'permission denied, most likely by kernel lockdown',
      hint: `dmesg tells; so does ${LOCKDOWN_FILE} after mount -t securityfs none /sys/kernel/security`,
    }
  return {
    why: 'permission denied by a security module',
    hint: 'dmesg or the audit log tells which one (SELinux, AppArmor, seccomp)',
  }
}

/** Explains EPERM and EACCES from /proc/PID/mem, which wants what ptrace wants. */
export function explainPtraceRefusal(authority: Authority, ptraceScope: string | undefined): Refusal {
  const scope = ptraceScope?.trim()
  if (scope === '3')
    return {
      why: 'no process may be inspected (kernel.yama.ptrace_scope is 3)',
      hint: 'only a reboot lifts it; pmem-read-kcore reads the whole memory',
    }
  if (has(authority, 'CAP_SYS_PTRACE') && authority.uid === 0)
    return {
      why: 'the process may not be inspected from here',
      hint: 'run it in the user namespace of the process, or look for a security module in the audit log',
    }
  if (scope === '1' || scope === '2')
    return {
      why: `the process may not be inspected (kernel.yama.ptrace_scope is ${scope})`,
      hint: authority.toBecomeRoot,
    }
  return {
    why: 'the process belongs to another user, or has privileges of its own',
    hint: `${authority.toBecomeRoot} (in a container: --cap-add SYS_PTRACE)`,
  }
}
