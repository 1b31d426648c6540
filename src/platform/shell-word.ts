/** A word as the shell takes it for one argument: a POSIX shell, on Windows cmd. */
export function shellWord(word: string, platform: NodeJS.Platform = process.platform): string {
  if (platform !== 'win32') return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
  // A program takes a backslash before a quotation mark for its escape.
  return /^[\w@+:./\\-]+$/.test(word) ? word : `"${word.replace(/\\+$/, '$&$&')}"`
}
