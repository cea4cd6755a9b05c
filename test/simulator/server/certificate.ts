// Makes a certificate authority and one server certificate for every host name that the simulator stands for.
// Both are new at every start and never leave this computer: the private keys stay in memory, only the
// authority's certificate is written to a file, for the scripts to trust. It is not a general certificate
// tool.

import { generateKeyPairSync, randomBytes } from "node:crypto";
import forge from "node-forge";

export interface Certificates {
  ca: string;
  cert: string;
  key: string;
}

const ONE_DAY = 24 * 3600 * 1000;

// Made once in a process: tests start many simulators, and making and signing is what takes the time.
let keyPairs: { authority: Keys; server: Keys } | undefined;
const made = new Map<string, Certificates>();

type Keys = ReturnType<typeof newKeys>;

// node:crypto makes RSA keys far quicker than forge; forge only assembles and signs the certificates.
function newKeys() {
  const pair = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  return {
    pem: pair.privateKey,
    privateKey: forge.pki.privateKeyFromPem(pair.privateKey),
    publicKey: forge.pki.publicKeyFromPem(pair.publicKey),
  };
}

function newCertificate(publicKey: forge.pki.PublicKey, subject: string, issuer: string) {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = publicKey;
  // The first digit 0 keeps the serial number positive, which X.509 demands.
  certificate.serialNumber = "01" + randomBytes(15).toString("hex");
  certificate.validity.notBefore = new Date(Date.now() - ONE_DAY);
  certificate.validity.notAfter = new Date(Date.now() + 30 * ONE_DAY);
  certificate.setSubject([{ name: "commonName", value: subject }]);
  certificate.setIssuer([{ name: "commonName", value: issuer }]);
  return certificate;
}

/** An authority and a server certificate for these DNS names, for 127.0.0.1 and for ::1, all PEM: fresh in each
 * process. */
export function makeCertificates(hostNames: string[]): Certificates {
  const known = made.get(hostNames.join(" ")) ?? newCertificates(hostNames);
  made.set(hostNames.join(" "), known);
  return known;
}

function newCertificates(hostNames: string[]): Certificates {
  const authorityName = "Tesla simulator, not Tesla";
  keyPairs ??= { authority: newKeys(), server: newKeys() };
  const { authority: authorityKeys, server: serverKeys } = keyPairs;
  const authority = newCertificate(authorityKeys.publicKey, authorityName, authorityName);
  authority.setExtensions([
    { name: "basicConstraints", cA: true, critical: true },
    { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
    { name: "subjectKeyIdentifier" },
  ]);
  authority.sign(authorityKeys.privateKey, forge.md.sha256.create());

  const server = newCertificate(serverKeys.publicKey, hostNames[0] ?? "localhost", authorityName);
  const names: { type: number; value?: string; ip?: string }[] = [];
  for (const name of hostNames) names.push({ type: 2, value: name });
  names.push({ type: 7, ip: "127.0.0.1" }, { type: 7, ip: "::1" });
  server.setExtensions([
    { name: "basicConstraints", cA: false },
    { name: "keyUsage", digitalSignature: true, keyEncipherment: true },
    { name: "extKeyUsage", serverAuth: true },
    { name: "subjectAltName", altNames: names },
    // Strict verifiers, Python 3.13's among them, demand both.
    { name: "subjectKeyIdentifier" },
    { name: "authorityKeyIdentifier", keyIdentifier: authority.generateSubjectKeyIdentifier().getBytes() },
  ]);
  server.sign(authorityKeys.privateKey, forge.md.sha256.create());

  return {
    ca: forge.pki.certificateToPem(authority),
    cert: forge.pki.certificateToPem(server),
    key: serverKeys.pem,
  };
}
