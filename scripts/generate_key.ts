// Makes the key pair used to sign your commands. It never overwrites one.
//
//   reads     private-key.pem, public-key.pem
//   writes    private-key.pem, public-key.pem
//   contacts  nothing
//   costs     nothing
//   run       npx tsx scripts/generate_key.ts
import { generateKeyPairSync } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { Failure, fixForFile, messageOf, say, startScript } from "../lib/command_line.ts";
import { MAKE_PUBLIC } from "../lib/key_files.ts";

// Step 1: a key that is here already is kept.
startScript(import.meta.filename);
const here = ["private-key.pem", "public-key.pem"].filter((file) => existsSync(file));
if (here.length > 0) {
  const lost = "if it is lost: move public-key.pem away, run this again, then register and pair again";
  let fix =
    "keep them; a new pair would have to be registered and paired again: for that, move both keys away";
  if (!here.includes("public-key.pem")) fix = `make it from the private key: ${MAKE_PUBLIC}`;
  if (!here.includes("private-key.pem")) fix = `copy private-key.pem here; ${lost}`;
  throw new Failure(2, `${here.join(" and ")} already exists, left unchanged`, "nothing was made", fix);
}

// Step 2: a pair on the curve P-256, as Tesla requires.
// https://developer.tesla.com/docs/fleet-api/virtual-keys/developer-guide
const { privateKey, publicKey } = generateKeyPairSync("ec", {
  namedCurve: "prime256v1",
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});

// Step 3: two files: the private one for you alone, the public one for everyone. "wx" never overwrites.
try {
  writeFileSync("private-key.pem", privateKey, { flag: "wx", mode: 0o600 });
  writeFileSync("public-key.pem", publicKey, { flag: "wx", mode: 0o644 });
} catch (error) {
  const fix = `${fixForFile("private-key.pem", error)}; delete any partial files first`;
  throw new Failure(1, "cannot write the keys", messageOf(error), fix);
}
const forYou = process.platform === "win32" ? "" : "only you can read it; ";
say(`made private-key.pem (${forYou}it never leaves this machine) and public-key.pem
next     put public-key.pem on your domain, or run npx tsx scripts/serve_public_key.ts behind a tunnel`);
