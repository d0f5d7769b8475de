"""Letters with odd DKIM signatures: JSON with the records of the keys and the letters, by name."""

import base64
import json
import sys
import time

import dkim

import keys

FROM = b"From: Ann <ann@author.example>\r\n"
TO = b"To: shop@my.example\r\nSubject: A letter\r\n"
TEXT = b"\r\nHello,\r\n\r\nthis is a letter.\r\n"
PLAIN = FROM + TO + TEXT


class Signer(dkim.DKIM):
    """Signs with any further tags."""

    def __init__(self, octets, tags, **how):
        super().__init__(octets, **how)
        self.tags = tags

    def gen_header(self, fields, *rest, **how):
        fields[-1:-1] = self.tags
        return super().gen_header(fields, *rest, **how)


class Fromless(Signer):
    """Leaves From out, which dkimpy would not."""

    def gen_header(self, fields, include_headers, *rest, **how):
        fields[:] = [(tag, b"subject" if tag == b"h" else value) for tag, value in fields]
        return super().gen_header(fields, [b"subject"], *rest, **how)


class World:
    def __init__(self):
        self.records = {}
        self.letters = {}
        self.rsa, self.rsa_record = keys.rsa(2048)

    def publish(self, selector, record, domain="author.example"):
        self.records[f"{selector}._domainkey.{domain}"] = record

    def sign(self, octets, selector="s", domain="author.example", algorithm=b"rsa-sha256", key=None, tags=(), **how):
        self.records.setdefault(f"{selector}._domainkey.{domain}", self.rsa_record)
        signer = Signer(octets, list(tags), signature_algorithm=algorithm, minkey=512)
        return signer.sign(selector.encode(), domain.encode(), key or self.rsa, **how) + octets

    def add(self, name, octets):
        self.letters[name] = base64.b64encode(octets).decode()


def expiries(world):
    now = int(time.time())
    for name, expires in (("expired", now - 60), ("not expired yet", now + 86_400)):
        stamp = lambda fields: [(tag, str(now - 3600).encode()) if tag == b"t" else (tag, value) for tag, value in fields]

        class Past(Signer):
            def gen_header(self, fields, *rest, **how):
                fields[:] = stamp(fields)
                return super().gen_header(fields, *rest, **how)

        signer = Past(PLAIN, [(b"x", str(expires).encode())])
        world.add(name, signer.sign(b"s", b"author.example", world.rsa) + PLAIN)


def lengths(world):
    whole = world.sign(PLAIN, length=True)
    world.add("l= over the whole body", whole)
    world.add("l= and more behind", whole + b"A footer that nobody signed.\r\n")
    world.add("l= over nothing", world.sign(FROM + TO + b"\r\n", length=True, canonicalize=(b"relaxed", b"relaxed")) + b"All of it.\r\n")


def identities(world):
    world.publish("strict", world.rsa_record.replace("v=DKIM1;", "v=DKIM1; t=s;"))
    below = b"list@sub.author.example"
    world.add("t=s and i= below d=", world.sign(PLAIN, selector="strict", identity=below))
    world.add("t=s and i= in d=", world.sign(PLAIN, selector="strict", identity=b"ann@author.example"))
    world.add("i= below d=", world.sign(PLAIN, identity=below))
    world.add("i= of another domain", world.sign(PLAIN).replace(b"i=@author.example", b"i=@other.example"))
    world.publish("testing", world.rsa_record.replace("v=DKIM1;", "v=DKIM1; t=y;"))
    tested = world.sign(PLAIN, selector="testing")
    world.add("a key that is being tested", tested)
    world.add("a body that was changed, and a key that is being tested", tested.replace(b"this is", b"this was"))


def bad_keys(world):
    for bits in (512, 768, 1024):
        key, record = keys.rsa(bits)
        world.publish(f"rsa{bits}", record)
        world.add(f"a key of {bits} bits", world.sign(PLAIN, selector=f"rsa{bits}", key=key))
    world.add("a revoked key", world.sign(PLAIN, selector="revoked"))
    world.publish("revoked", "v=DKIM1; k=rsa; p=")
    world.add("a key for other services", world.sign(PLAIN, selector="service"))
    world.publish("service", world.rsa_record.replace("v=DKIM1;", "v=DKIM1; s=tlsrpt;"))
    world.add("a key for other hashes", world.sign(PLAIN, selector="hash"))
    world.publish("hash", world.rsa_record.replace("v=DKIM1;", "v=DKIM1; h=sha1;"))
    world.add("a record that is none", world.sign(PLAIN, selector="garbage"))
    world.publish("garbage", "v=DKIM1; k=rsa; p=!!!!")
    world.add("a key of another kind", world.sign(PLAIN, selector="kind"))
    world.publish("kind", keys.ed25519()[1])
    world.add("no record", world.sign(PLAIN, selector="missing"))
    del world.records["missing._domainkey.author.example"]
    world.add("a record that cannot be had", world.sign(PLAIN, selector="down"))


def algorithms(world):
    world.add("rsa-sha1", world.sign(PLAIN, algorithm=b"rsa-sha1"))
    key, record = keys.ed25519()
    world.publish("ed", record)
    world.add("ed25519", world.sign(PLAIN, selector="ed", algorithm=b"ed25519-sha256", key=key))
    both = world.sign(world.sign(PLAIN), selector="ed", algorithm=b"ed25519-sha256", key=key)
    world.add("rsa and ed25519", both)
    world.add("an algorithm that nobody knows", world.sign(PLAIN).replace(b"a=rsa-sha256", b"a=rot13-md5"))


def authors(world):
    world.add("no signature", PLAIN)
    second = b"From: Bob <bob@other.example>\r\n"
    world.add("a From added on top", second + world.sign(PLAIN, include_headers=[b"from", b"subject"]))
    world.add("a From added on top of a sealed one", second + world.sign(PLAIN, include_headers=[b"from", b"from", b"subject"]))
    world.add("two From that are signed", world.sign(second + PLAIN, include_headers=[b"from", b"from", b"subject"]))
    world.add("of another domain", world.sign(PLAIN, domain="other.example"))
    world.add("of a domain below", world.sign(PLAIN, domain="news.author.example"))
    world.add("of another domain and of the author's", world.sign(world.sign(PLAIN), domain="other.example"))
    world.add("From is not signed", Fromless(PLAIN, []).sign(b"s", b"author.example", world.rsa) + PLAIN)
    many = PLAIN
    for number in range(11):
        many = world.sign(many, selector=f"s{number}")
    world.add("eleven signatures", many)
    world.add("a body that was changed", world.sign(PLAIN).replace(b"this is", b"this was"))
    world.add("a subject that was changed", world.sign(PLAIN).replace(b"A letter", b"A litter"))


def main():
    world = World()
    for part in (expiries, lengths, identities, bad_keys, algorithms, authors):
        part(world)
    json.dump({"records": world.records, "letters": world.letters}, sys.stdout)


main()
