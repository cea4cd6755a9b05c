// The door of this room: Tesla's protocol of signed commands, from the car's side. A computer of the car
// (Subsystem) has keys, an epoch, a clock and counters; verify() judges a command as Tesla's Verifier does;
// buildAnswer() makes the answer. Nothing here knows what a command does.

export { attachSessionInfo, buildAnswer } from "./answer.ts";
export type { Answer } from "./answer.ts";
export {
  commandMetadata, commandTag, derivedKey, encryptResponse, metadata, newKeyPair, publicKeyBytes, requestHash,
  responseMetadata, sessionInfoTag, sharedKey,
} from "./crypto.ts";
export { keepSubsystem, restoreSubsystem } from "./kept_subsystem.ts";
export type { KeptSubsystem } from "./kept_subsystem.ts";
export {
  INFOTAINMENT, VCSEC, decode, decodeRoutable, encode, encodeRoutable, enumValues, faultNumber, fieldName,
  fieldNumbers, memberBytes,
} from "./messages.ts";
export type { RoutableMessage, SessionInfo } from "./messages.ts";
export { Subsystem } from "./subsystem.ts";
export type { SessionState } from "./subsystem.ts";
export { asksForEncryption, verify } from "./verification.ts";
