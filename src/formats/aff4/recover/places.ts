import type { Run } from '../../address-space.js'
import type { MapWriter } from '../map-writer.js'
import type { Piece } from './placement.js'

/** What became of the ranges of an object while its map is written. */
export interface Places {
  kept: bigint
  readonly lost: Run[]
  readonly unsure: Run[]
  /** Targets that no stream of this volume is. */
  readonly elsewhere: Set<string>
}

export const createPlaces = (): Places => ({ kept: 0n, lost: [], unsure: [], elsewhere: new Set() })

/** Maps the pieces of a range at `offset`: to the stream `target`, or as unreadable. */
export function place(
  map: MapWriter,
  places: Places,
  offset: bigint,
  pieces: Iterable<Piece>,
  target: string | undefined,
): void {
  for (const { within, length, at, sure } of pieces) {
    const run = { start: offset + within, length }
    if (at === undefined || target === undefined) {
      lose(map, places, run)
      continue
    }
    map.add({ offset: run.start, length, targetOffset: at, target })
    places.kept += length
    if (!sure) addRun(places.unsure, run)
  }
}

/** A range whose bytes were there once. */
export function lose(map: MapWriter, places: Places, run: Run): void {
  map.addSymbolic(run.start, run.length, 'unreadable')
  addRun(places.lost, run)
}

/** Adds a range to a list, joined to the one before where it continues that. */
function addRun(runs: Run[], { start, length }: Run): void {
  const last = runs.at(-1)
  if (last && last.start + last.length === start)
    runs[runs.length - 1] = { start: last.start, length: last.length + length }
  else if (length > 0n) runs.push({ start, length })
}
