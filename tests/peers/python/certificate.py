"""Prints the certificate that an https address shows, as `thumbprint` (SHA-1) or as `pem`."""

import hashlib
import socket
import ssl
import sys
import urllib.parse

address = urllib.parse.urlsplit(sys.argv[1])
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
    with context.wrap_socket(connection, server_hostname=address.hostname) as tls:
        certificate = tls.getpeercert(binary_form=True)
if sys.argv[2] == "pem":
    print(ssl.DER_cert_to_PEM_cert(certificate))
else:
    print(hashlib.sha1(certificate).hexdigest().upper())
