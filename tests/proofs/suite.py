"""Turns the test suite of RFC 7208 (YAML) into JSON: for each scenario its zone and its tests.

A name of the zone has records of two elements, type and value, and "TIMEOUT" where every other question about it gets no
answer. Records of type SPF, which RFC 7208 no longer knows, stand for TXT records too, unless the name has some of its own.
"""

import json
import sys

import yaml


def records(entries):
    own = [entry["TXT"] for entry in entries if isinstance(entry, dict) and "TXT" in entry]
    for entry in entries:
        if entry == "TIMEOUT":
            yield entry
            continue
        ((kind, value),) = entry.items()
        if kind == "SPF" and not own:
            kind = "TXT"
        if kind == "TXT" and value != "NONE":
            value = [value] if isinstance(value, str) else value
        if kind != "SPF" and value != "NONE":
            yield [kind, value]


def scenario(document):
    zone = {name.lower(): list(records(entries)) for name, entries in document["zonedata"].items()}
    tests = [
        {"name": name, "results": results if isinstance(results := test["result"], list) else [results]}
        | {key: str(test[key]) for key in ("helo", "host", "mailfrom")}
        for name, test in document["tests"].items()
    ]
    return {"description": document["description"], "zone": zone, "tests": tests}


with open(sys.argv[1], "rb") as suite:
    json.dump([scenario(document) for document in yaml.safe_load_all(suite)], sys.stdout)
