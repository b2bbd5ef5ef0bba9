"""Judges requests as a receiver in Python would.

verify.py DOCUMENTED < CASES

DOCUMENTED is a file with the check that the README shows. A case is a line of JSON: headers, body (base64) and the secret to
check with. The answer to each is a line of JSON: whether the documented check and the Standard Webhooks library accept it.
"""

import base64
import json
import runpy
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

verify_webhook = runpy.run_path(sys.argv[1])["verify_webhook"]


def standard(headers: dict[str, str], body: bytes, secret: str) -> bool:
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


for line in sys.stdin:
    case = json.loads(line)
    headers, secret = case["headers"], case["secret"]
    body = base64.b64decode(case["body"], validate=True)
    answer = {
        "documented": verify_webhook(body, headers["X-Voxagent-Signature"], secret),
        "standard": standard(headers, body, secret),
    }
    print(json.dumps(answer))
