// Registers your domain and public key with Tesla, once per region, and shows how to pair the car.
//
//   reads     .env, public-key.pem
//   writes    nothing
//   contacts  TESLA_DOMAIN, token host, Fleet API
//   costs     nothing
//   run       npx tsx scripts/register_partner.ts [--skip-check]
import { say, startScript, Stop } from "../lib/command_line.ts";
import { PAIRING_PAGE } from "../lib/hosts.ts";
import { readPublicKey } from "../lib/key_files.ts";
import { partnerToken, publishedPoint, registeredPoint } from "../lib/partner.ts";
import { readSettings } from "../lib/settings.ts";
import { askFleetApi } from "../lib/tesla_fetch.ts";

// Step 1: the settings and your public key.
const { options } = startScript(import.meta.filename, { "skip-check": { type: "boolean" } });
const settings = readSettings(
  ["TESLA_CLIENT_ID", "TESLA_CLIENT_SECRET", "TESLA_REGION", "TESLA_DOMAIN", "TESLA_SCOPES"]);
const { TESLA_DOMAIN, TESLA_REGION } = settings;
const { point } = readPublicKey();

// Step 2: what Tesla will find on your domain. It must be this very key.
if (options["skip-check"] !== true && (await publishedPoint(TESLA_DOMAIN)) !== point) {
  throw new Stop(5, `${TESLA_DOMAIN} shows another key than public-key.pem; put public-key.pem there, wait `
    + "some minutes for caches, then run it again");
}

// Step 3: a token for your app.
const bearer = await partnerToken(settings);

// Step 4: registration. Tesla downloads the key now. "Already taken" may mean: by this very registration.
// https://developer.tesla.com/docs/fleet-api/endpoints/partner-endpoints#register
let taken: unknown;
try {
  await askFleetApi(TESLA_REGION, "partner_accounts", bearer, { json: { domain: TESLA_DOMAIN } });
} catch (error) {
  if (!(error instanceof Stop && error.status === 422 && error.message.includes("taken"))) throw error;
  taken = error;
}

// Step 5: what Tesla has on file now.
const registered = await registeredPoint(settings, bearer).catch((error) => {
  throw error instanceof Stop && [404, 412].includes(error.status) ? taken ?? error : error; // not ours
});
if (registered !== point) {
  throw taken ?? new Stop(5, "Tesla has another key on file than public-key.pem; try again in some minutes");
}

// Step 6: the virtual key. The car's owner approves it in the Tesla app.
say(`registered: Tesla has your key on file for ${TESLA_DOMAIN} in region ${TESLA_REGION}
next     npx tsx scripts/get_token.ts
then     open the address below on the phone that has the Tesla app, and approve the virtual key. The car must
         be online, and the phone must be one of its keys. A Model S or X before 2021 needs none of this.`);
process.stdout.write(`${PAIRING_PAGE}${TESLA_DOMAIN}\n`);
