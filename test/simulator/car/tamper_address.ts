// Answers that say they are for another request or from another computer, and answers that came before.

import { INFOTAINMENT, VCSEC } from "../protocol/protocol.ts";
import { flipped, type Tamper } from "./tamper_kinds.ts";

export const ADDRESS_TAMPERS: { [name: string]: Tamper } = {
  wrong_request_uuid: {
    on: "any",
    spoil: (answer, { request }) => ({ ...answer, request_uuid: flipped(request.uuid) }),
  },
  no_request_uuid: { on: "any", spoil: ({ request_uuid: _, ...rest }) => rest },
  wrong_routing_address: {
    on: "any",
    spoil: (answer) => ({
      ...answer, to_destination: { routing_address: flipped(answer.to_destination?.routing_address) },
    }),
  },
  wrong_from_domain: {
    on: "any",
    spoil: (answer, { subsystem }) => {
      return { ...answer, from_destination: { domain: subsystem.domain === VCSEC ? INFOTAINMENT : VCSEC } };
    },
  },
  no_from_domain: { on: "any", spoil: ({ from_destination: _, ...rest }) => rest },
  replay_last: { on: "any", spoil: (answer, { previous }) => previous ?? answer },
  // The same with the unauthenticated addresses of the present request, so that only cryptography tells.
  replay_last_readdressed: {
    on: "any",
    spoil: (answer, { previous }) => {
      if (!previous) return answer;
      return { ...previous, to_destination: answer.to_destination, request_uuid: answer.request_uuid };
    },
  },
};
