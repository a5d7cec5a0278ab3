"""Pictures from prompts by limn's C library, in this process.

    import limn_c

    with limn_c.Limn() as limn:
        picture = limn.draw("a red potion", steps=8, seed=7)
        picture.image().save("potion.png")     # PIL; picture.array() is numpy's, picture.png the file as limn writes it
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import threading
from collections.abc import Callable, Generator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Union

from . import _library

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

__all__ = ["Cancelled", "Limn", "LimnError", "Picture", "UsageError", "options", "samplers", "schedules", "version"]

_lib = _library.load()

Value = Union[str, int, float, bool, bytes, "os.PathLike[str]", "Image.Image", "np.ndarray[Any, Any]"]


class LimnError(Exception):
    """What limn says: files, weights, memory."""


class UsageError(LimnError, ValueError):
    """An option, a name or a size that cannot be."""


class Cancelled(LimnError):
    """cancelled() said so."""


def _raise(error: _library.ErrorStruct) -> None:
    kind = {2: UsageError, 130: Cancelled}.get(error.code, LimnError)
    raise kind(error.text.decode("utf-8", "replace"))


def version() -> str:
    return str(_lib.limn_version().decode())


def _names(which: int) -> dict[str, str]:
    out: dict[str, str] = {}
    words = ctypes.c_char_p()
    while name := _lib.limn_name(which, len(out), ctypes.byref(words)):
        out[name.decode()] = (words.value or b"").decode()
    return out


def options() -> dict[str, str]:
    """What draw() takes (with "_" for "-"), and what each is."""
    return _names(0)


def samplers() -> dict[str, str]:
    return _names(1)


def schedules() -> dict[str, str]:
    return _names(2)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    raise UsageError(f"{type(value).__name__}: a text, a number, a path or a picture is expected")


class _Job:
    """Options, and the files in memory that they name."""

    def __init__(self) -> None:
        self.error = _library.ErrorStruct()
        self.handle = _lib.limn_job_new()
        if not self.handle:
            raise MemoryError("limn_job_new")

    def close(self) -> None:
        _lib.limn_job_free(self.handle)
        self.handle = None

    def set(self, name: str, value: object) -> None:
        if value is None:
            return
        if isinstance(value, (list, tuple)):
            for one in value:
                self.set(name, one)
            return
        text = self._held(value) or _text(value)
        if "\0" in text:
            raise UsageError(f"{name}: a text without NUL is expected")
        if _lib.limn_job_set(self.handle, name.encode(), text.encode("utf-8", "surrogateescape"), ctypes.byref(self.error)):
            _raise(self.error)

    def _held(self, value: object) -> str | None:
        """The path of a picture that is in memory."""
        path = ctypes.create_string_buffer(_library.PATH_SIZE)
        if isinstance(value, (bytes, bytearray, memoryview)):
            data = bytes(value)
            failed = _lib.limn_job_file(self.handle, data, len(data), path, ctypes.byref(self.error))
        elif hasattr(value, "__array_interface__"):
            data, height, width, channels = _pixels_of(value)
            failed = _lib.limn_job_pixels(self.handle, data, width, height, channels, path, ctypes.byref(self.error))
        else:
            return None
        if failed:
            _raise(self.error)
        return path.value.decode()


def _pixels_of(value: Any) -> tuple[bytes, int, int, int]:
    """An array of uint8 or a PIL image as bytes [height, width, channels]."""
    if hasattr(value, "convert"):
        if value.mode not in ("L", "RGB", "RGBA"):
            value = value.convert("RGBA" if "A" in value.getbands() or "transparency" in value.info else "RGB")
        return value.tobytes(), value.height, value.width, len(value.getbands())
    if str(value.dtype) != "uint8" or value.ndim not in (2, 3):
        raise UsageError(f"an array of {value.dtype} {value.shape}: uint8 [height, width] or [height, width, channels] is expected")
    return value.tobytes(), value.shape[0], value.shape[1], value.shape[2] if value.ndim == 3 else 1


class Picture:
    """A finished picture, or a preview, which has no file and no settings."""

    def __init__(self, handle: int) -> None:
        self.width: int = _lib.limn_picture_width(handle)
        self.height: int = _lib.limn_picture_height(handle)
        self.channels: int = _lib.limn_picture_channels(handle)
        #: [height, width, channels], 8 bits each
        self.pixels: bytes = ctypes.string_at(_lib.limn_picture_pixels(handle), self.width * self.height * self.channels)
        size = ctypes.c_size_t()
        png = _lib.limn_picture_png(handle, ctypes.byref(size))
        #: the file as `limn generate` writes it, with what made it inside
        self.png: bytes = ctypes.string_at(png, size.value) if png else b""
        self.seed: int = _lib.limn_picture_seed(handle)
        settings = _lib.limn_picture_settings(handle).decode()
        #: limn's own JSON of what made it
        self.settings: dict[str, Any] = json.loads(settings) if settings else {}
        #: A1111's text of the same
        self.infotext: str = _lib.limn_picture_infotext(handle).decode()

    def array(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """numpy, uint8 [height, width, channels]."""
        import numpy as np

        return np.frombuffer(self.pixels, np.uint8).reshape(self.height, self.width, self.channels)

    def image(self) -> Image.Image:
        """PIL, RGB or RGBA."""
        from PIL import Image

        return Image.frombytes("RGBA" if self.channels == 4 else "RGB", (self.width, self.height), self.pixels)

    def save(self, path: str | os.PathLike[str]) -> None:
        """The PNG as limn writes it."""
        with open(path, "wb") as f:
            f.write(self.png)

    def _repr_png_(self) -> bytes | None:
        return self.png or None


class Limn:
    """Models that stay open from one picture to the next. One thread at a time draws; others wait.

    step(picture, step, steps), word(text, warning), say(what) and preview(step, steps, picture) are told, cancelled() is asked, on the thread
    that draws. What they raise ends the picture and is raised from there; so does Ctrl-C.
    """

    def __init__(
        self,
        *,
        step: Callable[[int, int, int], object] | None = None,
        word: Callable[[str, bool], object] | None = None,
        say: Callable[[str], object] | None = None,
        preview: Callable[[int, int, Picture], object] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self._lock = threading.Lock()
        self._raised: BaseException | None = None
        self._begun: _Job | None = None
        self._handle = None

        def guarded(call: Callable[[], object]) -> object:
            """Nothing may be raised through C: it is kept, and raised afterwards."""
            try:
                return None if self._raised else call()
            except BaseException as e:
                self._raised = e
                return None

        def text(raw: bytes) -> str:
            return raw.decode("utf-8", "replace")

        def on_say(_: int, what: bytes) -> None:
            guarded(lambda: say and say(text(what)))

        def on_word(_: int, warning: int, words: bytes) -> None:
            guarded(lambda: word and word(text(words), bool(warning)))

        def on_step(_: int, picture: int, done: int, steps: int) -> None:
            guarded(lambda: step and step(picture, done, steps))

        def on_cancelled(_: int) -> int:
            return int(bool(guarded(lambda: cancelled and cancelled())) or self._raised is not None)

        def on_preview(_: int, done: int, steps: int, so_far: int) -> None:
            guarded(lambda: preview and preview(done, steps, Picture(so_far)))

        # they are kept: the library calls them for as long as the handle lives
        self._callbacks = _library.Callbacks(
            ctypes.sizeof(_library.Callbacks),
            None,
            _library.SAY(on_say),
            _library.WORD(on_word),
            _library.STEP(on_step),
            _library.CANCELLED(on_cancelled),
            _library.PREVIEW(on_preview) if preview is not None else _library.PREVIEW(),
        )
        error = _library.ErrorStruct()
        self._handle = _lib.limn_new(ctypes.byref(self._callbacks), ctypes.byref(error))
        if not self._handle:
            _raise(error)

    def close(self) -> None:
        with self._lock:
            _lib.limn_free(self._handle)
            self._handle = None

    def __enter__(self) -> Limn:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            _lib.limn_free(self._handle)

    def _call(self, function: Any, *args: Any) -> int:
        if not self._handle:
            raise ValueError("this Limn is closed")
        error = _library.ErrorStruct()
        self._raised = None
        result = int(function(self._handle, *args, ctypes.byref(error)))
        if self._raised:
            raised, self._raised = self._raised, None
            raise raised
        if result < 0:
            _raise(error)
        return result

    def _next(self, job: _Job) -> Picture | None:
        handle = ctypes.c_void_p()
        with self._lock:
            if self._begun is not job:
                raise LimnError("another picture was begun meanwhile")
            if not self._call(_lib.limn_next, ctypes.byref(handle)):
                _lib.limn_end(self._handle)
                return None
        try:
            return Picture(handle.value or 0)
        finally:
            _lib.limn_picture_free(handle)

    def pictures(self, prompt: str = "", **settings: Value | Sequence[Value] | None) -> Generator[Picture, None, None]:
        """As many as count says; what draws others meanwhile ends them. settings: limn's options; pictures (PIL, numpy, bytes of a file) where an option names a file."""
        job = _Job()
        try:
            for name, value in {"prompt": prompt, **settings}.items():
                job.set(name, value)
            with self._lock:
                self._begun = job
                self._call(_lib.limn_begin, job.handle)
            while picture := self._next(job):
                yield picture
        finally:
            job.close()

    def draw(self, prompt: str = "", **settings: Value | Sequence[Value] | None) -> Picture:
        """One picture."""
        with contextlib.closing(self.pictures(prompt, **{**settings, "count": 1})) as pictures:
            return next(pictures)

    def load(self, **settings: Value | Sequence[Value] | None) -> None:
        """Opens the model now rather than with the first picture."""
        job = _Job()
        try:
            for name, value in settings.items():
                job.set(name, value)
            with self._lock:
                self._begun = None
                self._call(_lib.limn_load, job.handle)
        finally:
            job.close()
