// The door of this room: what it takes to be a web server on this computer.

export { makeCertificates } from "./certificate.ts";
export type { Certificates } from "./certificate.ts";
export { freePort, isFree, listen, readAll } from "./listening.ts";
export { sendReply } from "./sending.ts";
