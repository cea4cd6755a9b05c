// Makes the key pair that your commands are signed with. It never overwrites one.
//
//   reads     private-key.pem, public-key.pem
//   writes    private-key.pem, public-key.pem
//   contacts  nobody
//   costs     nothing
//   run       npx tsx scripts/generate_key.ts
import { generateKeyPairSync } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { messageOf, say, startScript, Stop } from "../lib/command_line.ts";

// Step 1: a key that is here already is kept.
startScript(import.meta.filename);
for (const file of ["private-key.pem", "public-key.pem"]) {
  if (existsSync(file)) {
    throw new Stop(2, `${file} exists already and was kept; another pair must be registered and paired anew; `
      + "only if you want that, move both keys away; if just public-key.pem is missing: openssl ec "
      + "-in private-key.pem -pubout -out public-key.pem");
  }
}

// Step 2: a pair on the curve P-256, as Tesla wants it.
// https://developer.tesla.com/docs/fleet-api/virtual-keys/developer-guide
const { privateKey, publicKey } = generateKeyPairSync("ec", {
  namedCurve: "prime256v1",
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});

// Step 3: two files: the private one for you alone, the public one for everybody. "wx" never overwrites.
try {
  writeFileSync("private-key.pem", privateKey, { flag: "wx", mode: 0o600 });
  writeFileSync("public-key.pem", publicKey, { flag: "wx", mode: 0o644 });
} catch (error) {
  throw new Stop(1, `cannot write the keys: ${messageOf(error)}; remove what this run left, run it again`);
}
say(`made private-key.pem (only you can read it; it never leaves this machine) and public-key.pem
next     put public-key.pem on your domain, or run npx tsx scripts/serve_public_key.ts behind a tunnel`);
