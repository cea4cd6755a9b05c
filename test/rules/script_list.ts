// The one list of scripts beside their headers: the order in which to read them, and what a test may give those
// that take words. What a script reads, writes, contacts and costs is said in its header alone. A script that is
// not here is read last, and is run without words: it needs no line in this file.

export interface Ring {
  name: string;
  scripts: string[];
}

// Each ring can be the last that somebody reads. The files of lib/ come with the first script that needs them.
export const RINGS: Ring[] = [
  {
    name: "**One read**: the fetch helper, and a script that uses it",
    scripts: ["read_charge", "list_vehicles", "wake_up"],
  },
  {
    name: "**Login and refresh**: where your tokens come from and how they are kept",
    scripts: ["refresh_token", "get_token"],
  },
  {
    name: "**Set-up**: key pair, domain and registration",
    scripts: ["generate_key", "serve_public_key", "register_partner", "check_setup"],
  },
  { name: "**Signing**: one command, signed", scripts: ["set_charge_amps"] },
  { name: "**The rest**: what you may never need", scripts: ["send_command", "call_api", "telemetry_config"] },
];

// These only say words and numbers.
export const TABLES = ["lib/advice.ts", "lib/signing/faults.ts", "lib/signing/commands.ts"];

/** The command of package.json for a script: it takes the tsx that is installed here, and no other. */
export function commandOf(name: string): [string, string] {
  const loader = "./node_modules/tsx/dist/loader.mjs";
  return [name.replaceAll("_", "-"), `node --import ${loader} scripts/${name}.ts`];
}
