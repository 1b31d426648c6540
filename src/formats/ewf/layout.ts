import type { Table } from './tables.js'

/** A table, and the number of its first chunk in the medium. */
export interface PlacedTable extends Table {
  readonly first: number
}

export interface Layout {
  /** Ascending, not overlapping. */
  readonly tables: readonly PlacedTable[]
  /** Chunks of tables whose place in the medium is not known: what is missing lies before and behind them. */
  readonly lost: number
}

/**
 * Numbers the chunks of a set: no table tells which chunk it begins with. Before the first gap they count from the
 * beginning, behind the last one from the end.
 * @param total chunks of the medium; undefined where that is not known
 */
export function layOut(parts: readonly (Table | 'gap')[], total: number | undefined): Layout {
  const firstGap = parts.indexOf('gap')
  const isTable = (part: Table | 'gap'): part is Table => part !== 'gap'
  const head = (firstGap < 0 ? parts : parts.slice(0, firstGap)).filter(isTable)
  const behind = firstGap < 0 ? [] : parts.slice(firstGap).filter(isTable)
  const tail = firstGap < 0 ? [] : parts.slice(parts.lastIndexOf('gap') + 1).filter(isTable)

  const tables: PlacedTable[] = []
  let next = 0
  for (const table of head) {
    tables.push({ ...table, first: next })
    next += table.count
  }
  let lost = countOf(behind)
  const start = (total ?? 0) - countOf(tail)
  if (total !== undefined && start >= next) {
    let first = start
    for (const table of tail) {
      tables.push({ ...table, first })
      first += table.count
    }
    lost -= countOf(tail)
  }
  return { tables: tables.filter(({ count }) => count > 0), lost }
}

export const countOf = (tables: readonly Table[]): number => tables.reduce((sum, { count }) => sum + count, 0)
