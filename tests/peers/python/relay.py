"""Somebody in between: ends TLS with a certificate of its own and passes everything on over TLS of its own.

The first argument is the https address that is passed on to. It prints its own address and serves until its input ends.
With the second argument `--windows`, a service with the vendor Microsoft identifies as Windows: its element Product gets
another name of the same length.
"""

import asyncio
import ssl
import sys
import urllib.parse

from own_certificate import tls_of_a_service

upstream = urllib.parse.urlsplit(sys.argv[1])
trusting = ssl.create_default_context()
trusting.check_hostname = False
trusting.verify_mode = ssl.CERT_NONE


is_windows = sys.argv[2:] == ["--windows"]


async def pass_on(source, target):
    try:
        while octets := await source.read(65_536):
            target.write(octets.replace(b"telarch:Product", b"telarch:Renamed") if is_windows else octets)
            await target.drain()
    except OSError:
        pass
    finally:
        # TLS has no half of a connection that could stay open.
        target.close()


async def stand_between(from_client, to_client):
    from_service, to_service = await asyncio.open_connection(upstream.hostname, upstream.port, ssl=trusting)
    await asyncio.gather(pass_on(from_client, to_service), pass_on(from_service, to_client))


async def main():
    tls, _ = tls_of_a_service()
    server = await asyncio.start_server(stand_between, "127.0.0.1", 0, ssl=tls)
    print("https://localhost:%d%s" % (server.sockets[0].getsockname()[1], upstream.path), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
