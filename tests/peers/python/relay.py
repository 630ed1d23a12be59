"""Somebody in between: ends TLS with a certificate of its own and passes everything on over TLS of its own.

The one argument is the https address that is passed on to. It prints its own address and serves until its input ends.
"""

import socket
import ssl
import sys
import threading
import urllib.parse

from own_certificate import tls_of_a_service

upstream = urllib.parse.urlsplit(sys.argv[1])
trusting = ssl.create_default_context()
trusting.check_hostname = False
trusting.verify_mode = ssl.CERT_NONE
tls, _ = tls_of_a_service()


def pass_on(source, target):
    try:
        while octets := source.recv(65_536):
            target.sendall(octets)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def stand_between(client):
    with client, socket.create_connection((upstream.hostname, upstream.port)) as connection:
        with tls.wrap_socket(client, server_side=True) as near, trusting.wrap_socket(connection) as far:
            back = threading.Thread(target=pass_on, args=(far, near), daemon=True)
            back.start()
            pass_on(near, far)
            back.join()


def accept(listener):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=stand_between, args=(client,), daemon=True).start()


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=accept, args=(listener,), daemon=True).start()
print("https://localhost:%d%s" % (listener.getsockname()[1], upstream.path), flush=True)
sys.stdin.read()
