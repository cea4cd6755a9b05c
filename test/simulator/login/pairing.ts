// The pairing page tesla.com/_ak/DOMAIN.

import { escapeHtml, html, messagePage, page } from "../tesla/tesla.ts";
import type { Incoming, Reply } from "../tesla/tesla.ts";
import { notPlanned } from "../world/world.ts";
import type { World } from "../world/world.ts";

function says(text: string): Reply {
  return html(200, messagePage("Add a virtual key", text));
}

/** What keeps Tesla from offering the key at all. */
function obstacle(world: World, domain: string): string | undefined {
  const registration = world.partner.registrations[world.account.region];
  if (registration?.domain !== domain) return "This third party isn't registered with Tesla.";
  const pairing = ["vehicle_device_data", "vehicle_cmds", "vehicle_location"];
  if (pairing.some((scope) => world.account.consentedScopes.includes(scope))) return undefined;
  return "Adding a virtual key is prohibited because you have not granted this third party access.";
}

/** The page that an owner opens on the phone. It changes nothing: the key is put on the car object. */
export function handlePairing(world: World, incoming: Incoming): Reply {
  const domain = incoming.url.pathname.replace("/_ak/", "");
  if (incoming.method !== "GET" || !incoming.url.pathname.startsWith("/_ak/")) {
    notPlanned(world, incoming, "tesla.com has only the pairing page here");
    return html(404, messagePage("Page not found", "There is nothing here."));
  }
  return says(obstacle(world, domain) ?? `Open the Tesla app to allow ${domain} to control your car.`);
}

/** The same page in a browser on this computer: it plays the phone too, with a button that approves. */
export function handlePairingInBrowser(world: World, incoming: Incoming): Reply {
  const domain = incoming.url.pathname.replace("/_ak/", "");
  const refusal = obstacle(world, domain);
  if (refusal !== undefined) return says(refusal);
  if (incoming.method !== "POST") {
    return html(
      200,
      page(
        "Add a virtual key",
        `<p>On your phone this opens the Tesla app, which asks:</p>
<p class="note">Allow ${escapeHtml(domain)} to control your car?</p>
<form method="post"><button type="submit" name="action" value="approve">Approve</button></form>`,
      ),
    );
  }
  if (!world.car.online || !world.car.awake) return says("The car is asleep. Wake it, then try again.");
  world.car.pair(world.partner.registrations[world.account.region]?.publicKey ?? "");
  return says(`The key of ${domain} is on the car.`);
}
