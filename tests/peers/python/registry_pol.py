"""Samba's own reader and writer of Registry.pol (python3-samba), driven by JSON on standard input.

{"write": [[[key, value, type, data], ...], ...], "read": [hex, ...]}; data are a number, a text, or hex for octets.
"""

import json
import sys

from samba.dcerpc import misc, preg
from samba.ndr import ndr_pack, ndr_unpack


def written(records):
    entries = []
    for key, value, kind, data in records:
        entry = preg.entry()
        entry.keyname, entry.valuename, entry.type = key, value, kind
        entry.data = bytes.fromhex(data) if kind == misc.REG_BINARY else data
        entries.append(entry)
    file = preg.file()
    file.header.signature, file.header.version = "PReg", 1
    file.num_entries, file.entries = len(entries), entries
    return ndr_pack(file).hex()


def read(octets):
    def shown(entry):
        data = entry.data.hex() if isinstance(entry.data, bytes) else entry.data
        return [entry.keyname, entry.valuename, entry.type, data]

    # Entries point into the file, which must stay as long as they do.
    file = ndr_unpack(preg.file, octets)
    return [shown(entry) for entry in file.entries]


asked = json.load(sys.stdin)
made = [written(records) for records in asked["write"]]
json.dump([made, [read(bytes.fromhex(octets)) for octets in asked["read"]]], sys.stdout)
