"""Processes that do the same thing at the same moment."""

import json
import subprocess
import sys

# One process imports what the work needs, then forks: the children are real processes, and start together.
SCRIPT = """
import json, os, sys
from pathlib import Path
from converter.errors import ConverterError

arguments = sys.argv[2:]
{code}

gate_read, gate_write = os.pipe()
children = []
for number in range(int(sys.argv[1])):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(gate_write)
        os.read(gate_read, 1)  # returns when the last holder of the other end closes it
        try:
            said = work(number, *arguments)
        except ConverterError as error:
            said = f"{{type(error).__name__}}: {{error.what}}"
        os.write(write, json.dumps(said).encode())
        os._exit(0)
    os.close(write)
    children.append((pid, read))
os.close(gate_write)
said = []
for pid, read in children:
    with os.fdopen(read, "rb") as pipe:
        said.append(json.loads(pipe.read() or b'"died"'))
    os.waitpid(pid, 0)
print(json.dumps(said))
"""


def race(n_processes: int, code: str, *arguments: object) -> list[str]:
    """What `work(number, *arguments)` of the code returns in each process, or the error that it raises."""
    command = [sys.executable, "-c", SCRIPT.format(code=code), str(n_processes), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said: list[str] = json.loads(done.stdout)
    return said
