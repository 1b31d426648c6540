/** File positions travel as doubles. */
export const MOST_FILE_SIZE = 1n << 53n
