"""Verifies every signature of letters by dkimpy: JSON in (records, letters), and out the names and faults of those that fail."""

import base64
import json
import sys

import dkim

asked = json.load(sys.stdin)
faults = {}
for letter in asked["letters"]:
    octets = base64.b64decode(letter["octets"])
    message = dkim.DKIM(octets)
    lookup = lambda name, timeout=5: asked["records"].get(name.decode().rstrip(".")).encode()
    for index in range(letter["signatures"]):
        try:
            # One instance for each, since a verification leaves its traces.
            if not dkim.DKIM(octets).verify(idx=index, dnsfunc=lookup):
                faults[letter["name"]] = f"signature {index} does not verify"
        except dkim.DKIMException as fault:
            faults[letter["name"]] = f"signature {index}: {fault}"
json.dump(faults, sys.stdout)
