"""Stands in for `powershell -EncodedCommand`: decodes the script and evaluates it with powershell_subset.py."""

import base64
import sys

import powershell_subset

try:
    powershell_subset.evaluate(base64.b64decode(sys.argv[-1]).decode("utf-16-le"), {}, [], print)
except powershell_subset.Exit as ended:
    sys.exit(ended.args[0])
except powershell_subset.Failure as failure:
    sys.exit(str(failure))
