import { X509Certificate } from 'node:crypto'
import type { Options, OptionTable } from '../../cli/arguments.js'
import { EXIT, ToolError } from '../../cli/exit.js'
import { newPassword, PASSWORD_OPTION, readSmallFile } from '../../cli/secret.js'
import { createSeal, type Seal } from '../../formats/aff4/encryption/encrypted-volume.js'

/** Options of a sink that can encrypt what it writes. */
export const SEAL_OPTIONS: OptionTable = {
  encrypt: { help: 'encrypt the volume; asks for a password where no other option gives a secret' },
  ...PASSWORD_OPTION,
  certificate: { value: 'FILE', repeat: true, help: 'encrypt for the owner of this certificate (PEM)' },
}

/** Shorter keys can be factored. */
const SHORTEST_KEY = 2048

/**
 * What SEAL_OPTIONS ask for; undefined without --encrypt. With certificates, and no descriptor for a password, the
 * volume has none.
 * @throws {ToolError} when a secret is missing or can't be used
 */
export async function sealOf(options: Options, target: string): Promise<Seal | undefined> {
  if (!options.flag('encrypt')) {
    for (const name of ['password-fd', 'certificate'])
      if (options.flag(name)) throw new ToolError(EXIT.usage, `--${name}: only with --encrypt`)
    return undefined
  }
  if (options.value('password-fd') === '0')
    throw new ToolError(EXIT.usage, '--password-fd 0: standard input brings the frames')
  const certificates = options.values('certificate').map(readCertificate)
  const asked = certificates.length === 0 || options.flag('password-fd')
  const password = asked ? await newPassword(options, target) : undefined
  try {
    return await createSeal(password, certificates)
  } finally {
    password?.fill(0)
  }
}

function readCertificate(file: string): X509Certificate {
  const pem = readSmallFile(file)
  const refuse = (why: string): never => {
    throw new ToolError(EXIT.data, `${file}: ${why}`)
  }
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(pem)
  } catch {
    return refuse('no certificate in PEM')
  }
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey
  const bits = asymmetricKeyDetails?.modulusLength ?? 0
  if (asymmetricKeyType !== 'rsa') refuse(`a key of ${asymmetricKeyType}, not RSA`)
  if (bits < SHORTEST_KEY) refuse(`a key of ${bits} bits, which is too short`)
  return certificate
}
