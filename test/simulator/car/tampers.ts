// Hostile and broken answers, by name. Each takes the car's honest answer and spoils one thing, the way a
// fault in the car or somebody between the car and the client could.

import { ADDRESS_TAMPERS } from "./tamper_address.ts";
import { BYTE_TAMPERS, CONTENT_TAMPERS } from "./tamper_content.ts";
import type { Tamper } from "./tamper_kinds.ts";
import { SESSION_INFO_TAMPERS } from "./tamper_session_info.ts";
import { SIGNATURE_TAMPERS } from "./tamper_signature.ts";

export const TAMPERS: { [name: string]: Tamper } = {
  ...SIGNATURE_TAMPERS,
  ...ADDRESS_TAMPERS,
  ...CONTENT_TAMPERS,
  ...BYTE_TAMPERS,
  ...SESSION_INFO_TAMPERS,
};
