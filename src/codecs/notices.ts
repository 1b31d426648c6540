/** Something of this process that its user should know, and what can be done. */
export interface Notice {
  readonly message: string
  readonly hint: string
}

let listener: ((notice: Notice) => void) | undefined
const given = new Set<string>()

/** Says it once, however often it comes up. */
export function giveNotice(notice: Notice): void {
  if (given.has(notice.message)) return
  given.add(notice.message)
  listener?.(notice)
}

/** Who says it: the log of a tool, and in a thread whoever started it. */
export function onNotice(listen: (notice: Notice) => void): void {
  listener = listen
}
