"""The check that receivers are told to make, on cases from standard input, one JSON object a line.

Prints for each case "true" or "false": whether X-Voxagent-Signature verifies, and whether any
signature of webhook-signature does, by the text of the Standard Webhooks specification.
"""
import base64
import binascii
import hashlib
import hmac
import json
import sys


def verify_webhook(payload: bytes, signature: str, secret: str) -> bool:
    expected = hmac.new(secret.encode("utf-8"), payload, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signature)


def standard_key(secret: str) -> bytes:
    text = secret.removeprefix("whsec_").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True) or secret.encode("ascii")
    except binascii.Error:
        return secret.encode("ascii")


def verify_standard(payload: bytes, case: dict) -> bool:
    content = f"{case['id']}.{case['timestamp']}.".encode() + payload
    expected = base64.b64encode(hmac.new(standard_key(case["secret"]), content, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest("v1," + expected, given) for given in case["standard"].split(" "))


for line in sys.stdin:
    case = json.loads(line)
    payload = base64.b64decode(case["body"])
    checks = [verify_webhook(payload, case["hex"], case["secret"]), verify_standard(payload, case)]
    print(*(str(c).lower() for c in checks))
