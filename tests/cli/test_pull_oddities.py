"""limn pull and servers that answer otherwise than the hub does: packed, in chunks, from another place, with a pointer for a file; a full disk."""

import hashlib
import resource
import signal

from helpers import *
from hub import Fault, Hub
from test_pull import UNET_FILE, files_equal, pull, repository

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 4265146304\n"


def partial(folder, hub, data):
    os.makedirs(folder + "/unet", exist_ok=True)
    write(f"{folder}/{UNET_FILE}.{hub.hash(UNET_FILE)[:12]}.limn.incomplete", data)


def test_pull_odd_answers():
    files, _ = repository()
    with Hub(files) as hub:
        # what is packed is no file of that hash: refused by that name, whatever came of it
        hub.faults = {UNET_FILE: Fault(times=99, packed=True), "model_index.json": Fault(times=99, packed=True)}
        pull(hub, "org/tiny", "--to", "packed", code=1, says="packs what it sends (gzip)")
        assert not os.path.exists("packed/model_index.json")
        # in chunks there is no length; one that ends early is taken up
        hub.faults = {name: Fault(times=1, chunked=True) for name in files}
        hub.faults[UNET_FILE] = Fault(times=1, chunked=True, cut=0)
        pull(hub, "org/tiny", "--to", "chunked")
        assert files_equal("chunked", files)
        # the rest of a file from another place than was asked for is not put behind what is there
        hub.faults = {UNET_FILE: Fault(times=1, range_lie=-7)}
        partial("lied", hub, files[UNET_FILE][:500])
        pull(hub, "org/tiny", "--to", "lied")
        assert files_equal("lied", files)
        hub.faults = {UNET_FILE: Fault(times=99, range_lie=3)}
        partial("lied3", hub, files[UNET_FILE][:500])
        pull(hub, "org/tiny", "--to", "lied3")
        assert files_equal("lied3", files)


def test_pull_headers_in_any_case():
    """Names of headers and hexadecimal digits in capitals, with Xet's among them; a hash that is none counts as none."""
    data = read(os.path.join(TINY_MODEL[1], UNET_FILE))
    digest = hashlib.sha256(data).hexdigest()
    with Hub({"a.safetensors": data}) as hub:
        def route(etag, **more):
            hub.routes["/x"] = (302, {"LOCATION": hub.url + "/y", "X_LINKED_ETAG": etag, "x_linked_size": str(len(data)),
                                      "X_Xet_Hash": "f" * 64, "Link": '<https://127.0.0.1:1/token>; rel="xet-auth"', **more}, b"")
            hub.routes["/y"] = (200, {"content_disposition": 'attachment; filename="m.safetensors"', "ETAG": '"xet"'}, data)

        route(f'"{digest.upper()}"')
        assert pull(hub, hub.url + "/x", "--to", "a").out.strip() == "a/m.safetensors" and read("a/m.safetensors") == data
        route('"' + "0" * 64 + '"')
        pull(hub, hub.url + "/x", "--to", "b", code=1, says="SHA-256")
        route('W/"no hash"')
        pull(hub, hub.url + "/x", "--to", "c")
        assert read("c/m.safetensors") == data and not os.path.exists("b/m.safetensors")


def test_pull_pointers_in_place_of_files():
    """Where no hash is known, what came is looked at: a pointer, a page and an archive are no weights and no settings."""
    with Hub({}) as hub:
        for name, body, what in (("a.safetensors", POINTER, "Git LFS pointer"), ("a.gguf", POINTER, "Git LFS pointer"),
                                 ("a.gguf", b"\x1f\x8b" + bytes(50), "gzip archive"), ("a.gguf", b"<html>no</html>", "web page"),
                                 ("config.json", POINTER, "Git LFS pointer")):
            hub.routes["/" + name] = (200, {"Content_Type": "application/octet-stream"}, body)
            pull(hub, f"{hub.url}/{name}", "--to", "m", code=1, says=[name, what])
            assert not os.path.isdir("m") or os.listdir("m") == [], os.listdir("m")


def test_pull_disk_full():
    """A file that may not grow any further: one line, no file under its name; the same command goes on."""
    files, _ = repository()

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))

    with Hub(files) as hub:
        p = subprocess.run([LIMN, "pull", "org/tiny", "--to", "m", "-q"], env={**ENV, **hub.env}, capture_output=True, preexec_fn=limit,
                           timeout=TIMEOUT)
        assert p.returncode == 1 and p.stderr.count(b"\n") == 1 and b"cannot write" in p.stderr, p.stderr
        assert not os.path.exists("m/" + UNET_FILE) and not os.path.exists("m/model_index.json")
        pull(hub, "org/tiny", "--to", "m")
        assert files_equal("m", files)
