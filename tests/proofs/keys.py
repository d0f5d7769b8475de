"""Keys for signing, made anew each time, with the records that publish them."""

import base64
import subprocess

import nacl.signing


def rsa(bits):
    """A private key in PEM (PKCS#1), and the record that publishes the other half."""
    private = subprocess.run(["openssl", "genrsa", "-traditional", str(bits)], check=True, capture_output=True).stdout
    public = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=private, check=True, capture_output=True).stdout
    return private, "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()


def ed25519():
    """A private key in base64, and the record that publishes the other half."""
    key = nacl.signing.SigningKey.generate()
    public = base64.b64encode(bytes(key.verify_key)).decode()
    return base64.b64encode(bytes(key)), "v=DKIM1; k=ed25519; p=" + public
