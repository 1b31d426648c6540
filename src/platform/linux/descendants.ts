import fs from 'node:fs'

/** A process and all that descend from it, told by /proc; where there is none, the process alone. */
export function withDescendants(pid: number): number[] {
  const children = childrenByParent()
  const found = [pid]
  for (const parent of found) found.push(...(children.get(parent) ?? []))
  return found
}

function childrenByParent(): Map<number, number[]> {
  const children = new Map<number, number[]>()
  for (const name of processes()) {
    const parent = parentOf(name)
    if (parent === undefined) continue
    const siblings = children.get(parent)
    if (siblings) siblings.push(Number(name))
    else children.set(parent, [Number(name)])
  }
  return children
}

function processes(): string[] {
  try {
    return fs.readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))
  } catch {
    return []
  }
}

/** `4242 (a name) S 4200 …`, where the name may hold anything. */
function parentOf(name: string): number | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${name}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    // It has ended meanwhile.
    return undefined
  }
}
