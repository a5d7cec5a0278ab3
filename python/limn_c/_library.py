"""The C library, loaded and typed: one line here for each of limn.h's functions that the package calls."""

import ctypes
import ctypes.util
import os
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_long, c_size_t, c_uint64, c_void_p
from pathlib import Path
from typing import Any

ABI = 1
PATH_SIZE = 64


class ErrorStruct(ctypes.Structure):
    _fields_ = [("code", c_int), ("text", ctypes.c_char * 1024)]


SAY = CFUNCTYPE(None, c_void_p, c_char_p)
WORD = CFUNCTYPE(None, c_void_p, c_int, c_char_p)
STEP = CFUNCTYPE(None, c_void_p, c_int, c_int, c_int)
CANCELLED = CFUNCTYPE(c_int, c_void_p)
PREVIEW = CFUNCTYPE(None, c_void_p, c_int, c_int, c_void_p)


class Callbacks(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("ctx", c_void_p), ("say", SAY), ("word", WORD), ("step", STEP), ("cancelled", CANCELLED), ("preview", PREVIEW)]


_E = POINTER(ErrorStruct)
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "limn_abi": (c_int, []),
    "limn_version": (c_char_p, []),
    "limn_job_new": (c_void_p, []),
    "limn_job_free": (None, [c_void_p]),
    "limn_job_set": (c_int, [c_void_p, c_char_p, c_char_p, _E]),
    "limn_job_get": (c_long, [c_void_p, c_char_p, c_char_p, c_size_t]),
    "limn_job_file": (c_int, [c_void_p, c_char_p, c_size_t, c_char_p, _E]),
    "limn_job_pixels": (c_int, [c_void_p, c_char_p, c_int, c_int, c_int, c_char_p, _E]),
    "limn_picture_free": (None, [c_void_p]),
    "limn_picture_width": (c_int, [c_void_p]),
    "limn_picture_height": (c_int, [c_void_p]),
    "limn_picture_channels": (c_int, [c_void_p]),
    "limn_picture_pixels": (c_void_p, [c_void_p]),
    "limn_picture_png": (c_void_p, [c_void_p, POINTER(c_size_t)]),
    "limn_picture_seed": (c_uint64, [c_void_p]),
    "limn_picture_settings": (c_char_p, [c_void_p]),
    "limn_picture_infotext": (c_char_p, [c_void_p]),
    "limn_new": (c_void_p, [POINTER(Callbacks), _E]),
    "limn_free": (None, [c_void_p]),
    "limn_load": (c_int, [c_void_p, c_void_p, _E]),
    "limn_begin": (c_int, [c_void_p, c_void_p, _E]),
    "limn_next": (c_int, [c_void_p, POINTER(c_void_p), _E]),
    "limn_end": (None, [c_void_p]),
    "limn_name": (c_char_p, [c_int, c_size_t, POINTER(c_char_p)]),
}


def _path() -> str:
    """$LIMN_LIBRARY; a copy in this package's folder; what the linker finds."""
    named = os.environ.get("LIMN_LIBRARY")
    if named:
        return named
    beside = Path(__file__).with_name(f"liblimn.so.{ABI}")
    if beside.exists():
        return str(beside)
    return ctypes.util.find_library("limn") or f"liblimn.so.{ABI}"


def load() -> ctypes.CDLL:
    path = _path()
    # libgomp's waiting threads would spin, and while another program is busy take ten times as long; it reads this when it is loaded
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        library = ctypes.CDLL(path)
    except OSError as e:
        raise ImportError(f"{e}; `make install` of limn puts it where it is found, LIMN_LIBRARY names it elsewhere") from None
    for name, (returns, takes) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = returns
        function.argtypes = takes
    if library.limn_abi() != ABI:
        raise ImportError(f"{path} has ABI {library.limn_abi()}, this package is for {ABI}")
    return library


__all__ = ["CANCELLED", "PREVIEW", "SAY", "STEP", "WORD", "Callbacks", "ErrorStruct", "PATH_SIZE", "load"]
