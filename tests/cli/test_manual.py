"""The man page, completions and the page of all options are made from the program's tables."""

import os
import shutil
import subprocess

from helpers import REPO, limn, read, write


def names():
    import json
    return [row["name"] for row in json.loads(limn("list", "options", "--json").out)]


def test_man_page():
    page = limn("help", "man").out
    write("limn.1", page.encode())
    for name in names():
        assert "\\-\\-" + name.replace("-", "\\-") in page, name
    for command in "generate", "batch", "compare", "info", "again", "list", "bench", "help":
        assert f".SS limn {command}" in page
    if shutil.which("man"):
        r = subprocess.run(["man", "--warnings=w", "-l", "limn.1"], capture_output=True, text=True, env={**os.environ, "MANWIDTH": "100"})
        assert r.returncode == 0 and "warning" not in r.stderr, r.stderr


def test_completions():
    for shell, flags in ("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"]):
        text = limn("help", shell).out
        assert all(n in text for n in names()), shell
        write("it", text.encode())
        if shutil.which(shell):
            subprocess.run([shell, *flags, "it"], check=True)
    script = """source it; COMP_WORDS=(limn generate --samp); COMP_CWORD=2; _limn; echo "${COMPREPLY[@]}"
                COMP_WORDS=(limn gener); COMP_CWORD=1; _limn; echo "${COMPREPLY[@]}"
                COMP_WORDS=(limn generate --memory l); COMP_CWORD=3; _limn; echo "${COMPREPLY[@]}" """
    write("it", limn("help", "bash").out.encode())
    r = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert r.stdout.splitlines() == ["--sampler", "generate", "low"], r


def test_options_page_is_true():
    page = os.path.join(REPO, "docs", "options.md")
    assert read(page).decode() == limn("help", "markdown").out, "make it anew: limn help markdown > docs/options.md"
