// Registers your domain and public key with Tesla, once per region, and shows how to pair the car.
//
//   reads     .env, public-key.pem
//   writes    nothing
//   contacts  TESLA_DOMAIN, token host, Fleet API
//   costs     nothing
//   run       npx tsx scripts/register_partner.ts [--skip-check]
import { Failure, say, startScript } from "../lib/command_line.ts";
import { readPublicKey } from "../lib/key_files.ts";
import { checkPublishedKey, partnerToken, registeredPoint } from "../lib/partner.ts";
import { APP_SETTINGS, pairingAddress, readSettings } from "../lib/settings.ts";
import { askFleetApi } from "../lib/tesla_fetch.ts";

// Step 1: the settings and your public key.
const { "skip-check": skipCheck } = startScript(import.meta.filename, { flags: ["skip-check"] });
const settings = readSettings([...APP_SETTINGS, "TESLA_DOMAIN"]);
const { TESLA_DOMAIN, TESLA_REGION } = settings;
const { point } = readPublicKey();

// Step 2: what Tesla will find on your domain. It must be this very key.
if (!skipCheck) await checkPublishedKey(TESLA_DOMAIN, point);

// Step 3: a token for your app.
const bearer = await partnerToken(settings);

// Step 4: registration. Tesla downloads the key now. "Already taken" may mean: by an earlier run of this.
// https://developer.tesla.com/docs/fleet-api/endpoints/partner-endpoints#register
let taken: Failure | undefined;
try {
  await askFleetApi(TESLA_REGION, "partner_accounts", bearer, { json: { domain: TESLA_DOMAIN } });
} catch (error) {
  if (!(error instanceof Failure && error.status === 422 && error.found.includes("taken"))) throw error;
  taken = error;
}

// Step 5: what Tesla has on file now. It may accept the registration and still not show us the key.
let state = "Tesla has your key on file";
try {
  const registered = await registeredPoint(TESLA_REGION, TESLA_DOMAIN, bearer);
  if (registered !== point) {
    const found = `a key different from public-key.pem, for ${TESLA_DOMAIN} in region ${TESLA_REGION}`;
    throw (
      taken
      ?? new Failure(
        5,
        "Tesla has a different key on file",
        found,
        "try again in a few minutes; if it stays so, register again",
      )
    );
  }
} catch (error) {
  const isHidden = error instanceof Failure && [403, 404, 412, 421].includes(error.status);
  if (!isHidden) throw error;
  if (taken) throw taken; // by another app or domain
  const why = error.status === 403 ? "; the look-up needs vehicle_device_data" : "";
  state = `Tesla does not show the key here (${error.status}${why}), which does no harm`;
}

// Step 6: the virtual key. The car's owner approves it in the Tesla app.
say(`registered: ${TESLA_DOMAIN} in region ${TESLA_REGION}; ${state}
next     npx tsx scripts/get_token.ts
then     open the address below on the phone that has the Tesla app (on a computer, scan the code), and
         approve the virtual key. The car must be online, and the phone must be one of its keys. With several
         cars, select the car in the app first. A Model S or X before 2021 needs none of this.
         Then check it: npx tsx scripts/check_setup.ts`);
process.stdout.write(`${pairingAddress()}\n`);
