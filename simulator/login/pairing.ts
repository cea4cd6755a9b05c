// The pairing page tesla.com/_ak/DOMAIN.

import { html, messagePage } from "../tesla/tesla.ts";
import type { Incoming, Reply } from "../tesla/tesla.ts";
import { notPlanned } from "../world/world.ts";
import type { World } from "../world/world.ts";

/** The page that an owner opens on the phone. It changes nothing: the key is put on the car object. */
export function handlePairing(world: World, incoming: Incoming): Reply {
  const domain = incoming.url.pathname.replace("/_ak/", "");
  if (incoming.method !== "GET" || !incoming.url.pathname.startsWith("/_ak/")) {
    notPlanned(world, incoming, "tesla.com has only the pairing page here");
    return html(404, messagePage("Page not found", "There is nothing here."));
  }
  const registration = world.partner.registrations[world.account.region];
  if (registration?.domain !== domain) {
    return html(200, messagePage("Add a virtual key", "This third party isn't registered with Tesla."));
  }
  const pairing = ["vehicle_device_data", "vehicle_cmds", "vehicle_location"];
  if (!pairing.some((scope) => world.account.consentedScopes.includes(scope))) {
    return html(
      200,
      messagePage(
        "Add a virtual key",
        "Adding a virtual key is prohibited because you have not granted this third party access.",
      ),
    );
  }
  return html(
    200,
    messagePage("Add a virtual key", `Open the Tesla app to allow ${domain} to control your car.`),
  );
}
