// Answers to a command with forged or unreadable content, and answers whose very bytes are wrong.

import { VCSEC, encode, encodeRoutable, type RoutableMessage } from "../protocol/protocol.ts";
import type { Tamper } from "./tamper_kinds.ts";

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

export const CONTENT_TAMPERS: { [name: string]: Tamper } = {
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
};

export const BYTE_TAMPERS: { [name: string]: Tamper } = {
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
};
