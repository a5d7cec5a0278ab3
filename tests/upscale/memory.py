#!/usr/bin/env python3
"""memory.py PROGRAM ARGUMENTS... - runs it, and prints how many MB were resident at most."""
import resource
import subprocess
import sys

subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1000)
