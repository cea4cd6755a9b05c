// Partner registration: what POST /api/1/partner_accounts checks, in the order of the checks that Tesla
// names, and the look-up of the key that Tesla has on file. The key is really downloaded, in the same way in
// which a visitor of the owner's domain gets it (owner.ts).
import { createHash, createPublicKey, randomUUID } from "node:crypto";
import { notPlanned, type GrantedToken, type World } from "../world.ts";
import { visitSite } from "./owner.ts";
import { FIXED, KEY_PATH, fleetError, foreignRoot, invalidDomain, json, noKeyFile } from "./tesla.ts";
import { notRegistered, notValid, type Incoming, type Region, type Reply } from "./tesla.ts";

// Tesla refuses a key file as "too large"; where the limit lies is not known, a P-256 key file has 178 bytes.
const KEY_FILE_LIMIT = 4096;
// Top-level names under which each owner has a name of their own, so that a root domain has three parts.
const SHARED_SUFFIXES = ["github.io", "ngrok-free.app", "co.uk"];

function rootDomain(domain: string): string {
  const shared = SHARED_SUFFIXES.some((suffix) => domain.endsWith(`.${suffix}`));
  return domain
    .split(".")
    .slice(shared ? -3 : -2)
    .join(".");
}

type Key = { hex: string } | { why: string };

/** The uncompressed point of a P-256 public key file as 130 hex digits, or why it is none. */
function readPublicKey(pem: string): Key {
  if (!/^\s*-----BEGIN PUBLIC KEY-----/.test(pem)) return { why: "not a PEM public key" };
  try {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyDetails?.namedCurve !== "prime256v1") return { why: "not a secp256r1 key" };
    // 65 bytes at the end of the 91 of the DER form are the point.
    return { hex: key.export({ type: "spki", format: "der" }).subarray(-65).toString("hex") };
  } catch {
    return { why: "not a PEM public key" };
  }
}

async function downloadKey(world: World, domain: string): Promise<Key> {
  world.partner.downloads.push(`https://${domain}${KEY_PATH}`);
  if (domain !== world.partner.domain) return { why: "no such host" };
  const page = await visitSite(world, "GET", KEY_PATH, { host: domain, accept: "*/*" });
  if (page.wire !== undefined) return { why: "connection closed" };
  if (page.status !== 200) return { why: `unexpected status ${page.status}` };
  return page.body.length > KEY_FILE_LIMIT ? { why: "too large" } : readPublicKey(page.body);
}

/** The checks of a registration in Tesla's order, and the registration. */
export async function register(
  world: World,
  region: Region,
  token: GrantedToken,
  body: object,
): Promise<Reply> {
  const { account, partner } = world;
  if (token.kind !== "partner") return notRegistered(account.clientId, region);
  const domain = "domain" in body && typeof body.domain === "string" ? body.domain : "";
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(domain)) return invalidDomain(domain);
  const root = rootDomain(domain);
  const isAllowed = partner.allowedOrigins.some((origin) => rootDomain(new URL(origin).hostname) === root);
  if (!isAllowed) return foreignRoot(root, account.clientId);
  const key = await downloadKey(world, domain);
  if ("why" in key) return noKeyFile(domain, key.why);
  if (partner.takenDomains.includes(domain)) return notValid("Domain has already been taken");
  const updatedAt = new Date(world.clock.now()).toISOString();
  const { accountId = randomUUID(), createdAt = updatedAt } = partner.registrations[region] ?? {};
  partner.registrations[region] = { domain, publicKey: key.hex, accountId, createdAt, updatedAt };
  const own = { name: partner.appName, description: partner.description, client_id: account.clientId };
  const dates = { created_at: createdAt, updated_at: updatedAt };
  const found = { account_id: accountId, domain, ...own, ...dates, public_key: key.hex };
  return json(200, { response: { ...FIXED.registration, ...found } });
}

function keyOnFile(world: World, region: Region, url: URL): Reply {
  const domain = url.searchParams.get("domain");
  if (domain === null) return fleetError(500, "upstream internal error");
  const registration = world.partner.registrations[region];
  if (registration?.domain !== domain) return fleetError(404, "not_found", false);
  let hex = registration.publicKey;
  // Another 64 bytes behind the same first one: the shape is right and the key is not.
  const isOther = world.failures.take("other_key_on_file", url.pathname);
  if (isOther) hex = `04${createHash("sha512").update(hex).digest("hex")}`;
  if (world.partner.publicKeyForm === "hex") return json(200, { response: { public_key: hex } });
  const der = Buffer.from(`3059301306072a8648ce3d020106082a8648ce3d030107034200${hex}`, "hex");
  const base64 = der.toString("base64").replace(/(.{64})/g, "$1\n");
  const pem = `-----BEGIN PUBLIC KEY-----\n${base64}\n-----END PUBLIC KEY-----\n`;
  return json(200, { response: { public_key: pem } });
}

export async function handlePartner(
  world: World,
  region: Region,
  incoming: Incoming,
  token: GrantedToken,
  body: object,
): Promise<Reply> {
  const route = `${incoming.method} ${incoming.url.pathname.replace("/api/1/partner_accounts", "")}`;
  if (route === "POST ") return register(world, region, token, body);
  // Only an application that is registered here gets further, and only with its own token.
  if (token.kind !== "partner") return fleetError(403, "Unauthorized missing scopes", false);
  if (route === "GET /public_key") return keyOnFile(world, region, incoming.url);
  if (route === "GET /fleet_telemetry_errors") {
    return json(200, { response: { fleet_telemetry_errors: world.garage.telemetry.errors } });
  }
  notPlanned(world, incoming, "no such partner endpoint");
  return fleetError(404, "not_found", false);
}
