"""Letters in the shapes of the real world, each signed by dkimpy: JSON with the records of the keys and the letters."""

import base64
import itertools
import json
import sys

import dkim

import keys

DOMAIN = b"author.example"
HEAD = b"From: Ann <ann@author.example>\r\nTo: shop@my.example\r\nSubject: A letter\r\nMessage-ID: <1@author.example>\r\n"
TEXT = b"Hello,\r\n\r\nthis is a letter.\r\n"
LONG = b"word " * 199

SHAPES = {
    "plain": HEAD + b"\r\n" + TEXT,
    "folded header": HEAD + b"X-Folded: one\r\n\ttwo\r\n    three  \r\nReferences: <a@b>\r\n <c@d>\r\n <e@f>\r\n\r\n" + TEXT,
    "long lines": HEAD + b"X-Long: " + LONG + b"\r\n\r\n" + LONG + b"abc\r\n" + b"x" * 998 + b"\r\n",
    "lines over the limit": HEAD + b"\r\n" + b"y" * 5000 + b"\r\n" + TEXT,
    "eight bits": HEAD + b"Content-Transfer-Encoding: 8bit\r\n\r\ncaf\xc3\xa9 \xff\xfe\x80\r\n",
    "header in UTF-8": HEAD.replace(b"A letter", "Ein Brief für Jörg ✓".encode()) + b"\r\n" + TEXT,
    "empty body": HEAD + b"\r\n",
    "no body": HEAD,
    "empty lines at the end": HEAD + b"\r\n" + TEXT + b"\r\n\r\n\r\n",
    "blank lines at the end": HEAD + b"\r\n" + TEXT + b" \t\r\n\r\n\t\r\n",
    "only empty lines": HEAD + b"\r\n\r\n\r\n\r\n",
    "blanks at line ends": HEAD + b"X-Blanks: a  b\t c \t\r\n\r\nblanks \t \r\n  in\t\tfront\r\n",
    "dots": HEAD + b"\r\n.\r\n..\r\n.one\r\n...three\r\n. \r\n",
    "a dot at the end": HEAD + b"\r\n" + TEXT + b".\r\n.\r\n",
    "odd order": b"Subject: First\r\nX-Empty:\r\nfrom:  Ann <ann@author.example>\r\nTO:shop@my.example\r\n\r\n" + TEXT,
    "repeated fields": HEAD + b"X-Same: 1\r\nComments: a\r\nX-Same: 2\r\nComments: b\r\nX-Same: 3\r\n\r\n" + TEXT,
    "a list": HEAD + b"List-Id: <l.author.example>\r\nList-Unsubscribe: <https://author.example/u>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nPrecedence: list\r\n\r\n" + TEXT,
    "parts": HEAD + b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\npreamble\r\n--b\r\n'
    b"Content-Type: text/plain\r\n\r\nFrom here\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.encodebytes(bytes(range(256))).replace(b"\n", b"\r\n") + b"--b--\r\nepilogue\r\n",
    "large": HEAD + b"\r\n" + (b"A line of a large letter, again and again.\r\n" * 8000),
}

# Only BDAT can say that the last line has no end (RFC 3030 §2).
UNENDED = {"no end of line": HEAD + b"\r\n.the end"}

RECEIVED = b"Received: from a.example (a.example [192.0.2.1])\r\n\tby b.example with ESMTP id 1;\r\n\tMon, 1 Jan 2024 00:00:00 +0000\r\n"


def letters(signers):
    canons = list(itertools.product([b"simple", b"relaxed"], repeat=2))
    algorithms = itertools.cycle(signers)
    for (shape, octets), canon in itertools.product((SHAPES | UNENDED).items(), canons):
        yield f"{shape}, {name(canon)}", signed(octets, next(algorithms), canonicalize=canon), 1, shape in UNENDED
    for signer, canon in itertools.product(signers, canons):
        yield f"{signer[0]}, {name(canon)}", signed(SHAPES["plain"], signer, canonicalize=canon), 1, False
    fields = [b"from", b"from", b"subject", b"subject", b"to", b"cc", b"cc", b"x-not-there"]
    yield "signed more often than there", signed(SHAPES["plain"], signers[0], include_headers=fields), 1, False
    yield "with a length", signed(SHAPES["plain"], signers[0], length=True), 1, False
    yield "with a length, and more behind", signed(SHAPES["plain"], signers[0], length=True) + b"A footer.\r\n", 1, False
    identity = b"list@sub." + DOMAIN
    yield "of a sub-domain's user", signed(SHAPES["plain"], signers[0], identity=identity), 1, False
    several = SHAPES["folded header"]
    for signer in signers:
        several = signed(several, signer, canonicalize=(b"relaxed", b"relaxed"))
    yield "several signatures", several, len(signers), False
    yield "Received on top", RECEIVED * 3 + signed(SHAPES["plain"], signers[0]), 1, False
    yield "Received below", signed(RECEIVED + SHAPES["plain"], signers[0]), 1, False
    under = b"Authentication-Results: other.example; spf=pass\r\nARC-Seal: i=1; nonsense\r\n"
    yield "trace fields of others", under + signed(SHAPES["plain"], signers[0]), 1, False


def name(canon):
    return b"/".join(canon).decode()


def signed(octets, signer, **how):
    selector, algorithm, key = signer
    header = dkim.DKIM(octets, signature_algorithm=algorithm).sign(selector.encode(), DOMAIN, key, **how)
    return header + octets


def main():
    made = {"rsa2048": (b"rsa-sha256", keys.rsa(2048)), "rsa1024": (b"rsa-sha256", keys.rsa(1024)), "ed25519": (b"ed25519-sha256", keys.ed25519())}
    signers = [(selector, algorithm, key) for selector, (algorithm, (key, _)) in made.items()]
    records = {f"{selector}._domainkey.author.example": record for selector, (_, (_, record)) in made.items()}
    written = [
        {"name": name, "octets": base64.b64encode(octets).decode(), "signatures": count, "unended": unended}
        for name, octets, count, unended in letters(signers)
    ]
    json.dump({"records": records, "letters": written}, sys.stdout)


main()
