// Verifies a webhook with the package standardwebhooks: arguments are the secret and the headers, input is the body.

import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const [secret, id, timestamp, signature] = process.argv.slice(2);
const body = readFileSync(0, "utf8");
try {
  const event = new Webhook(secret).verify(body, {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": signature,
  });
  console.log(`ok: ${event.type}`);
} catch (error) {
  console.error(`refused: ${error.message}`);
  process.exit(1);
}
