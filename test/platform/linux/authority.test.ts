import test from 'ava'
import {
  type Authority,
  explainKcoreRefusal,
  explainPtraceRefusal,
  has,
  isUserNamespace,
  parseCapabilities,
  parseLockdown,
  readAuthority,
} from '../../../src/platform/linux/authority.js'
import { LOCAL_FILES } from '../../../src/platform/system-files.js'

const ALL = 0x1ffffffffffn
const root: Authority = {
  uid: 0,
  capabilities: ALL,
  lockdown: 'none',
  inUserNamespace: false,
  toBecomeRoot: 'sudo',
}
const without = (bit: bigint) => ALL & ~(1n << bit)

test('the lockdown mode is the one in brackets', (t) => {
  t.is(parseLockdown('[none] integrity confidentiality\n'), 'none')
  t.is(parseLockdown('none integrity [confidentiality]\n'), 'confidentiality')
  t.is(parseLockdown(''), undefined)
})

test('effective capabilities are read from status', (t) => {
  t.is(parseCapabilities('Name:\tnode\nCapPrm:\t0000000000000000\nCapEff:\t00000000a80425fb\n'), 0xa80425fbn)
  t.is(parseCapabilities('Name:\tnode\n'), undefined)
})

test('only the first user namespace maps every user', (t) => {
  t.false(isUserNamespace('         0          0 4294967295\n'))
  t.true(isUserNamespace('         0       1000          1\n'))
  t.false(isUserNamespace(''))
})

test('this process can be asked', async (t) => {
  const authority = await readAuthority(LOCAL_FILES)
  t.is(authority.uid, process.geteuid!())
  t.is(typeof authority.capabilities, 'bigint')
})

test('without a word from the kernel a capability is not called missing', (t) => {
  t.true(has({ ...root, capabilities: undefined }, 'CAP_SYS_RAWIO'))
  t.false(has({ ...root, capabilities: without(17n) }, 'CAP_SYS_RAWIO'))
})

test('a refused kcore: the cause is named', (t) => {
  const why = (code: string, change: Partial<Authority>) =>
    explainKcoreRefusal(code, { ...root, ...change }).why
  t.is(why('EACCES', { uid: 1000, capabilities: 0n }), 'user 1000 is not root')
  t.is(why('EPERM', { lockdown: 'confidentiality' }), 'the kernel is locked down (lockdown=confidentiality)')
  t.is(why('EPERM', { capabilities: without(17n) }), 'the capability CAP_SYS_RAWIO is missing')
  t.is(
    why('EPERM', { inUserNamespace: true, lockdown: undefined }),
    'root of a user namespace is not root of the machine',
  )
  t.regex(why('EPERM', { lockdown: undefined }), /most likely by kernel lockdown/)
  t.regex(why('EACCES', {}), /security module/)
})

test('a refused process: the cause is named', (t) => {
  const why = (change: Partial<Authority>, scope?: string) =>
    explainPtraceRefusal({ ...root, ...change }, scope).why
  t.regex(why({}, '3\n'), /ptrace_scope is 3/)
  t.regex(why({ uid: 1000, capabilities: 0n }, '1\n'), /ptrace_scope is 1/)
  t.regex(why({ uid: 1000, capabilities: 0n }, '0\n'), /another user/)
  t.regex(why({ capabilities: without(19n) }), /another user/)
  t.regex(why({}), /from here/)
})
