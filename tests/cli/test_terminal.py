"""Text of strangers on stdout and stderr: no character that drives a terminal, turns text round or does not show."""
from helpers import *

HOSTILE = "\x9b31m\x9d52;c;x\x07\u202egnp\u2066\u200f\u061c\u200b\u2028\U000e0041"
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
                    "\U000e0000-\U000e0fff]")


def clean(r):
    for text in (r.out, r.err):
        found = HIDDEN.search(text)
        assert not found, f"{found} in {text[max(0, found.start() - 40):][:100]!r}"
    return r


def hostile_png(path="x.png"):
    draw("x", "--seed", "1", "-o", path)
    whole = read(path)
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    ours = json.loads(texts(path)["limn"])
    ours["model"] = ours["limn"] = ours["kernels"] = ours["options"]["prompt"] = HOSTILE
    text = json.dumps(ours, ensure_ascii=False).encode()
    write("hostile.png", whole[:33] + chunk(b"iTXt", b"limn\0\0\0\0\0" + text) + chunk(b"tEXt", b"Title\0" + b"\x9b2J\x1b") +
          whole[whole.index(b"IDAT") - 4:])
    write("type.png", whole[:33] + chunk(b"\x9b2J\xc2", b"") + whole[33:])
    write("cut.png", whole[:33] + b"\0\0\xff\xff\xc2\x9bJA" + b"\0\0\0\0")


@on_tiny_model
def test_pictures_of_strangers():
    hostile_png()
    clean(limn("info", "hostile.png"))
    r = clean(limn("info", "--json", "hostile.png"))
    told = json.loads(r.out)
    assert told["settings"]["options"]["prompt"] == HOSTILE and told["texts"]["Title"] == "\x9b2J\x1b"
    for name in ["hostile.png", "type.png", "cut.png"]:
        clean(subprocess_of("again", name, "-o", "y.png"))
        clean(subprocess_of("info", name))
        clean(subprocess_of("compare", "x.png", name))


def subprocess_of(*args, **more):
    p = subprocess.run([LIMN, *args], capture_output=True, timeout=TIMEOUT, env=ENV, stdin=subprocess.DEVNULL, **more)
    assert p.returncode in (0, 1, 2), p
    return Result(p.returncode, p.stdout.decode(), p.stderr.decode())


def test_models_of_strangers():
    for file, key in [("limn.json", "name"), ("limn.json", HOSTILE), ("model_index.json", "_class_name"), ("model_index.json", "unet"),
                      ("unet/config.json", "act_fn"), ("unet/config.json", HOSTILE), ("scheduler/scheduler_config.json", "_class_name"),
                      ("scheduler/scheduler_config.json", "beta_schedule"), ("tokenizer/tokenizer_config.json", "pad_token")]:
        shutil.rmtree("m", ignore_errors=True)
        model_copy("m", file)
        at = os.path.join("m", file)
        told = json.loads(read(at)) if os.path.exists(at) else {}
        told[key] = ["diffusers", HOSTILE] if key == "unet" else HOSTILE
        write(at, json.dumps(told, ensure_ascii=False).encode())
        clean(subprocess_of("x", "-m", "m", *SMALL, "-v", "-o", "x.png"))
        clean(subprocess_of("info", "m"))
        clean(subprocess_of("info", "--json", "m"))
    os.remove("m/" + UNET)
    write("m/" + UNET + ".index.json", json.dumps({"weight_map": {HOSTILE: HOSTILE + ".safetensors"}}, ensure_ascii=False).encode())
    clean(subprocess_of("x", "-m", "m", *SMALL, "-o", "x.png"))
    safetensors("x.safetensors", {HOSTILE: {"dtype": HOSTILE, "shape": [1], "data_offsets": [0, 4]}}, b"abcd")
    clean(subprocess_of("info", "x.safetensors"))


@on_tiny_model
def test_jobs_of_strangers():
    jobs = [{"prompt": HOSTILE, "_colour": HOSTILE, "id": "a"}, {"prompt": "x", "id": HOSTILE}, {"prompt": "x", HOSTILE: 1},
            {"prompt": "x", "sampler": HOSTILE}, {"prompt": "__" + HOSTILE + "__"}, {"prompt": "{a|" + HOSTILE}]
    for i, job in enumerate(jobs):
        write("j.jsonl", json.dumps(job, ensure_ascii=False).encode() + b"\n")
        for more in [["--dry-run"], ["--dry-run", "--json"], ["--json"], ["-v"]]:
            r = clean(subprocess_of("batch", "j.jsonl", *SMALL, "--seed", "1", "-o", f"out{i}", *more))
            assert i or r.code == 0, r.err
    write("j.jsonl", json.dumps(jobs[0], ensure_ascii=False).encode() + b"\n")
    out = [json.loads(line) for line in limn("batch", "j.jsonl", "--dry-run", "--json", "--seed", "1", "-o", "o").out.splitlines()]
    assert out[0]["prompt"] == HOSTILE and out[0]["fields"]["_colour"] == HOSTILE


@on_tiny_model
def test_names_of_the_users_own():
    """Paths on stdout are their bytes for a script, and on a terminal as git shows them."""
    name = "a\x9b\u202e\".png"
    assert draw("x", "--seed", "1", "-o", name) == [name]
    r = subprocess_of("compare", name, name)
    clean(Result(r.code, r.out, r.err))
    r = limn("x", *SMALL, "--seed", "1", "-o", "b\x9b.png", "--json", "-q")
    assert json.loads(clean(r).out)["path"] == "b\x9b.png"
    main, side = pty.openpty()
    p = subprocess.Popen([LIMN, "x", *SMALL, "-q", "--seed", "1", "-o", name], stdout=side, stderr=subprocess.DEVNULL, env=ENV)
    p.wait(TIMEOUT)
    os.close(side)
    assert os.read(main, 1000).decode().strip() == '"a\\302\\233\\342\\200\\256\\".png"'
    os.close(main)


@on_tiny_model
def test_a_dry_runs_command_gives_the_prompt_back():
    prompt = "a\x03b\x1b[201~\nit's \x9b\u202e%s\\n"
    write("j.jsonl", json.dumps({"prompt": prompt}).encode() + b"\n")
    line = clean(limn("batch", "j.jsonl", "--dry-run", "-o", "o")).out.splitlines()[0]
    got = subprocess.run(["sh", "-c", "limn() { printf %s \"$2\"; }; " + line], capture_output=True, timeout=TIMEOUT)
    assert got.stdout.decode() == prompt, got.stdout
