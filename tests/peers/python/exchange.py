"""One JSON request on standard input, one JSON answer on standard output."""

import base64
import json
import sys


def serve(actions, describe_refusal):
    """Runs the action that is asked for, or several one after the other.

    describe_refusal(error) returns the code of a fault, or None, for the client's own exceptions and raises
    TypeError for all others; those end the script with a traceback.
    """
    request = json.load(sys.stdin)

    def attempt(step):
        try:
            return {"answer": actions[step["action"]](request["login"], step["arguments"])}
        except Exception as error:
            try:
                code = describe_refusal(error)
            except TypeError:
                raise error
            return {
                "refused": {
                    "exception": type(error).__name__,
                    "fault_code": code,
                    "message": str(error),
                }
            }

    json.dump([attempt(step) for step in request["steps"]], sys.stdout)


def command_result(stdout, stderr, code, **more):
    return {
        "stdout": base64.b64encode(stdout).decode("ascii"),
        "stderr": base64.b64encode(stderr).decode("ascii"),
        "code": code,
        **more,
    }


def pieces_of_input(arguments):
    """Yields each piece with whether it is the last."""
    pieces = [base64.b64decode(piece) for piece in arguments["input"]]
    for number, piece in enumerate(pieces, start=1):
        yield piece, number == len(pieces)
