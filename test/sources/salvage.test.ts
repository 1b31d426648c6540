import test from 'ava'
import fc from 'fast-check'
import { type Medium, type Part, salvage } from '../../src/sources/salvage.js'

const failure = (code: string) => Object.assign(new Error(code), { code, errno: -5 })

interface Disk extends Medium {
  readonly reads: [bigint, number][]
}

/** A disk in which every byte is its sector's number; reads that touch a bad sector fail whole, or come short. */
function disk(
  unit: number,
  bad: ReadonlySet<bigint>,
  options: { size?: bigint; retries?: number; heals?: number; short?: boolean; code?: string } = {},
): Disk {
  const reads: [bigint, number][] = []
  const failures = new Map<bigint, number>()
  return {
    unit,
    reads,
    retries: options.retries ?? 0,
    isDamage: (error) => (error as NodeJS.ErrnoException).code === 'EIO',
    read(address, wanted, slab) {
      reads.push([address, wanted])
      const left = (options.size ?? 1n << 60n) - address
      const length = left < BigInt(wanted) ? Math.max(0, Number(left)) : wanted
      let got = 0
      while (got < length) {
        const at = address + BigInt(got)
        const sector = at / BigInt(unit)
        if (bad.has(sector)) {
          const count = (failures.get(sector) ?? 0) + 1
          failures.set(sector, count)
          if (got > 0 && options.short) break
          if (count <= (options.heals ?? Number.POSITIVE_INFINITY)) throw failure(options.code ?? 'EIO')
        }
        const end = Math.min(length, got + unit - Number(at % BigInt(unit)))
        slab.fill(Number(sector % 251n) + 1, got, end)
        got = end
      }
      return slab.subarray(0, got)
    },
  }
}

const shape = (parts: readonly Part[]) =>
  parts.map(({ from, to, error }) => [
    from,
    to,
    error === undefined ? 'read' : (error as { code: string }).code,
  ])

test('one bad sector costs itself, and some twenty reads', async (t) => {
  const medium = disk(512, new Set([777n]))
  const { parts, reached } = await salvage(medium, 0n, Buffer.alloc(1 << 20))
  t.deepEqual(shape(parts), [
    [0, 777 * 512, 'read'],
    [777 * 512, 778 * 512, 'EIO'],
    [778 * 512, 1 << 20, 'read'],
  ])
  t.is(reached, 1 << 20)
  t.true(medium.reads.length <= 2 * 11 + 1, `${medium.reads.length} reads`)
})

test('a bad sector is tried twice more, alone, and may come back', async (t) => {
  const lost = disk(512, new Set([5n]), { retries: 2 })
  await salvage(lost, 0n, Buffer.alloc(8192))
  t.deepEqual(lost.reads.slice(-2), [
    [2560n, 512],
    [2560n, 512],
  ])
  const attempts = lost.reads.filter(([at, length]) => at <= 2560n && at + BigInt(length) > 2560n).length
  const healed = await salvage(
    disk(512, new Set([5n]), { retries: 2, heals: attempts - 1 }),
    0n,
    Buffer.alloc(8192),
  )
  t.deepEqual(shape(healed.parts), [[0, 8192, 'read']])
})

test('reads that failed are repeated around the cache', async (t) => {
  const again: [bigint, number][] = []
  const cached = disk(512, new Set([0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n]))
  const direct = disk(512, new Set([3n]))
  const medium: Medium = {
    ...cached,
    reread(address, length, slab) {
      again.push([address, length])
      return direct.read(address, length, slab)
    },
  }
  const { parts } = await salvage(medium, 0n, Buffer.alloc(8192))
  t.is(cached.reads.length, 1)
  t.true(again.length > 0)
  t.deepEqual(shape(parts), [
    [0, 1536, 'read'],
    [1536, 2048, 'EIO'],
    [2048, 8192, 'read'],
  ])
})

test('an error that is no damage ends the reading where it stands', async (t) => {
  const { parts, reached, failure } = await salvage(
    disk(512, new Set([4n]), { code: 'ENODEV', short: true }),
    0n,
    Buffer.alloc(8192),
  )
  t.deepEqual(shape(parts), [[0, 2048, 'read']])
  t.is(reached, 2048)
  t.is((failure as NodeJS.ErrnoException).code, 'ENODEV')
})

test('a medium that is over ends there, to the byte', async (t) => {
  const { parts, reached, failure } = await salvage(
    disk(512, new Set(), { size: 1000n }),
    0n,
    Buffer.alloc(8192),
  )
  t.deepEqual(shape(parts), [[0, 1000, 'read']])
  t.is(reached, 1000)
  t.is(failure, undefined)
})

test('an interruption is seen between two reads', async (t) => {
  const controller = new AbortController()
  const medium = disk(512, new Set(Array.from({ length: 2048 }, (_, sector) => BigInt(sector))))
  const stopping: Medium = {
    ...medium,
    read(address, length, slab) {
      if (medium.reads.length === 30) controller.abort()
      return medium.read(address, length, slab)
    },
  }
  await salvage(stopping, 0n, Buffer.alloc(1 << 20), controller.signal)
  t.is(medium.reads.length, 31)
})

test('slow failures give signals their turn', async (t) => {
  let turns = 0
  const timer = setInterval(() => turns++, 5)
  const medium = disk(512, new Set(Array.from({ length: 16 }, (_, sector) => BigInt(sector))))
  const slow: Medium = {
    ...medium,
    read(address, length, slab) {
      const until = performance.now() + 10
      while (performance.now() < until);
      return medium.read(address, length, slab)
    },
  }
  await salvage(slow, 0n, Buffer.alloc(8192))
  clearInterval(timer)
  t.true(turns >= 3, `${turns} turns`)
})

test('whatever is bad, precisely that is lost, whichever way the medium says it', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(512, 4096),
      fc.nat(9000),
      fc.integer({ min: 1, max: 200_000 }),
      fc.uniqueArray(fc.nat(450), { maxLength: 40 }),
      fc.boolean(),
      async (unit, start, length, sectors, short) => {
        const bad = new Set(sectors.map(BigInt))
        const into = Buffer.alloc(length)
        const { parts, reached } = await salvage(disk(unit, bad, { short }), BigInt(start), into)
        t.is(reached, length)
        let next = 0
        for (const { from, to, error } of parts) {
          t.is(from, next)
          t.true(to > from)
          next = to
          for (let at = from; at < to; at += Math.min(unit - ((start + at) % unit), to - at)) {
            const sector = BigInt(Math.floor((start + at) / unit))
            t.is(error !== undefined, bad.has(sector))
            if (error === undefined) t.is(into[at], Number(sector % 251n) + 1)
          }
        }
        t.is(next, length)
      },
    ),
    { numRuns: 100 },
  )
})
