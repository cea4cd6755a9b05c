// Hostile and broken answers, by name. Each takes the car's honest answer and spoils one thing, the way a
// fault in the car or somebody between the car and the client could.

import { newKeyPair, sharedKey, sessionInfoTag } from "./car_crypto.ts";
import type { Subsystem } from "./car_subsystem.ts";
import {
  INFOTAINMENT, VCSEC, decode, encode, encodeRoutable, type RoutableMessage, type SessionInfo,
} from "./messages.ts";

export interface TamperContext {
  subsystem: Subsystem;
  request: RoutableMessage;
  clientKey: Buffer | undefined;
  // The last honest answer before this one, to a handshake or to a command.
  previous: RoutableMessage | undefined;
}

type Spoiler = (answer: RoutableMessage, context: TamperContext) => RoutableMessage | Buffer;

// "session_info": only answers that carry session info (handshakes, and faults that bring it);
// "command": only answers without; "any": whatever comes next.
interface Tamper { on: "session_info" | "command" | "any"; spoil: Spoiler }

function flipped(bytes: Buffer | undefined): Buffer {
  const copy = Buffer.from(bytes?.length ? bytes : [0]);
  const last = copy.length - 1;
  copy[last] = (copy[last] ?? 0) ^ 1;
  return copy;
}

// The tag of whatever kind the answer has.
function tagChanged(answer: RoutableMessage, change: (tag: Buffer) => Buffer): RoutableMessage {
  const info = answer.signature_data?.session_info_tag;
  if (info) {
    const tag = change(info.tag ?? Buffer.alloc(0));
    return { ...answer, signature_data: { session_info_tag: { tag } } };
  }
  const response = answer.signature_data?.AES_GCM_Response_data;
  if (!response) return answer;
  const tag = change(response.tag ?? Buffer.alloc(0));
  return { ...answer, signature_data: { AES_GCM_Response_data: { ...response, tag } } };
}

// Other session info under a right tag, as only the car could make it.
function infoChanged(change: (info: SessionInfo) => SessionInfo): Tamper {
  return {
    on: "session_info",
    spoil: (answer, { subsystem, request, clientKey }) => {
      if (!answer.session_info || !clientKey) return answer;
      const info = change(decode("SessionInfo", answer.session_info) as SessionInfo);
      const changed = { ...answer };
      subsystem.attachSessionInfo(changed, info, request, clientKey);
      return changed;
    },
  };
}

function keyChanged(change: (key: Buffer) => Buffer): Tamper {
  return infoChanged((info) => ({ ...info, publicKey: change(info.publicKey ?? Buffer.alloc(65)) }));
}

// Somebody between hands out a key of his own, with a tag that is right for it.
function otherKey(answer: RoutableMessage, context: TamperContext): RoutableMessage {
  const { subsystem, request, clientKey } = context;
  if (!answer.session_info || !clientKey) return answer;
  const pair = newKeyPair();
  const info = decode("SessionInfo", answer.session_info) as SessionInfo;
  const bytes = encode("SessionInfo", { ...info, publicKey: pair.getPublicKey() });
  const challenge = request.uuid ?? Buffer.alloc(0);
  const tag = sessionInfoTag(sharedKey(pair, clientKey), subsystem.vin, challenge, bytes);
  return { ...answer, session_info: bytes, signature_data: { session_info_tag: { tag } } };
}

function plaintext(answer: RoutableMessage, payload: Buffer): RoutableMessage {
  const { signature_data: _, signedMessageStatus: __, session_info: ___, ...rest } = answer;
  return { ...rest, protobuf_message_as_bytes: payload };
}

// Length-delimited fields inside each other, the innermost empty.
function nested(levels: number, key: number): Buffer {
  const parts: Buffer[] = [];
  let length = 0;
  for (let level = 0; level < levels; level++) {
    const head = [key];
    let rest = length;
    while (rest > 0x7f) {
      head.push((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    head.push(rest);
    parts.push(Buffer.from(head));
    length += head.length;
  }
  return Buffer.concat(parts.reverse());
}

const EARLIER_SECONDS = 100;

export const TAMPERS: { [name: string]: Tamper } = {
  // Tags and signatures.
  wrong_tag: { on: "any", spoil: (answer) => tagChanged(answer, flipped) },
  short_tag: { on: "any", spoil: (answer) => tagChanged(answer, (tag) => tag.subarray(0, tag.length - 4)) },
  empty_tag: { on: "any", spoil: (answer) => tagChanged(answer, () => Buffer.alloc(0)) },
  no_signature: { on: "any", spoil: ({ signature_data: _, ...rest }) => rest },
  undecryptable: {
    on: "command",
    spoil: (answer) => tagChanged(
      { ...answer, protobuf_message_as_bytes: flipped(answer.protobuf_message_as_bytes) }, flipped),
  },
  wrong_nonce_length: {
    on: "command",
    spoil: (answer) => {
      const data = answer.signature_data?.AES_GCM_Response_data;
      if (!data) return answer;
      const nonce = Buffer.alloc(11, 1);
      return { ...answer, signature_data: { AES_GCM_Response_data: { ...data, nonce } } };
    },
  },
  fault_added: {
    on: "command",
    spoil: (answer) => ({ ...answer, signedMessageStatus: { operation_status: 2, signed_message_fault: 1 } }),
  },
  fault_removed: { on: "any", spoil: ({ signedMessageStatus: _, ...rest }) => rest },
  error_without_fault: {
    on: "command",
    spoil: (answer) => ({ ...answer, signedMessageStatus: { operation_status: 2 } }),
  },
  unknown_operation_status: {
    on: "command",
    spoil: (answer) => ({ ...answer, signedMessageStatus: { operation_status: 3 } }),
  },

  // Whom the answer is for and from.
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

  // Forged or unreadable content of a command's answer.
  plaintext_success: {
    on: "command",
    spoil: (answer, { subsystem }) => {
      const success = encode("Response", { actionStatus: {} });
      return plaintext(answer, subsystem.domain === VCSEC ? Buffer.alloc(0) : success);
    },
  },
  plaintext_error: {
    on: "command",
    spoil: (answer) => {
      const actionStatus = { result: 1, result_reason: { plain_text: "forged" } };
      return plaintext(answer, encode("Response", { actionStatus }));
    },
  },
  plaintext_already: {
    on: "command",
    spoil: (answer) => {
      const actionStatus = { result: 1, result_reason: { plain_text: "already_set" } };
      return plaintext(answer, encode("Response", { actionStatus }));
    },
  },
  key_not_on_whitelist: {
    on: "command",
    spoil: (answer) => {
      const { protobuf_message_as_bytes: _, ...rest } = plaintext(answer, Buffer.alloc(0));
      return { ...rest, session_info: encode("SessionInfo", { status: 1 }) };
    },
  },
  plaintext_garbage: { on: "command", spoil: (answer) => plaintext(answer, Buffer.alloc(40, 0xff)) },
  // Nested about as deep as 100,000 bytes allow.
  nested_too_deep: { on: "command", spoil: (answer) => plaintext(answer, nested(20_000, 0x0a)) },
  nested_groups: {
    on: "any",
    spoil: (answer) => Buffer.concat([encodeRoutable(answer), Buffer.alloc(20_000, 0x0b)]),
  },
  no_payload: {
    on: "command",
    spoil: ({ protobuf_message_as_bytes: _, signature_data: __, ...rest }) => rest,
  },

  // The bytes themselves.
  truncated: {
    on: "any",
    spoil: (answer) => {
      const bytes = encodeRoutable(answer);
      return bytes.subarray(0, Math.ceil(bytes.length / 2) + 1);
    },
  },
  cut_last_byte: { on: "any", spoil: (answer) => encodeRoutable(answer).subarray(0, -1) },
  // A valid message with an unknown field of 2 MiB behind it.
  oversized: {
    on: "any",
    spoil: (answer) => {
      const head = Buffer.from([0xa2, 0x06, 0x80, 0x80, 0x80, 0x01]);
      return Buffer.concat([encodeRoutable(answer), head, Buffer.alloc(2 * 1024 * 1024)]);
    },
  },
  unknown_fields: {
    on: "any",
    spoil: (answer) => {
      return Buffer.concat([encodeRoutable(answer), Buffer.from([0xa2, 0x06, 3, 1, 2, 3, 0xa8, 0x06, 7])]);
    },
  },
  long_varint: { on: "any", spoil: () => Buffer.concat([Buffer.from([0xa0, 0x03]), Buffer.alloc(20, 0xff)]) },
  garbage: { on: "any", spoil: () => Buffer.alloc(100, 0xff) },
  empty: { on: "any", spoil: () => Buffer.alloc(0) },

  // Session info, each with a right tag.
  other_key: { on: "session_info", spoil: otherKey },
  short_epoch: infoChanged((info) => ({ ...info, epoch: Buffer.alloc(15, 7) })),
  long_epoch: infoChanged((info) => ({ ...info, epoch: Buffer.alloc(17, 7) })),
  empty_epoch: infoChanged(({ epoch: _, ...rest }) => rest),
  old_clock: infoChanged((info) => {
    return { ...info, clock_time: Math.max((info.clock_time ?? 0) - EARLIER_SECONDS, 0) };
  }),
  huge_clock: infoChanged((info) => ({ ...info, clock_time: 0xffffffff })),
  old_counter: infoChanged((info) => ({ ...info, counter: Math.max((info.counter ?? 0) - 5, 0) })),
  last_counter: infoChanged((info) => ({ ...info, counter: 0xffffffff })),
  unknown_status: infoChanged((info) => ({ ...info, status: 2 })),
  // Session info whose key cannot be one: the tag is that of the real key.
  compressed_key: keyChanged((key) => {
    return Buffer.concat([Buffer.of(2 + ((key[64] ?? 0) & 1)), key.subarray(1, 33)]);
  }),
  short_key: keyChanged((key) => key.subarray(1)),
  key_off_the_curve: keyChanged(flipped),
  no_key: infoChanged(({ publicKey: _, ...rest }) => rest),
  garbage_session_info: {
    on: "session_info",
    spoil: (answer) => ({ ...answer, session_info: Buffer.alloc(30, 0xff) }),
  },
};
