// Hostile and broken answers, by name. Each takes the car's honest answer and spoils one thing, the way a
// fault in the car or somebody between the car and the client could.
import protobuf from "protobufjs";
import { Computer } from "../protocol/computer.ts";
import { INFOTAINMENT, VCSEC, decode, encode, encodeRoutable } from "../protocol/messages.ts";
import type { RoutableMessage, SessionInfo } from "../protocol/messages.ts";
import { refusalPayload } from "./payloads.ts";

interface Context {
  computer: Computer;
  request: RoutableMessage;
  clientKey: Buffer | undefined;
  previous: RoutableMessage | undefined; // the last honest answer before this one, of the same kind
}
type Spoiler = (answer: RoutableMessage, context: Context) => RoutableMessage | Buffer;

/**
 * "session_info": only answers that carry session info (handshakes, and faults that bring it); "command": only
 * answers without; "any": whatever comes next.
 */
export interface Tamper {
  on: "session_info" | "command" | "any";
  spoil: Spoiler;
}

function flipped(bytes: Buffer | undefined): Buffer {
  const copy = Buffer.from(bytes?.length ? bytes : [0]);
  const last = copy.length - 1;
  copy[last] = (copy[last] ?? 0) ^ 1;
  return copy;
}

/** The tag of whatever kind the answer has. */
function tagChanged(answer: RoutableMessage, change: (tag: Buffer) => Buffer): RoutableMessage {
  const { session_info_tag: info, AES_GCM_Response_data: response } = answer.signature_data ?? {};
  if (info) {
    const tag = change(info.tag ?? Buffer.alloc(0));
    return { ...answer, signature_data: { session_info_tag: { tag } } };
  }
  if (!response) return answer;
  const tag = change(response.tag ?? Buffer.alloc(0));
  return { ...answer, signature_data: { AES_GCM_Response_data: { ...response, tag } } };
}

function statusChanged(operation_status: number, signed_message_fault?: number): Spoiler {
  const status = { operation_status, ...(signed_message_fault ? { signed_message_fault } : {}) };
  return (answer) => ({ ...answer, signedMessageStatus: status });
}

/** Unencrypted and unsigned, with this content. */
function plaintext(payload: (context: Context) => Buffer): Spoiler {
  return ({ signature_data: _, signedMessageStatus: __, session_info: ___, ...rest }, context) => ({
    ...rest,
    protobuf_message_as_bytes: payload(context),
  });
}

/** Other bytes behind those of the answer. */
function followedBy(...bytes: number[]): Spoiler {
  return (answer) => Buffer.concat([encodeRoutable(answer), Buffer.from(bytes)]);
}

/** Length-delimited fields of number 1 inside each other, the innermost empty. */
function nested(levels: number): Buffer {
  const writer = protobuf.Writer.create();
  for (let level = 0; level < levels; level++) writer.uint32(0x0a).fork();
  for (let level = 0; level < levels; level++) writer.ldelim();
  return Buffer.from(writer.finish());
}

/** Other session info under a right tag: that of the car, or of somebody between with a key of his own. */
function infoChanged(change: (info: SessionInfo, signer: Computer) => SessionInfo, isTheCar = true): Spoiler {
  return (answer, { computer, request, clientKey }) => {
    if (!answer.session_info || !clientKey) return answer;
    const signer = isTheCar ? computer : new Computer(computer.domain, computer.vin, computer.now);
    const info = change(decode("SessionInfo", answer.session_info), signer);
    const changed = { ...answer };
    signer.attachSessionInfo(changed, info, request, clientKey);
    return changed;
  };
}

function keyChanged(change: (key: Buffer) => Buffer): Spoiler {
  return infoChanged((info) => ({ ...info, publicKey: change(info.publicKey ?? Buffer.alloc(65)) }));
}

const ON_ANY: Record<string, Spoiler> = {
  wrong_tag: (answer) => tagChanged(answer, flipped),
  short_tag: (answer) => tagChanged(answer, (tag) => tag.subarray(0, tag.length - 4)),
  empty_tag: (answer) => tagChanged(answer, () => Buffer.alloc(0)),
  no_signature: ({ signature_data: _, ...rest }) => rest,
  fault_removed: ({ signedMessageStatus: _, ...rest }) => rest,
  // For another request, or from another computer.
  wrong_request_uuid: (answer, { request }) => ({ ...answer, request_uuid: flipped(request.uuid) }),
  no_request_uuid: ({ request_uuid: _, ...rest }) => rest,
  wrong_routing_address: (answer) => ({
    ...answer,
    to_destination: { routing_address: flipped(answer.to_destination?.routing_address) },
  }),
  wrong_from_domain: (answer, { computer }) => ({
    ...answer,
    from_destination: { domain: computer.domain === VCSEC ? INFOTAINMENT : VCSEC },
  }),
  no_from_domain: ({ from_destination: _, ...rest }) => rest,
  replay_last: (answer, { previous }) => previous ?? answer,
  // The same with the unauthenticated addresses of the present request, so that only cryptography tells.
  replay_last_readdressed: (answer, { previous = answer }) => ({
    ...previous,
    to_destination: answer.to_destination,
    request_uuid: answer.request_uuid,
  }),
  // The very bytes are wrong.
  truncated: (answer) => {
    const bytes = encodeRoutable(answer);
    return bytes.subarray(0, Math.ceil(bytes.length / 2) + 1);
  },
  cut_last_byte: (answer) => encodeRoutable(answer).subarray(0, -1),
  // A valid message with an unknown field of 2 MiB behind it.
  oversized: (answer) => {
    const head = Buffer.from([0xa2, 0x06, 0x80, 0x80, 0x80, 0x01]);
    return Buffer.concat([encodeRoutable(answer), head, Buffer.alloc(2 * 1024 * 1024)]);
  },
  unknown_fields: followedBy(0xa2, 0x06, 3, 1, 2, 3, 0xa8, 0x06, 7),
  nested_groups: followedBy(...Buffer.alloc(20_000, 0x0b)),
  long_varint: () => Buffer.concat([Buffer.from([0xa0, 0x03]), Buffer.alloc(20, 0xff)]),
  garbage: () => Buffer.alloc(100, 0xff),
  empty: () => Buffer.alloc(0),
};

const ON_COMMAND: Record<string, Spoiler> = {
  undecryptable: (answer) => {
    const bytes = flipped(answer.protobuf_message_as_bytes);
    return tagChanged({ ...answer, protobuf_message_as_bytes: bytes }, flipped);
  },
  wrong_nonce_length: (answer) => {
    const data = answer.signature_data?.AES_GCM_Response_data;
    const changed = { AES_GCM_Response_data: { ...data, nonce: Buffer.alloc(11, 1) } };
    return data ? { ...answer, signature_data: changed } : answer;
  },
  fault_added: statusChanged(2, 1),
  error_without_fault: statusChanged(2),
  unknown_operation_status: statusChanged(3),
  plaintext_success: plaintext(({ computer }) =>
    computer.domain === VCSEC ? Buffer.alloc(0) : encode("Response", { actionStatus: {} }),
  ),
  plaintext_error: plaintext(() => refusalPayload("forged")),
  plaintext_already: plaintext(() => refusalPayload("already_set")),
  plaintext_garbage: plaintext(() => Buffer.alloc(40, 0xff)),
  nested_too_deep: plaintext(() => nested(20_000)), // about as deep as 100,000 bytes allow
  no_payload: ({ protobuf_message_as_bytes: _, signature_data: __, ...rest }) => rest,
  key_not_on_whitelist: ({ to_destination, from_destination, request_uuid }) => ({
    ...{ to_destination, from_destination, request_uuid },
    session_info: encode("SessionInfo", { status: 1 }),
  }),
};

// Wrong session info, each with a right tag.
const ON_SESSION_INFO: Record<string, Spoiler> = {
  other_key: infoChanged((info, { publicKey }) => ({ ...info, publicKey }), false),
  short_epoch: infoChanged((info) => ({ ...info, epoch: Buffer.alloc(15, 7) })),
  long_epoch: infoChanged((info) => ({ ...info, epoch: Buffer.alloc(17, 7) })),
  empty_epoch: infoChanged(({ epoch: _, ...rest }) => rest),
  old_clock: infoChanged((info) => ({ ...info, clock_time: Math.max((info.clock_time ?? 0) - 100, 0) })),
  huge_clock: infoChanged((info) => ({ ...info, clock_time: 0xffffffff })),
  old_counter: infoChanged((info) => ({ ...info, counter: Math.max((info.counter ?? 0) - 5, 0) })),
  last_counter: infoChanged((info) => ({ ...info, counter: 0xffffffff })),
  unknown_status: infoChanged((info) => ({ ...info, status: 2 })),
  // A key that cannot be one: the tag is that of the real key.
  compressed_key: keyChanged((key) =>
    Buffer.concat([Buffer.of(2 + ((key[64] ?? 0) & 1)), key.subarray(1, 33)]),
  ),
  short_key: keyChanged((key) => key.subarray(1)),
  key_off_the_curve: keyChanged(flipped),
  no_key: infoChanged(({ publicKey: _, ...rest }) => rest),
  garbage_session_info: (answer) => ({ ...answer, session_info: Buffer.alloc(30, 0xff) }),
};

function all(on: Tamper["on"], spoilers: Record<string, Spoiler>): [string, Tamper][] {
  return Object.entries(spoilers).map(([name, spoil]) => [name, { on, spoil }]);
}

export const TAMPERS: Record<string, Tamper> = Object.fromEntries([
  ...all("any", ON_ANY),
  ...all("command", ON_COMMAND),
  ...all("session_info", ON_SESSION_INFO),
]);
