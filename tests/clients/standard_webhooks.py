"""Verifies a webhook with the package standardwebhooks: arguments are the secret and the headers, input is the body."""

import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

secret, webhook_id, timestamp, signature = sys.argv[1:]
headers = {
    "webhook-id": webhook_id,
    "webhook-timestamp": timestamp,
    "webhook-signature": signature,
}
body = sys.stdin.read()
try:
    event = Webhook(secret).verify(body, headers)
except WebhookVerificationError as error:
    sys.exit(f"refused: {error}")
assert event == json.loads(body)
print(f"ok: {event['type']}")
