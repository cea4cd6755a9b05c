// Wrong session info, each with a right tag.

import {
  attachSessionInfo, decode, encode, newKeyPair, sessionInfoTag, sharedKey, type RoutableMessage,
  type SessionInfo,
} from "../protocol/protocol.ts";
import { flipped, type Tamper, type TamperContext } from "./tamper_kinds.ts";

const EARLIER_SECONDS = 100;

// Other session info under a right tag, as only the car could make it.
function infoChanged(change: (info: SessionInfo) => SessionInfo): Tamper {
  return {
    on: "session_info",
    spoil: (answer, { subsystem, request, clientKey }) => {
      if (!answer.session_info || !clientKey) return answer;
      const info = change(decode("SessionInfo", answer.session_info) as SessionInfo);
      const changed = { ...answer };
      attachSessionInfo(subsystem, changed, info, request, clientKey);
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

export const SESSION_INFO_TAMPERS: { [name: string]: Tamper } = {
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
