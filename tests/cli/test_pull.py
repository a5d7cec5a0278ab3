"""limn pull against a hub on this machine that drops connections, lies, redirects and refuses; the cache that Python's library shares."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from helpers import *  # noqa: E402,F403
from hub import COMMIT, Fault, Hub  # noqa: E402

UNET_FILE = "unet/diffusion_pytorch_model.safetensors"


def repository():
    """A tiny model's files as a repository has them, with files that limn does not want."""
    out = {}
    for at, _, names in os.walk(TINY_MODEL[1], followlinks=True):
        for name in names:
            path = os.path.join(at, name)
            if not name.startswith("io."):
                out[os.path.relpath(path, TINY_MODEL[1])] = read(path)
    unwanted = {"README.md": b"# hello", "unet/diffusion_pytorch_model.bin": b"pickle", "sd.ckpt": b"pickle",
                "safety_checker/model.safetensors": b"x" * 3000, "unet/model.onnx": b"x", "whole.safetensors": b"y" * 4000,
                "unet/diffusion_pytorch_model.fp16.safetensors": out[UNET_FILE], ".gitattributes": b""}
    return out, unwanted


def pull(hub, *args, code=0, env=None, says=(), **more):
    r = limn("pull", *args, code=code, env={**hub.env, "HF_HOME": os.path.abspath("hf"), "XDG_DATA_HOME": os.path.abspath("data"),
                                            **(env or {})}, **more)
    for word in [says] if isinstance(says, str) else says:
        assert word in r.err, (args, word, r.err)
    if code:
        assert r.out == "" and r.err.splitlines()[-1].startswith("limn: "), (r.out, r.err)
    return r


def asked(hub, word):
    return [x for x in hub.log if word in x[1]]


def test_pull_into_the_cache():
    """Only what is wanted, in the hub's own layout, found by -m; a second time nothing is fetched."""
    files, unwanted = repository()
    with Hub({**files, **unwanted}) as hub:
        path = pull(hub, "org/tiny").out.strip()
        assert path == os.path.abspath(f"hf/hub/models--org--tiny/snapshots/{COMMIT}"), path
        for name, data in files.items():
            assert read(os.path.join(path, name)) == data, name
        for name in unwanted:
            assert not os.path.lexists(os.path.join(path, name)), name
        assert os.readlink(f"{path}/{UNET_FILE}") == f"../../../blobs/{hub.hash(UNET_FILE)}"
        assert read("hf/hub/models--org--tiny/refs/main") == COMMIT.encode()
        assert not [x for x in files_below("hf") if "incomplete" in x]
        env = {"HF_HOME": os.path.abspath("hf")}
        drawn = draw("a red potion", "-m", "org/tiny", "--seed", "1", "-o", "a.png", env=env)
        again = draw("a red potion", *TINY_MODEL, "--seed", "1", "-o", "b.png")
        assert image(drawn[0]) == image(again[0])
        hub.log.clear()
        assert pull(hub, "org/tiny").out.strip() == path
        assert not [x for x in hub.log if "safetensors" in x[1]], hub.log
        assert "org/tiny" in limn("list", "models", env=env).out
        inside = {**env, "ASAN_OPTIONS": "detect_leaks=0:exitcode=99"}  # which is done by ptrace
        fenced = draw("a red potion", "-m", "org/tiny", "--seed", "1", "-o", "c.png", "--sandbox", env=inside)
        assert image(fenced[0]) == image(drawn[0])
        limn("info", "org/tiny", "--sandbox", env=inside)
        fp16 = pull(hub, "org/tiny", "--include", "fp16,*.md").out.strip()
        assert os.path.exists(f"{fp16}/unet/diffusion_pytorch_model.fp16.safetensors") and os.path.exists(f"{fp16}/README.md")
        assert pull(hub, "org/tiny", "--offline").out.strip() == path
        assert limn("pull", "org/tiny", "--offline", "--json", env=env).out == json.dumps({"path": path}, separators=(",", ":")) + "\n"


def files_below(folder):
    return [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]


def image(path):
    return b"".join(data for kind, data in chunks(read(path)) if kind == b"IDAT")


def test_pull_to_a_folder():
    files, unwanted = repository()
    with Hub({**files, **unwanted}, blobs=False) as hub:  # sizes and hashes from each file's head
        out = pull(hub, "org/tiny", "--to", "mine", "-q")
        assert out.out == "mine\n" and out.err == ""
        assert sorted(os.path.relpath(x, "mine") for x in files_below("mine")) == sorted(files)
        assert files_equal("mine", files)
        draw("a red potion", "-m", "mine", "-o", "x.png")
        write("mine/vae/config.json", b"{}")
        pull(hub, "org/tiny", "--to", "mine")
        assert files_equal("mine", files)


def files_equal(folder, files):
    return all(read(os.path.join(folder, name)) == data for name, data in files.items())


def test_pull_goes_on():
    """A connection that drops is taken up where it ended; so is a run that was stopped."""
    files, _ = repository()
    size = len(files[UNET_FILE])
    with Hub(files) as hub:
        hub.faults[UNET_FILE] = Fault(times=2, cut=size // 3)
        pull(hub, "org/tiny", "--to", "m", says="trying again")
        assert files_equal("m", files)
        ranges = [x[2].get("Range") for x in asked(hub, UNET_FILE) if x[0] == "GET" and x[3] == hub.back.server_address[1]]
        assert ranges[0] is None and ranges[1] == f"bytes={size // 3}-", ranges
        assert hub.sent < sum(map(len, files.values())) + size // 2

        hub.faults[UNET_FILE] = Fault(times=1, cut=1000, then=Fault(times=99, status=404))
        pull(hub, "org/tiny", "--to", "n", code=1, says=UNET_FILE)
        assert not os.path.exists(f"n/{UNET_FILE}") and not os.path.exists("n/model_index.json")
        part = [x for x in os.listdir("n/unet") if x.endswith(".limn.incomplete")]
        assert len(part) == 1 and os.path.getsize("n/unet/" + part[0]) >= 1000
        hub.faults.clear()
        hub.log.clear()
        pull(hub, "org/tiny", "--to", "n")
        assert files_equal("n", files)
        assert any(x[2].get("Range") for x in hub.log)


def test_pull_killed():
    """Killed at random moments and called again: in the end the files, whole; never half a one under its name."""
    files, _ = repository()
    random.seed(20)
    with Hub(files) as hub:
        for name in files:
            hub.faults[name] = Fault(times=10 ** 6, slow=0.02)
        env = {**ENV, **hub.env, "HF_HOME": os.path.abspath("hf")}
        for _ in range(20):
            p = subprocess.Popen([LIMN, "pull", "org/tiny", "-q"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(random.random() * 0.3)
            p.send_signal(signal.SIGKILL)
            p.wait()
            for path in files_below("hf/hub/models--org--tiny/blobs"):
                name = os.path.basename(path)
                if "incomplete" in name:
                    continue
                data = read(path)
                assert name in (hashlib.sha256(data).hexdigest(), hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()), name
        path = pull(hub, "org/tiny").out.strip()
        assert files_equal(path, files)
        assert not [x for x in files_below("hf") if "incomplete" in x]


def test_pull_interrupted():
    files, _ = repository()
    with Hub(files) as hub:
        hub.faults[UNET_FILE] = Fault(times=9, slow=0.5)
        p = subprocess.Popen([LIMN, "pull", "org/tiny", "--to", "m", "-q"], env={**ENV, **hub.env}, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 30
        while not os.path.isdir("m/unet") and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.2)
        p.send_signal(signal.SIGINT)
        _, err = p.communicate(timeout=30)
        assert p.returncode == 130 and err.count(b"\n") == 1, (p.returncode, err)


def test_pull_lies():
    """Sizes, hashes, pages, endless bodies: said, and nothing kept that is wrong."""
    files, _ = repository()
    cases = {
        "size": (Fault(times=99, lie=-10), "bytes long"),
        "wrong": (Fault(times=99, wrong=True), ["SHA-256", "should be", hashlib.sha256(files[UNET_FILE]).hexdigest()]),
        "html": (Fault(times=99, html=True), "bytes long"),
        "endless": (Fault(times=99, endless=True), "more than"),
        "gone": (Fault(times=99, status=404), "404"),
    }
    with Hub(files) as hub:
        for name, (fault, says) in cases.items():
            hub.faults = {UNET_FILE: fault}
            if name == "gone":
                says = "has none of that name"
            pull(hub, "org/tiny", "--to", name, code=1, says=says)
            assert not os.path.exists(f"{name}/{UNET_FILE}") and not os.path.exists(f"{name}/model_index.json"), name
            if name == "wrong":
                assert not [x for x in os.listdir("wrong/unet") if "incomplete" in x]
        hub.faults = {UNET_FILE: Fault(ignore_range=True, times=99)}
        os.makedirs("r/unet")
        write(f"r/{UNET_FILE}.{hub.hash(UNET_FILE)[:12]}.limn.incomplete", files[UNET_FILE][:500])
        pull(hub, "org/tiny", "--to", "r")
        assert files_equal("r", files)
        for wrong in (files[UNET_FILE] + b"more", bytes(len(files[UNET_FILE]))):  # longer than the whole; as long, and other bytes
            os.remove(f"r/{UNET_FILE}")
            write(f"r/{UNET_FILE}.{hub.hash(UNET_FILE)[:12]}.limn.incomplete", wrong)
            r = limn("pull", "org/tiny", "--to", "r", env=hub.env, code=1 if len(wrong) == len(files[UNET_FILE]) else 0)
            if r.code:
                assert "SHA-256" in r.err
                pull(hub, "org/tiny", "--to", "r")
            assert files_equal("r", files)


def test_pull_redirects():
    files, _ = repository()
    with Hub(files, token="hf_secret") as hub:
        env = {"HF_TOKEN": "hf_secret"}
        pull(hub, "org/tiny", "--to", "m", env=env)
        assert files_equal("m", files)
        front, back = hub.front.server_address[1], hub.back.server_address[1]
        assert all(x[2].get("Authorization") == "Bearer hf_secret" for x in hub.log if x[3] == front)
        assert [x for x in hub.log if x[3] == back] and not [x for x in hub.log if x[3] == back and "Authorization" in x[2]]
        for location, says in (("file:///etc/passwd", "no address that limn follows"), ("ftp://127.0.0.1/x", "no address"),
                               (hub.url + f"/org/tiny/resolve/main/{UNET_FILE}", "leads on more than 10 times"),
                               ("http://user@127.0.0.1/x", "no address")):
            hub.faults = {UNET_FILE: Fault(times=99, location=location)}
            pull(hub, "org/tiny", "--to", "n", code=1, env=env, says=says)
        hub.faults = {UNET_FILE: Fault(times=1, location=f"/org/tiny/resolve/main/{UNET_FILE}")}  # a repository that was renamed
        pull(hub, "org/tiny", "--to", "n", env=env)
        assert files_equal("n", files)
        assert pull(hub, "org/tiny", "--to", "o", code=1, says=["org/tiny", "HF_TOKEN"]).err.count("hf_secret") == 0
        os.makedirs("hf2")
        write("hf2/token", b"hf_secret\n")
        pull(hub, "org/tiny", "--to", "o", env={"HF_HOME": os.path.abspath("hf2")})
        pull(hub, "org/tiny", "--to", "p", code=1, env={"HF_HOME": os.path.abspath("hf2"), "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"})


def test_pull_refused():
    files, _ = repository()
    with Hub(files) as hub:
        for status, headers, says in ((401, {"X_Error_Code": "RepoNotFound"}, "HF_TOKEN"), (403, {"X_Error_Code": "GatedRepo"}, "terms"),
                                      (404, {"X_Error_Code": "RevisionNotFound"}, "no such revision"), (418, {}, "status 418")):
            hub.api_fault = Fault(times=9, status=status, headers=headers)
            pull(hub, "org/tiny", code=1, says=["org/tiny", says])
        hub.api_fault = Fault(times=1, status=429, headers={"Retry_After": "1"})
        pull(hub, "org/tiny", "--to", "m")
        hub.api_fault = None
        hub.faults[UNET_FILE] = Fault(times=1, status=503)
        pull(hub, "org/tiny", "--to", "n")
        assert files_equal("n", files)
        pull(hub, "org/none", code=1, says="org/none")
        pull(hub, "org/tiny", "--revision", "v9", code=1, says="no such revision")
        pull(hub, "org/tiny", "--revision", "refs/pr/1", "--to", "pr")
        pull(hub, "org/tiny@" + COMMIT, "--to", "commit")
        pull(hub, "org/tiny", "--include", "*.nothing", "--to", "q", code=1, says="--include *.nothing")
        for bad in ("../evil", "/etc/passwd", "a/../../b", "a\\b"):
            hub.extra = [bad]
            r = limn("pull", "org/tiny", "--to", "evil", env=hub.env, code=0 if bad == "a\\b" else 1)
            assert not os.path.exists("../evil")
            if bad != "a\\b":
                assert "refused" in r.err
        hub.extra = []
    for what, code, says in (("", 2, "limn pull stabilityai/sd-turbo"), ("nothing", 2, "expected a model"), ("a/b/c", 2, "expected a model"),
                             ("https://u@h/x", 2, "expected a model")):
        r = limn("pull", what, code=code)
        assert says in r.err, r.err
    limn("pull", code=2)
    r = limn("pull", "org/tiny", code=1, env={"PATH": "/nowhere"})
    assert "curl" in r.err and r.err.count("\n") == 1
    r = limn("pull", "org/tiny", "--offline", code=1)
    assert "offline" in r.err
    r = limn("pull", "org/tiny", code=1, env={"HF_HUB_OFFLINE": "True"})
    assert "offline" in r.err
    r = limn("pull", "org/tiny", code=1, env={"HF_ENDPOINT": "ftp://x"})
    assert "HF_ENDPOINT" in r.err


def test_pull_single_files():
    """A repository of single files, an address, Civitai's; found by name afterwards."""
    weights = read(os.path.join(TINY_MODEL[1], UNET_FILE))
    with Hub({"a.safetensors": weights, "b.gguf": weights, "README.md": b"x"}) as hub:
        pull(hub, "org/tiny", code=2, says=["a.safetensors, b.gguf", "ORG/NAME:FILE"])
        path = pull(hub, "org/tiny:b.gguf").out.strip()
        assert path.endswith(f"snapshots/{COMMIT}/b.gguf") and read(path) == weights
        pull(hub, "org/tiny:c.gguf", code=1, says="c.gguf")
        out = pull(hub, hub.url + "/org/tiny/resolve/main/a.safetensors").out.strip()
        assert out == os.path.abspath("data/limn/models/a.safetensors") and read(out) == weights
        r = limn("x", "-m", "a", code=1, env={"XDG_DATA_HOME": os.path.abspath("data")})
        assert "data/limn/models/a.safetensors" in r.err, r.err
        out = limn("list", "models", env={"XDG_DATA_HOME": os.path.abspath("data"), "HF_HOME": os.path.abspath("hf")}).out
        assert "sprites\n" in out and "\na " in out and "org/tiny:b.gguf" in out, out

        version = {"id": 7, "files": [{"name": "x.ckpt", "downloadUrl": hub.url + "/x"},
                                      {"name": "x.safetensors", "primary": True, "downloadUrl": hub.url + "/org/tiny/resolve/main/a.safetensors",
                                       "hashes": {"SHA256": hashlib.sha256(weights).hexdigest().upper()}}]}
        hub.routes["/api/v1/models/5"] = (200, {}, json.dumps({"modelVersions": [version]}).encode())
        hub.routes["/api/v1/model-versions/7"] = (200, {}, json.dumps(version).encode())
        env = {"CIVITAI_ENDPOINT": hub.url, "CIVITAI_TOKEN": "key"}
        for what in ("civitai:5", "civitai:5@7", "https://civitai.com/models/5/slug?modelVersionId=7", "urn:air:sd1:checkpoint:civitai:5@7"):
            out = pull(hub, what, "--to", "c", env=env).out.strip()
            assert out == "c/x.safetensors" and read(out) == weights
            os.remove(out)
        assert [x for x in asked(hub, "/api/v1/") if x[2].get("Authorization") == "Bearer key"]
        assert not [x for x in hub.log if x[3] == hub.back.server_address[1] and "Authorization" in x[2]]
        version["files"][1]["hashes"]["SHA256"] = "0" * 64
        hub.routes["/api/v1/models/5"] = (200, {}, json.dumps({"modelVersions": [version]}).encode())
        pull(hub, "civitai:5", "--to", "c", env=env, code=1, says=["civitai:5", "SHA-256"])
        version["files"][1]["name"] = "../x.safetensors"
        hub.routes["/api/v1/models/5"] = (200, {}, json.dumps({"modelVersions": [version]}).encode())
        pull(hub, "civitai:5", "--to", "c", env=env, code=1, says="refused")
        hub.routes["/page"] = (200, {"Content_Type": "text/html"}, b"<!DOCTYPE html><html>log in</html>")
        pull(hub, hub.url + "/page", "--to", "c", code=1, says="web page")


def test_names_of_the_hub():
    """What is not here yet: the error says which command gets it."""
    fails(1, "x", "-m", "stabilityai/sd-turbo", says="limn pull stabilityai/sd-turbo")
    fails(1, "x", "-m", "https://huggingface.co/a/b/resolve/main/c.safetensors", says="limn pull")
    fails(1, "info", "stabilityai/sd-turbo", says="limn pull")


if __name__ == "__main__":
    main(globals())
