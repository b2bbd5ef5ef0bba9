"""What of a request's meaning the OpenAPI document cannot say, said to schemathesis before it makes requests of it.

Each narrowing is of the values that are sent only: what comes back is judged by the document as it is served.
"""

import datetime
import os

import requests
import schemathesis

# A time of the past and of the future, so that `until` is never before `since`; both as the API takes them.
PAST = "^20[01][0-9]-0[1-9]-[012][1-8]T[01][0-9]:[0-5][0-9]:[0-5][0-9]Z$"
FUTURE = "^2[1-9][0-9]{2}-0[1-9]-[012][1-8]T[01][0-9]:[0-5][0-9]:[0-5][0-9]Z$"


def event_types(base):
    """The catalogue, which can change while the program runs and is therefore no part of the document."""
    answer = requests.get(base + "/v1/event-types", headers={"Authorization": "Bearer " + os.environ["DISPATCHER_KEY"]}, timeout=10)
    answer.raise_for_status()
    return [entry["name"] for entry in answer.json()["data"]]


@schemathesis.hook
def before_load_schema(context, raw_schema):
    known = event_types(os.environ["DISPATCHER_URL"])
    schemas = raw_schema["components"]["schemas"]
    for name in ("CreateWebhook", "PatchWebhook"):
        narrow_webhook(schemas[name]["properties"], known)
    narrow(schemas["TestOrder"]["properties"]["event"], enum=known)
    narrow(schemas["CreateAPIKey"]["properties"]["expires_at"], pattern=FUTURE)
    for path, item in raw_schema["paths"].items():
        for operation in item.values():
            for parameter in operation.get("parameters", []):
                narrow_parameter(path, parameter)


def narrow_webhook(properties, known):
    # Where a URL leads is judged by more than its form: names of reserved top-level domains lead nowhere.
    narrow(properties["url"], pattern=r"^https?://[a-z][a-z0-9-]{0,20}[a-z]\.example(/[a-zA-Z0-9_.~-]{0,10}){0,4}(\?[a-z]{1,9}=[a-z0-9]{0,9})?$")
    narrow(properties["event_types"]["items"], enum=[*known, "*", "Conversation*"])
    # An expression of a language of its own.
    narrow(properties["filter"], enum=[None, "", "data.duration_seconds > 60", 'event == "SessionStarted" && has(data.agent_id)'])
    # Names are tokens, in whatever case, and some are ours.
    properties["headers"].update(propertyNames={"pattern": "^x-[a-z0-9]{1,20}$"}, maxProperties=5)
    narrow(properties["headers"]["additionalProperties"], pattern="^[ -~]{0,40}$")


def narrow_parameter(path, parameter):
    schema = parameter["schema"]
    if parameter["in"] == "query" and parameter["name"] == "cursor":
        schema["maxLength"] = 0  # a cursor is what a list gave; the first page has none
    if parameter["in"] == "query" and parameter["name"] == "until":
        narrow(schema, pattern=FUTURE)
    if parameter["in"] == "query" and parameter["name"] == "since":
        narrow(schema, pattern=PAST)
    if path.endswith("/stats"):  # at most 1000 steps from since, or from a day ago, to now
        hour = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
        if parameter["name"] == "since":
            schema.pop("pattern")
            narrow(schema, enum=[hour.strftime("%Y-%m-%dT%H:%M:%SZ")])
        if parameter["name"] == "step":
            narrow(schema, enum=["5m", "1h"])


def narrow(schema, **by):
    """Adds keywords, in place of a format: the generator takes one or the other."""
    schema.pop("format", None)
    schema.pop("examples", None)
    schema.update(by)
