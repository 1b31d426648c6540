import { spawnSync } from 'node:child_process'

/** A reader of encrypted volumes that shares nothing with ours: Debian's Python with cryptography and rdflib. */
const SCRIPT = `
import hashlib, json, struct, sys, zipfile
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from rdflib import Graph, URIRef, RDF

AFF4 = 'http://aff4.org/Schema#'
path, password, key, out = sys.argv[1:]
volume = zipfile.ZipFile(path)
assert volume.testzip() is None
assert volume.namelist()[0] == 'container.description'
assert volume.read('container.description') == volume.comment
assert volume.read('version.txt').startswith(b'major=1\\nminor=2\\ntool=')
graph = Graph()
graph.parse(data=volume.read('information.turtle').decode(), format='turtle')
def one(subject, name):
    values = list(graph.objects(subject, URIRef(AFF4 + name)))
    assert len(values) == 1, (subject, name, values)
    return values[0]
stream, = graph.subjects(RDF.type, URIRef(AFF4 + 'EncryptedStream'))
assert list(graph.objects(stream, RDF.type)) == [URIRef(AFF4 + 'EncryptedStream')]

vek, kinds = set(), []
for bag in graph.objects(stream, URIRef(AFF4 + 'keyBag')):
    wrapped = one(bag, 'wrappedKey').value
    assert int(one(bag, 'keySizeInBytes')) == 32
    kind, = graph.objects(bag, RDF.type)
    kinds.append(str(kind)[len(AFF4):])
    if kind == URIRef(AFF4 + 'PasswordWrappedKeyBag'):
        salt, iterations = one(bag, 'salt').value, int(one(bag, 'iterations'))
        assert len(salt) == 16 and iterations >= 600000
        kek = hashlib.pbkdf2_hmac('sha256', password.encode(), salt, iterations, 32)
        vek.add(aes_key_unwrap(kek, wrapped))
    elif key:
        oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA256(), label=None)
        private = serialization.load_pem_private_key(open(key, 'rb').read(), None)
        vek.add(private.decrypt(wrapped, oaep))
vek, = vek
assert vek[:16] != vek[16:]

size, per_bevy = int(one(stream, 'size')), int(one(stream, 'chunksInSegment'))
assert int(one(stream, 'chunkSize')) == 512
plain = bytearray()
while len(plain) < size:
    number = len(plain) // 512
    bevy = '%s/%08d' % (stream, number // per_bevy)
    stored, index = volume.read(bevy), volume.read(bevy + '.index')
    entries = list(struct.iter_unpack('<QI', index))
    assert entries == [(512 * i, 512) for i in range(len(stored) // 512)]
    for offset, length in entries:
        tweak = struct.pack('<QQ', number, 0)
        cipher = Cipher(algorithms.AES(vek), modes.XTS(tweak)).decryptor()
        plain += cipher.update(stored[offset:offset + length]) + cipher.finalize()
        number += 1
assert 0 <= len(plain) - size < 512 and not any(plain[size:])
open(out, 'wb').write(plain[:size])
inner = zipfile.ZipFile(out)
assert inner.testzip() is None
assert inner.read('version.txt').startswith(b'major=1\\nminor=2\\ntool=')
json.dump({'kinds': sorted(kinds), 'status': str(next(graph.objects(None, URIRef('https://pmem.dev/ns#status')), '')),
           'turtle': inner.read('information.turtle').decode()}, sys.stdout)
`

export interface Decrypted {
  /** Types of the key bags. */
  readonly kinds: readonly string[]
  /** What the outer volume says of how it ended. */
  readonly status: string
  /** What the inner volume says. */
  readonly turtle: string
}

/** Decrypts a volume with the password, checks that all its key bags hold one key, and writes the inner one. */
export function decryptWithPython(file: string, out: string, password: string, key = ''): Decrypted {
  const { stdout, stderr, status, error } = spawnSync(
    '/usr/bin/python3',
    ['-W', 'ignore', '-c', SCRIPT, file, password, key, out],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  )
  if (error) throw error
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}
