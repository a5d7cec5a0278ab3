"""Job files as people bring them. What each format's text comes to is in tests/test_jobs.c."""

from helpers import *


def plan(*args, **more):
    """The pictures of a dry run."""
    lines = [json.loads(line) for line in limn("batch", *args, "--dry-run", "--json", *SMALL, **more).out.splitlines()]
    assert lines[-1]["event"] == "plan"
    return lines[:-1]


def prompts(*args, **more):
    return [job["prompt"] for job in plan(*args, **more)]


@on_tiny_model
def test_encodings():
    """The same text in each encoding, wherever text is read: jobs, wildcards, stdin, a prompt."""
    os.makedirs("wildcards")
    text = "a __thing__ at caf\u00e9 \u2014 \u6c34\r\n"
    for encoding in ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]:
        write("wildcards/thing.txt", "# \u00e9\r\ncat\r\n".encode(encoding))
        write("a.txt", text.encode(encoding))
        assert prompts("a.txt", "--seed", "1") == ["a cat at caf\u00e9 \u2014 \u6c34"], encoding
    encoded = "two \u00e9\r\nlines\r\n".encode("utf-16")
    path, = draw("-", stdin=encoded)
    assert json.loads(texts(path)["limn"])["options"]["prompt"] == "two \u00e9\nlines"
    assert prompts("-", stdin="prompt\tseed\r\n\u00e9\t1\r\n".encode("utf-16")) == ["\u00e9"]
    write("latin.csv", "prompt,seed\na cat,1\ncaf\u00e9,2\n".encode("latin-1"))
    fails(2, "batch", "latin.csv", says=["latin.csv:3: not UTF-8", '"caf\u00e9,2"', "iconv -f WINDOWS-1252 -t UTF-8"])
    write("wildcards/thing.txt", b"cat\ncaf\xe9\n")
    fails(2, "batch", "a.txt", says=["wildcards/thing.txt:2: not UTF-8"])
    fails(2, "-", stdin=b"caf\xe9", says="stdin:1: not UTF-8")


@on_tiny_model
def test_what_a_file_is():
    write("A.CSV", b"prompt,seed\na,1\n")
    write("unicode.txt", "seed\tprompt\r\n1\ta, b\r\n".encode("utf-16"))  # Excel's "Unicode text"
    write("lines.txt", b"a\tprompter\n")
    assert prompts("A.CSV") == ["a"] and prompts("unicode.txt") == ["a, b"] and prompts("lines.txt") == ["a\tprompter"]
    assert prompts("-", stdin=b"sep=;\nseed;prompt\n1;a\n") == ["a"]
    assert prompts("-", stdin=b"prompt\na\nb\n") == ["a", "b"]
    assert prompts("-", stdin=b"a red prompt, flat\n") == ["a red prompt, flat"]
    assert prompts("-", stdin=b'{\n "prompt": "a"\n}\n{\n "prompt": "b"\n}\n') == ["a", "b"]  # as jq prints them
    write("x.xlsx", b"PK\3\4\0\0")
    fails(2, "batch", "x.xlsx", says="not text")
    write("x.yaml", b"prompt: a\n")
    fails(2, "batch", "x.yaml", says="--format says which")


@on_tiny_model
def test_own_fields():
    """Any name that batch has no option for; what is nearly an option's name and is not used is told."""
    write("own.jsonl", b'{"prompt": "a {size} {shape} {scale} {name} gem", "size": ["big", "small"], "shape": "round", "scale": 2,'
                       b' "name": "x", "seed": 1}\n')
    assert prompts("own.jsonl") == ["a big round 2 x gem", "a small round 2 x gem"]
    write("cfg.jsonl", b'{"prompt": "a {cfg} gem", "cfg": ["blue", "red"], "seed": 1}\n{"prompt": "x", "cfg": 3, "seed": 1}\n')
    found = plan("cfg.jsonl")
    assert [f["prompt"] for f in found] == ["a blue gem", "a red gem", "x"] and "--cfg-scale 3" in found[2]["command"]
    write("out.csv", b"prompt,cfg\na,blue\n")
    assert plan("out.csv", "-o", "o/{cfg}.png")[0]["file"] == "blue.png"
    assert prompts("-", "--prompt", "a {cfg}", stdin=b'{"cfg": "blue"}\n') == ["a blue"]
    for field, near in [("setps", "steps"), ("samplr", "sampler"), ("widht", "width")]:
        write("bad.jsonl", json.dumps({"prompt": "a", field: 5}).encode())
        fails(2, "batch", "bad.jsonl", says=f'did you mean "{near}"?')
    write("bad.jsonl", b'{"prompt": "a", "size": 5}\n')
    fails(2, "batch", "bad.jsonl", says='unknown field "size"')
    write("bad.jsonl", b'{"prompt": "a {threads}", "threads": 5}\n')
    fails(2, "batch", "bad.jsonl", says="for the whole batch")


@on_tiny_model
def test_options_in_templates():
    """What a job says, or the command line; not what the model will choose."""
    write("j.jsonl", b'{"prompt": "{steps} steps, {sampler}", "sampler": "euler", "prompt_2": "{c} {a|b}", "c": ["x", "y"], "seed": 1}\n')
    found = plan("j.jsonl", "-o", "o/{sampler}-{index}.png")
    assert [j["prompt"] for j in found] == ["1 steps, euler"] * 2 and found[1]["file"] == "euler-2.png"
    for job, c in zip(found, "xy"):
        assert re.search(f"--prompt-2 '{c} [ab]'", job["command"]), job["command"]
    write("j.txt", b"a {sampler}\n")
    fails(2, "batch", "j.txt", says=["j.txt:1: prompt: {sampler}: the job has no such field"])
    write("j.txt", b"a cat\n")
    fails(2, "batch", "j.txt", "-o", "o/{sampler}-{index}.png", says=["j.txt:1: --output: {sampler}: the job does not say it"])


@on_tiny_model
def test_names_that_limn_writes():
    """Samplers and schedules as they stand in a picture's parameters: in a job, in lists, alone."""
    samplers = [s["a1111"] for s in json.loads(limn("list", "samplers", "--json").out)]
    schedules = [s["a1111"] for s in json.loads(limn("list", "schedules", "--json").out) if s["a1111"]] + ["Automatic"]
    write("j.jsonl", json.dumps({"prompt": "a", "sampler_name": samplers}).encode() + b"\n"
          + json.dumps({"prompt": "a", "schedule": schedules}).encode() + b"\n")
    assert len(plan("j.jsonl")) == len(samplers) + len(schedules)
    draw("a cat", "--schedule", "Automatic", "--sampler", "Euler a", "-o", "x.png")
    draw("a cat", "--sampler", "euler_ancestral", "--seed", str(json.loads(texts("x.png")["limn"])["options"]["seed"]), "-o", "y.png")
    assert read("x.png") == read("y.png")
    fails(2, "compare", "a", "--schedules", "Automatic,Karras,nope", says='"nope" is not a schedule')
    fails(2, "compare", "a", "--samplers", "Euler a,DPM++ 2M Karras,nope", says='"nope" is not a sampler')


@on_tiny_model
def test_rewritten_while_read():
    """The text is taken once: what is drawn is what was checked."""
    write("j.txt", b"a cat\n" * 40)
    write("again.txt", b"a dog\n" * 3)
    p = subprocess.Popen([LIMN, "batch", "j.txt", "-o", "o", *SMALL], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdout.readline()
    shutil.copyfile("again.txt", "j.txt")  # in place, as an editor does
    _, err = p.communicate(timeout=TIMEOUT)
    assert p.returncode == 0, err
    names = [name for name in files("o") if name.endswith(".png")]
    assert len(names) == 40 and all("a-cat" in name for name in names)


def test_stdin_without_an_end():
    """Ctrl-C once ends it."""
    for args in [["batch", "-"], ["-"]]:
        p = subprocess.Popen([LIMN, *args], env=ENV, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        p.stdin.write(b"a cat\n")
        p.stdin.flush()
        time.sleep(0.3)
        p.send_signal(signal.SIGINT)
        assert p.wait(timeout=10) == 130
        assert p.stderr.read() == b"limn: interrupted\n"


def ends_at_once(*args, after):
    """The first Ctrl-C ends it."""
    p = subprocess.Popen([LIMN, "batch", *args], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(after)
    assert p.poll() is None, (args, p.communicate())
    sent = time.monotonic()
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=60)
    assert p.returncode == 130 and time.monotonic() - sent < 3, (args, p.returncode, err)
    assert out == b"" and err.endswith(b"interrupted\n"), (args, out, err)


@on_tiny_model
def test_choices_that_explode():
    os.makedirs("wildcards")
    write("wildcards/big.txt", "".join(f"line{i}\n" for i in range(3000)).encode())
    for i in range(30):
        write(f"wildcards/w{i}.txt", f"__w{i + 1}____w{i + 1}____w{i + 1}__\n".encode())
    write("wildcards/w30.txt", b"{a|b}\n")
    laugh = "${v0=a potion in a bottle}" + "".join("${v%d=%s}" % (i, "${v%d}" % (i - 1) * 4) for i in range(1, 30)) + "${v29}"
    for text, mode, says in [(laugh, "random", "bytes of text"), (laugh, "all", "bytes of text"),
                             (laugh.replace("a potion in a bottle", ""), "random", "parts within each other"),
                             ("__w0__", "random", "parts within each other"), ("__w0__", "all", "2^64 or more pictures"),
                             ("{1-$$__big__}", "all", "2^64 or more pictures"), ("{a|b}" * 80, "all", "2^64 or more pictures")]:
        write("x.txt", text.encode() + b"\n")
        fails(2, "batch", "x.txt", "--expand", mode, says=["x.txt:1: ", says])
    write("x.txt", b"{1-$$__big__}\n" * 20)
    assert len(plan("x.txt")) == 20
    write("many.jsonl", b'{"prompt": "{1-$$__big__}", "seed": "1-1000000"}\n')
    ends_at_once("many.jsonl", after=0.5)
    write("many.jsonl", b'{"prompt": "{%s}", "seed": "1-9000000"}\n' % b"|".join(b"o%d" % i for i in range(99999)))
    ends_at_once("many.jsonl", after=0.5)


@on_tiny_model
def test_folders_that_lead_back():
    """Links among the wildcards' folders, each to all others."""
    for i in range(12):
        os.makedirs(f"wildcards/d{i}")
        write(f"wildcards/d{i}/x.txt", b"a\n")
    assert prompts("-", stdin=b"__d*/x__\n") == ["a"]
    for i in range(12):
        for k in range(12):
            os.symlink(f"../d{k}", f"wildcards/d{i}/to{k}")
    fails(2, "batch", "-", stdin=b"__**/y__\n", says="more than 10000 folders")


@slow
def test_large_records():
    """No time that grows with the square: each of these once took minutes. Of the processor, for the machine may be busy."""
    def spent():
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime

    start = spent()
    write("f.jsonl", b'{"prompt": "x", "seed": 1,%s}\n' % b",".join(b'"_f%d": 1' % i for i in range(8000)))
    assert len(plan("f.jsonl")) == 1
    write("f.jsonl", json.dumps({"prompt": "x", "seed": list(range(4000)), "width": [32]}).encode())
    assert len(plan("f.jsonl")) == 4000
    write("f.jsonl", json.dumps({"prompt": "_" * 1000000, "seed": 1}).encode())
    assert plan("f.jsonl", "--expand", "off", "--long-prompt", "truncate")[0]["file"] == "00001_untitled.png"
    assert "a prompt in" in limn("batch", "f.jsonl", "--expand", "off", "-q", *SMALL, "--memory-limit", "1G", code=1).err
    assert spent() - start < 15


# ---- what is said ----

def test_printed_commands():
    """Pasted into any shell, what --dry-run prints draws the same bytes."""
    os.makedirs("bin")
    os.symlink(LIMN, "bin/limn")
    odd = ["-s 5 cat", "--steps", "-", "", "a\nb", "a\n", "\n\na\n\n", "it's \"x\" $HOME `id` \\n !x %d", "tab\t \x1b[31m \x7f \u009b \u202e \u00e9 \u6c34",
           "& ; | > < * ? [a] ~ #"]
    records = [{"prompt": p, "seed": 1} for p in odd]
    records += [{"prompt": "x", "negative_prompt": n} for n in ["-bad", "l1\nl2\n", "it's"]]
    records += [{"prompt": "x", "id": i} for i in ["{b}", "{seed}", "a'b c", "-x", "sub/dir/y", "50%", "{{"]]
    records += [{"prompt": "x", **o} for o in [
        {"cfg_scale": 0}, {"cfg_scale": 7.123456789012345}, {"eta": 0, "sampler": "DDIM"}, {"sampler": "DPM++ 2M Karras"}, {"schedule": "Automatic"},
        {"seed": "18446744073709551615"}, {"transparent": True, "transparent_tolerance": 3.5}, {"tile": "both", "width": 64, "height": 64}, {"sizes": "16,8"},
        {"compat": "a1111"}, {"guidance_interval": "0.2:0.8"}, {"precision": "f32"}, {"vae_tile": 128}, {"count": 2}, {"model": "sprites"}]]
    for options, records in [([], records), (["--memory", "low", "-n", "a b"], records[:3])]:
        write("j.jsonl", "".join(json.dumps(r) + "\n" for r in records).encode())
        limn("batch", "j.jsonl", "-o", "o", *SMALL, "-q", "--expand", "off", *options)
        os.rename("o", "drawn")
        lines = plan("j.jsonl", "-o", "o", "--expand", "off", *options)
        assert len(lines) == len(records) + any("count" in r for r in records)
        script = "\n".join(line["command"] for line in lines) + "\n"
        subprocess.run(["sh"], input=script.encode(), env={**ENV, "PATH": os.path.abspath("bin") + ":" + ENV["PATH"]}, check=True,
                       capture_output=True, timeout=TIMEOUT)
        for line in lines:
            assert read(f"o/{line['file']}") == read(f"drawn/{line['file']}"), line["command"]
        shutil.rmtree("o")
        shutil.rmtree("drawn")
    text = limn("batch", "j.jsonl", "-o", "o", "--dry-run", *SMALL).out
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)


@on_tiny_model
def test_what_differs():
    """Only what is different is named; the same by another name is the same."""
    write("j.jsonl", b'{"prompt": "a cat", "seed": 1}\n')
    small = ["-W", "32", "-H", "32", "-q", "-o", "o"]
    for before, now, says in [
            (["--transparent"], [], 'transparent was "true", is "false";'), ([], ["--transparent"], 'transparent was "false", is "true";'),
            (["-s", "2"], [], 'steps was "2", is not given;'), ([], ["-s", "2"], 'steps was not given, is "2";'),
            (["-s", "2", "--transparent"], [], 'steps was "2", is not given, transparent was "true", is "false";'),
            (["-s", "2", "-n", "x"], ["-s", "3", "-n", "y"], 'negative-prompt was "x", is "y", steps was "2", is "3";'),
            (["--sizes", "16,8"], [], 'sizes was "16,8", is not given;'), (["--precision", "f32"], [], 'precision was "f32", is "auto";'),
            (["-s", "2", "--cfg-scale", "2", "-n", "x"], ["-s", "3", "--cfg-scale", "3", "-n", "y"],
             'negative-prompt was "x", is "y", steps was "2", is "3", cfg-scale was "2", is "3";'),
            (["--sampler", "euler_ancestral"], ["--sampler", "Euler a"], None), (["--cfg-scale", "7"], ["--cfg-scale", "7.0"], None),
            (["--sampler", "DPM++ 2M Karras"], ["--sampler", "dpmpp_2m", "--schedule", "karras"], None),
            (["--schedule", "Automatic"], [], None)]:
        limn("batch", "j.jsonl", *small, *before)
        if says:
            fails(2, "batch", "j.jsonl", *small, *now, says=["was drawn from another job: " + says])
        else:
            assert limn("batch", "j.jsonl", *small, *now).out == ""
        shutil.rmtree("o")


@on_tiny_model
def test_last_line():
    """How what failed is tried again."""
    refused = b'{"id": "b", "prompt": "x", "width": 36, "seed": 1}\n'
    missing = b'{"id": "c", "prompt": "x", "model": "no.safetensors", "seed": 1}\n'
    for jobs, says in [(refused, "1 of 1 pictures failed: see o/manifest*.jsonl; the model refused them; --retry-failed tries them again"),
                       (missing, "1 of 1 pictures failed: see o/manifest*.jsonl; the same command tries them again"),
                       (refused + missing, "2 of 2 pictures failed: see o/manifest*.jsonl; the same command tries 1 of them again, "
                                           "and with --retry-failed the 1 that the model refused too")]:
        write("j.jsonl", jobs)
        for _ in range(2):  # the second time says what the first did
            assert limn("batch", "j.jsonl", "-o", "o", *SMALL, code=1).err.splitlines()[-1] == "limn: " + says
        assert limn("batch", "j.jsonl", "-o", "o", "--retry-failed", *SMALL, code=1).err.endswith("; the same command tries them again\n")
        shutil.rmtree("o")


@on_tiny_model
def test_folder_with_a_slash():
    write("j.txt", b"a cat\n")
    assert limn("batch", "j.txt", "-o", "o//", *SMALL, "-q").out == "o/00001_a-cat.png\n"
