// Answers with a wrong tag, and with a status that their tag does not cover.

import type { RoutableMessage } from "../protocol/protocol.ts";
import { flipped, type Tamper } from "./tamper_kinds.ts";

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

export const SIGNATURE_TAMPERS: { [name: string]: Tamper } = {
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
};
