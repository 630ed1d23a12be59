"""Prints the SHA-1 thumbprint of the certificate that an https address shows."""

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
        print(hashlib.sha1(tls.getpeercert(binary_form=True)).hexdigest().upper())
