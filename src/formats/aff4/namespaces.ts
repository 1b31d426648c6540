/** Namespaces of AFF4 Standard v1.0, and our own for what the Standard has no word for. */
export const NAMESPACES = {
  rdf: 'http://www.w3.org/1999/02/22-rdf-syntax-ns#',
  xsd: 'http://www.w3.org/2001/XMLSchema#',
  aff4: 'http://aff4.org/Schema#',
  pmem: 'https://pmem.dev/ns#',
} as const
