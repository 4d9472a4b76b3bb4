/**
 * Certificates for TLS tests, made on the spot: an authority, and certificates it has signed. Node makes keys and signs, but
 * writes no certificates, so the little DER that it takes is here.
 *
 *     const authority = makeAuthority()
 *     const server = authority.issue('server')     // good for 127.0.0.1 and localhost
 *     { cert: server.cert, key: server.key, ca: authority.cert }   all PEM
 */

import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

export interface Certificate {
  /** PEM. */
  readonly cert: string
  /** PEM. */
  readonly key: string
}

export interface Authority {
  /** PEM. */
  readonly cert: string
  /** A certificate for a server on this machine and for a client alike. */
  issue(commonName: string): Certificate
}

export function makeAuthority(): Authority {
  const keys = newKeys()
  const name = distinguishedName('callboard test authority')
  const cert = certificate({
    subject: name,
    issuer: name,
    publicKey: keys.publicKey,
    signer: keys.privateKey,
    ca: true,
  })
  return {
    cert: pem('CERTIFICATE', cert),
    issue(commonName) {
      const { publicKey, privateKey } = newKeys()
      const subject = distinguishedName(commonName)
      const issued = certificate({ subject, issuer: name, publicKey, signer: keys.privateKey, ca: false })
      return {
        cert: pem('CERTIFICATE', issued),
        key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      }
    },
  }
}

const newKeys = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })

interface Plan {
  readonly subject: Buffer
  readonly issuer: Buffer
  readonly publicKey: KeyObject
  readonly signer: KeyObject
  readonly ca: boolean
}

const OID = {
  commonName: [0x55, 0x04, 0x03],
  ecdsaWithSha256: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
  basicConstraints: [0x55, 0x1d, 0x13],
  subjectAltName: [0x55, 0x1d, 0x11],
} as const

const ALGORITHM = sequence(oid(OID.ecdsaWithSha256))

/** X.509 v3, RFC 5280. */
function certificate({ subject, issuer, publicKey, signer, ca }: Plan): Buffer {
  const serial = randomBytes(12)
  serial[0] = 1 // Positive, and never with a leading zero.
  const validity = sequence(utcTime('200101000000Z'), utcTime('491231235959Z'))
  const body = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(serial),
    ALGORITHM,
    issuer,
    validity,
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...(ca ? [isAuthority()] : [goodForThisMachine()]))),
  )
  const signature = sign('sha256', body, signer)
  return sequence(body, ALGORITHM, tagged(0x03, Buffer.concat([Buffer.from([0]), signature])))
}

function isAuthority(): Buffer {
  const critical = tagged(0x01, Buffer.from([0xff]))
  return sequence(oid(OID.basicConstraints), critical, octets(sequence(critical)))
}

function goodForThisMachine(): Buffer {
  const names = sequence(tagged(0x82, Buffer.from('localhost')), tagged(0x87, Buffer.from([127, 0, 0, 1])))
  return sequence(oid(OID.subjectAltName), octets(names))
}

function distinguishedName(commonName: string): Buffer {
  const attribute = sequence(oid(OID.commonName), tagged(0x0c, Buffer.from(commonName)))
  return sequence(tagged(0x31, attribute))
}

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const lengthBytes = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...lengthBytes]), content])
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts))
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes)
}

function octets(content: Buffer): Buffer {
  return tagged(0x04, content)
}

function oid(bytes: readonly number[]): Buffer {
  return tagged(0x06, Buffer.from(bytes))
}

function utcTime(text: string): Buffer {
  return tagged(0x17, Buffer.from(text))
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}
