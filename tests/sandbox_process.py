"""What the scripts beside this file need of the sandbox: to start it, and to say what it should have answered."""

import re
import subprocess


def start(binary, credentials):
    """Starts the sandbox; its process and the settings that it prints."""
    sandbox = subprocess.Popen(
        [binary, "sandbox", "--google-credentials", credentials], stdout=subprocess.PIPE, text=True
    )
    printed = ""
    for line in sandbox.stdout:
        printed += line
        if "Ctrl-C" in line:
            break
    settings = dict(re.findall(r"export (\w+)=(\S+)", printed))
    assert "GOOGLE_SHEETS_BASE_URL" in settings, printed
    return sandbox, settings


def equal(seen, expected):
    assert seen == expected, f"{seen!r} is not {expected!r}"
