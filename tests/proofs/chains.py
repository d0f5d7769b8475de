"""Letters with ARC chains, whole and broken: JSON with the records of the keys and the letters, by name."""

import base64
import json
import re
import sys

import dkim

import keys

PLAIN = b"From: Ann <ann@author.example>\r\nTo: shop@my.example\r\nSubject: A letter\r\n\r\nHello,\r\n\r\nthis is a letter.\r\n"
MOST = 50


class World:
    def __init__(self):
        self.records = {}
        self.letters = {}
        self.key, self.record = keys.rsa(2048)

    def seal(self, octets, instance, cv=None):
        """Adds a set by a host of its own, which found the chain so far to be `cv`."""
        host = f"hop{instance}.example"
        self.records[f"arc._domainkey.{host}"] = self.record
        found = cv or ("none" if instance == 1 else "pass")
        results = f"Authentication-Results: {host}; arc={found}; spf=pass smtp.mailfrom=ann@author.example\r\n".encode()
        signer = dkim.ARC(results + octets)
        sealed = signer.sign(b"arc", host.encode(), self.key, host.encode())
        return b"".join(sealed) + octets

    def chain(self, sets, octets=PLAIN):
        for instance in range(1, sets + 1):
            octets = self.seal(octets, instance)
        return octets

    def add(self, name, octets):
        self.letters[name] = base64.b64encode(octets).decode()


def fields_of(octets, instance):
    """The three fields of one set, as octets."""
    fields = re.findall(rb"ARC-[A-Za-z-]+:.*?\r\n(?![ \t])", octets, re.DOTALL)
    return [field for field in fields if re.search(rb"[\s;:]i=%d\b" % instance, field)]


def without(octets, instance, kinds=(b"",)):
    for field in fields_of(octets, instance):
        if any(field.startswith(b"ARC-" + kind) for kind in kinds):
            octets = octets.replace(field, b"", 1)
    return octets


def spoiled(octets, instance, kind):
    """With another signature in that field."""
    (field,) = [field for field in fields_of(octets, instance) if field.startswith(kind)]
    head, tail = field.rsplit(b"b=", 1)
    letter = b"A" if tail[:1] != b"A" else b"B"
    return octets.replace(field, head + b"b=" + letter + tail[1:])


def whole(world):
    for sets in (1, 2, 3):
        world.add(f"{sets} sets", world.chain(sets))
    world.add("50 sets", world.chain(MOST))
    listed = world.chain(1).replace(b"this is", b"[list] this is")
    world.add("a list changed the text and sealed", world.seal(listed, 2))
    world.add("a subject that was changed and sealed", world.seal(world.chain(1).replace(b"A letter", b"Re: A letter"), 2))


def broken(world):
    three = world.chain(3)
    world.add("a body that was changed", three.replace(b"this is", b"this was"))
    world.add("a subject that was changed", three.replace(b"A letter", b"A litter"))
    for instance in (1, 2, 3):
        world.add(f"seal {instance} spoiled", spoiled(three, instance, b"ARC-Seal"))
    world.add("newest signature spoiled", spoiled(three, 3, b"ARC-Message-Signature"))
    world.add("oldest results changed", three.replace(b"arc=none", b"arc=pass", 1))
    world.add("a gap", without(three, 2))
    world.add("the first is missing", without(three, 1))
    for kind in (b"Seal", b"Message-Signature", b"Authentication-Results"):
        world.add(f"no {kind.decode()} in the newest", without(three, 3, (kind,)))
    seal = [field for field in fields_of(three, 1) if field.startswith(b"ARC-Seal")][0]
    world.add("one seal twice", seal + three)
    two = world.chain(2)
    for field in fields_of(two, 2):
        world.add(f"{field.split(b':')[0].decode()} twice", field + two)


def states(world):
    world.add("cv=fail in the newest", world.seal(world.chain(1), 2, "fail"))
    first = world.chain(1)
    # dkimpy would not seal this.
    none, dkim.CV_None = dkim.CV_None, b"never"
    world.add("cv=none at 2", world.seal(first, 2, "none"))
    dkim.CV_None = none
    world.add("cv=pass at 1", first.replace(b"cv=none", b"cv=pass"))
    world.add("sealed with h=", first.replace(b"cv=none;", b"cv=none; h=from;"))


def hostile(world):
    most = world.chain(MOST)
    newest = b"".join(fields_of(most, MOST))
    world.add("51 sets", newest.replace(b"i=%d" % MOST, b"i=%d" % (MOST + 1)) + most)
    world.add("instance 0", world.chain(1).replace(b"i=1", b"i=0"))
    world.add("instance without end", world.chain(1).replace(b"i=1", b"i=99999999999999999999"))
    world.add("no instance", world.chain(1).replace(b"i=1; ", b""))
    world.add("garbage", b"ARC-Seal: \xff;;;=\r\nARC-Message-Signature: \r\nARC-Authentication-Results: i=\r\n" + PLAIN)
    world.add("5000 seals", b"ARC-Seal: i=1; cv=none; a=rsa-sha256; d=hop1.example; s=arc; b=AAAA\r\n" * 5000 + PLAIN)


def main():
    world = World()
    world.add("no chain", PLAIN)
    for part in (whole, broken, states, hostile):
        part(world)
    json.dump({"records": world.records, "letters": world.letters}, sys.stdout)


main()
